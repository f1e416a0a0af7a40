import Glibc
import Kernel

/// The address that the edge serves on: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`.
public struct EdgeAddress: Sendable, Hashable, CustomStringConvertible {
    /// A name or a numeric address, without brackets.
    public let host: String
    /// 1 to 65535.
    public let port: Int

    /// Parses `host:port`; throws `Fault.invalid` for anything else.
    public init(_ text: String) throws(Fault) {
        let colon = text.lastIndex(of: ":") ?? text.startIndex
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        let isPlain =
            !host.isEmpty
            && host.utf8.allSatisfy { byte in
                Unicode.Scalar(byte).properties.isAlphabetic || (0x30...0x39).contains(byte)
                    || "-.:".utf8.contains(byte)
            }
        guard isPlain, let port = Int(text[colon...].dropFirst()), (1...65_535).contains(port) else {
            throw Fault(
                .invalid, doing: "use '\(text)' as the edge's address",
                "expected a host and a port such as 127.0.0.1:8080", field: "CONSTINTEL_EDGE")
        }
        self.host = host
        self.port = port
    }

    /// `host:port`, as nginx and URLs write it.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

extension EdgeAddress {
    /// Throws a sentence that names the address and its setting when nobody could listen on it now.
    func checkItIsFree() throws(Fault) {
        let outcome = try withSocket { socket, address, length in
            var yes: Int32 = 1
            setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
            return bind(socket, address, length) == 0 ? 0 : errno
        }
        let reason: String
        switch outcome {
        case 0: return
        case EADDRINUSE: reason = "another program is using it"
        case EACCES: reason = "only root may listen on a port below 1024"
        default: reason = String(cString: strerror(outcome))
        }
        throw Fault(
            .conflict, doing: "listen on \(self)", "\(reason); set CONSTINTEL_EDGE to a free host:port",
            field: "CONSTINTEL_EDGE")
    }

    /// Whether somebody accepts connections on it.
    func answers() -> Bool {
        let outcome = try? withSocket { socket, address, length in connect(socket, address, length) }
        return outcome == 0
    }

    /// Calls `body` with a new socket and the address as the socket functions take it.
    private func withSocket(
        _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(Fault) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, "\(port)", &hints, &found) == 0, let entry = found?.pointee else {
            throw Fault(
                .invalid, doing: "listen on \(self)", "there is no such host", field: "CONSTINTEL_EDGE")
        }
        defer { freeaddrinfo(found) }
        let socket = Glibc.socket(entry.ai_family, entry.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw Fault(systemErrorWhile: "listen on \(self)") }
        defer { close(socket) }
        return body(socket, entry.ai_addr, entry.ai_addrlen)
    }
}
