import Contract
import Foundation
import Glibc
import Kernel
import TestSupport
import Testing

/// Keys from the command that makes them, through the edge, to the request that is refused.
@Suite("API keys through the edge", .serialized)
struct KeyJourney {
    /// Uploads that are cut, one after the other.
    static let trials = 10

    private static let event = #"{"type":"page_view","identifiers":{"cookie_id":"c"}}"#

    @Test("a half-sent batch is cut within a second of its key's revocation, below the brand and by its key")
    func halfSent() async throws {
        try await Shop.with { shop in
            var longest = Duration.zero
            for number in 0..<Self.trials {
                let key = try await shop.key("--name", "upload \(number)")
                let path = number % 2 == 0 ? "/b/demo/api/events/batch" : "/api/events/batch"
                let upload = try EdgeRequest(
                    "POST", path,
                    [
                        "Authorization: Bearer \(key.key)", "Content-Type: application/x-ndjson",
                        "Content-Length: 100000",
                    ], to: shop.installation.edge)
                upload.send(#"{"eventId":"h\#(number)","type":"search","identifiers":{"cookie_id":"c"}}"#)
                upload.send("\n")
                #expect(try shop.send(Self.event, key: key.key).status == 202)
                let revoked = try await shop.installation.run("key", "revoke", "demo", key.view.publicId)
                let start = ContinuousClock.now
                try #require(revoked.status == 0, "\(revoked.errors)")
                let answer = try upload.answer()
                longest = max(longest, ContinuousClock.now - start)
                #expect(answer.status == 401 && answer.text.contains("was revoked"), "\(answer.text)")
            }
            print("edge: \(Self.trials) half-sent batches were cut within \(longest) of the command's end")
            #expect(longest < .seconds(1))
            try await shop.drained()
            #expect(try await shop.stats().events == Int64(Self.trials))
        }
    }

    @Test("a page sends events with a browser key, asked beforehand, by a header and by a beacon")
    func browser() async throws {
        try await Shop.with { shop in
            let site = "https://shop.example"
            let key = try await shop.key("--name", "pages", "--browser", "--origin", site).key
            func ask(_ method: String, _ path: String, _ headers: [String], _ body: String = "") throws
                -> EdgeRequest.Answer
            {
                let fields = headers + ["Content-Length: \(body.utf8.count)", "Connection: close"]
                let request = try EdgeRequest(method, path, fields, to: shop.installation.edge)
                request.send(body)
                return try request.answer()
            }
            let asking = ["Origin: \(site)", "Access-Control-Request-Method: POST"]
            let yes = try ask("OPTIONS", "/b/demo/api/events", asking)
            #expect(yes.status == 204)
            #expect(yes.text.lowercased().contains("access-control-allow-origin: \(site)"))
            #expect(yes.text.lowercased().contains("vary: origin"))
            let no = try ask("OPTIONS", "/b/demo/api/events", ["Origin: https://evil.example"])
            #expect(no.status == 403 && !no.text.lowercased().contains("access-control-allow-origin"))
            let bearer = "Authorization: Bearer \(key)"
            for (path, headers) in [
                ("/b/demo/api/events", [bearer]), ("/api/events", ["X-API-Key: \(key)"]),
                ("/b/demo/api/events?key=\(key)", ["Content-Type: text/plain"]),
            ] {
                let sent = try ask("POST", path, headers + ["Origin: \(site)"], Self.event)
                #expect(sent.status == 202, "\(path): \(sent.text)")
                #expect(sent.text.lowercased().contains("access-control-allow-origin: \(site)"))
                #expect(try ask("POST", path, headers, Self.event).status == 403)
                let evil = headers + ["Origin: https://evil.example"]
                #expect(try ask("POST", path, evil, Self.event).status == 403)
            }
            #expect(try ask("GET", "/b/demo/api/profiles", [bearer, "Origin: \(site)"]).status == 403)
            try await shop.drained()
            #expect(try await shop.stats().events == 3)
            try await shop.isAsFolded()
        }
    }

    @Test("a leaked key is revoked by the text that it stands in, and a rotated one is used on both sides")
    func leak() async throws {
        try await Shop.with { shop in
            let old = try await shop.key("--name", "shop", "--rate", "5")
            let rotated = try await shop.installation.run(
                "key", "rotate", "demo", old.view.publicId, "--overlap", "1h", "--output", "json")
            try #require(rotated.status == 0, "\(rotated.errors)")
            let new = try JSONDecoder().decode(KeyCreated.self, from: Data(rotated.output.utf8))
            func send(_ key: String) throws -> EdgeRequest.Answer { try shop.send(Self.event, key: key) }
            #expect(try send(old.key).status == 202)
            let answer = try send(new.key)
            #expect(answer.status == 202 && answer.text.contains("\"key-events\";q=5;w=1"), "\(answer.text)")
            let reported = try await shop.installation.run(
                ["key", "report-leak", "--source", "github"], input: "KEY=\(old.key)\n")
            #expect(reported.status == 0 && reported.output.contains("revoked"), "\(reported.errors)")
            let start = ContinuousClock.now
            while try send(old.key).status != 401 {
                try #require(ContinuousClock.now - start < .seconds(1), "the leaked key still works")
            }
            #expect(try send(new.key).status == 202)
            let list = try await shop.installation.run("key", "list", "demo")
            #expect(list.output.contains("revoked 2"), "\(list.output)")
        }
    }
}

extension Shop {
    /// A new key of the brand, made by the command line.
    func key(_ options: String...) async throws -> KeyCreated {
        let made = try await installation.run(
            ["key", "create", "demo", "--output", "json"] + options)
        guard made.status == 0 else { throw Failure("no key: \(made.errors)") }
        return try JSONDecoder().decode(KeyCreated.self, from: Data(made.output.utf8))
    }

