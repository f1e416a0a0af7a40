import Foundation
import Kernel

/// Where an HTTP API is: on a local socket, or at a base URL.
package enum ServiceAddress: Hashable, Sendable, CustomStringConvertible {
    case socket(path: String)
    /// A base URL without a slash at its end, such as `https://ci.example` or `http://127.0.0.1:8080/b/acme`.
    case web(base: String)

    /// Parses a base URL that a person gave; nil unless it is an http or https URL with a host, and without
    /// a query or a fragment.
    package init?(webURL text: String) {
        guard let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(),
            scheme == "http" || scheme == "https", let host = parts.host, !host.isEmpty,
            parts.query == nil, parts.fragment == nil, parts.user == nil
        else { return nil }
        var base = text
        while base.hasSuffix("/") { base.removeLast() }
        self = .web(base: base)
    }

    /// The URL of `path`, which begins with a slash, with `query` behind it.
    package func url(path: String, query: [(name: String, value: String)] = []) -> String {
        let pairs = query.map { "\(escaped($0.name))=\(escaped($0.value))" }
        let tail = path + (pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&"))
        return switch self {
        case .socket(let socket): "http+unix://\(escaped(socket))\(tail)"
        case .web(let base): base + tail
        }
    }

    /// Whether what is sent there can be read on the way: plain HTTP to another machine.
    package var isReadableOnTheWay: Bool {
        guard case .web(let base) = self, let parts = URLComponents(string: base) else { return false }
        let local = ["localhost", "127.0.0.1", "::1", "[::1]"]
        return parts.scheme?.lowercased() == "http" && !local.contains(parts.host ?? "")
    }

    package var description: String {
        switch self {
        case .socket(let path): path
        case .web(let base): base
        }
    }
}

/// `text` as one segment of a path or one part of a query: all but RFC 3986's unreserved characters escaped.
package func escaped(_ text: String) -> String {
    let unreserved = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)
    let digits = Array("0123456789ABCDEF")
    var result = ""
    for byte in text.utf8 {
        if unreserved.contains(byte) {
            result.unicodeScalars.append(Unicode.Scalar(byte))
        } else {
            result += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
        }
    }
    return result
}