    /// The answer to an event that is sent with a key, which names the brand.
    fileprivate func send(_ event: String, key: String) throws -> EdgeRequest.Answer {
        let request = try EdgeRequest(
            "POST", "/api/events",
            ["X-API-Key: \(key)", "Content-Length: \(event.utf8.count)", "Connection: close"],
            to: installation.edge)
        request.send(event)
        return try request.answer()
    }
}

/// A request to the edge, sent as slowly as a test wants.
private final class EdgeRequest {
    struct Answer {
        let status: Int
        /// The whole answer.
        let text: String
    }

    private let socket: Int32

    init(_ method: String, _ target: String, _ headers: [String], to edge: String) throws {
        let parts = edge.split(separator: ":")
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr(String(parts[0]))
        address.sin_port = (UInt16(parts[1]) ?? 0).bigEndian
        let connected = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw Failure("the edge cannot be reached") }
        var patience = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let lines = ["\(method) \(target) HTTP/1.1", "Host: edge.test"] + headers
        send(lines.joined(separator: "\r\n") + "\r\n\r\n")
    }

    deinit { close(socket) }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// What comes until a whole answer is there, or the edge closes.
    func answer() throws -> Answer {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(socket, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            bytes += buffer[..<count]
            if EdgeRequest.isWhole(String(decoding: bytes, as: UTF8.self)) { break }
        }
        let text = String(decoding: bytes, as: UTF8.self)
        let words = text.prefix { $0 != "\r\n" }.split(separator: " ")
        guard words.count > 1, let status = Int(words[1]) else { throw Failure("no HTTP answer: \(text)") }
        return Answer(status: status, text: text)
    }

    private static func isWhole(_ text: String) -> Bool {
        let parts = text.replacing("\r\n", with: "\n").split(
            separator: "\n\n", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return false }
        let length = parts[0].split(separator: "\n").first { $0.lowercased().hasPrefix("content-length:") }
        guard let length, let count = Int(length.drop { $0 != ":" }.dropFirst().drop { $0 == " " }) else {
            return parts[0].contains(" 204 ")
        }
        return parts[1].utf8.count >= count
    }
}
