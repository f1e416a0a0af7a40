import AsyncHTTPClient
import Contract
import Foundation
import Glibc
import Kernel
import NIOCore
import TestSupport
import Testing

/// Clients that send too slowly, break off or do not read, through the edge that bounds them.
@Suite("Slow clients at the edge", .serialized, .timeLimit(.minutes(5)))
struct SlowClientJourney {
    /// How long the product's edge waits, and what it is here, so that a test can wait for it.
    private static let waits = [
        ("client_header_timeout 15s;", "client_header_timeout 2s;"),
        ("client_body_timeout 60s;", "client_body_timeout 3s;"),
        ("send_timeout 60s;", "send_timeout 3s;"),
        // nginx's own for the rest of a body that is refused, which are 30 s.
        ("keepalive_timeout 65s;", "keepalive_timeout 65s; lingering_time 3s;"),
    ]
    /// Events on a page that no buffer between the edge and a client holds: 6 MB.
    private static let filling = 100
    /// How much more memory an instance may have than before, whatever is thrown at it.
    private static let bytes = 256 << 20

    @Test("who is slow, broken or deaf is cut, leaves nothing behind, and others are served meanwhile")
    func crowd() async throws {
        // Every client of the crowd has a descriptor in this process.
        ProcessFacts.raiseFileLimit()
        let templates = try hurriedTemplates()
        defer { try? FileManager.default.removeItem(atPath: templates) }
        try await Shop.with(templates: templates) { shop in
            let house = House(
                edge: shop.installation.edge, key: try await shop.key("--name", "all").key)
            try await fill(house, of: shop)
            let pid = try #require(try await shop.brand().instance.pid)
            let files = try ProcessFacts.openFiles(of: pid)
            let memory = try ProcessFacts.residentBytes(of: pid)
            let crowd = try Crowd(at: house)
            var served = 0
            while !crowd.isCut {
                crowd.goOn()
                let sent = try await house.ask("POST", "/api/events", body: Crowd.event("served\(served)"))
                #expect(sent.status == .accepted)
                served += 1
            }
            #expect(served >= 5, "others were served \(served) times")
            crowd.expectCut()
            // Its pool of connections to the database may have grown meanwhile, and stays so for a minute.
            let pool = 14
            while try ProcessFacts.openFiles(of: pid) > files + pool {
                try await Task.sleep(for: .milliseconds(50))
            }
            let grown = try ProcessFacts.residentBytes(of: pid) - memory
            #expect(grown < Self.bytes, "memory grew by \(grown) bytes")
            try await shop.drained()
            let stored = try await shop.stats().events
            #expect(stored == Int64(Self.filling + served), "something of what was cut is stored")
            print(
                "edge: \(crowd.count) slow, broken or deaf clients were cut while \(served) events of",
                "others came in; memory grew by \(grown >> 10) kB")
        }
    }

    /// A copy of the product's templates whose edge waits for less long.
    private func hurriedTemplates() throws -> String {
        let environment = ProcessInfo.processInfo.environment
        let from = try #require(environment["CONSTINTEL_TEST_TEMPLATES"])
        let to = "\(try TestServers.directory())/templates-\(UInt32.random(in: 0...UInt32.max))"
        let files = try FileManager.default.subpathsOfDirectory(atPath: from)
        // New files, since those of the product may belong to somebody else.
        for name in files {
            guard let content = FileManager.default.contents(atPath: "\(from)/\(name)") else { continue }
            let folder = URL(filePath: "\(to)/\(name)").deletingLastPathComponent()
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            var text = String(decoding: content, as: UTF8.self)
            if name == "nginx/nginx.conf.mustache" {
                for (product, hurried) in Self.waits {
                    try #require(text.components(separatedBy: " \(product)").count == 2, "\(product)")
                    text = text.replacing(" \(product)", with: " \(hurried)")
                }
            }
            try text.write(toFile: "\(to)/\(name)", atomically: true, encoding: .utf8)
        }
        return to
    }

    private func fill(_ house: House, of shop: Shop) async throws {
        let filler = String(repeating: "x", count: 60_000)
        for start in stride(from: 0, to: Self.filling, by: 50) {
            let lines = (start..<start + 50).map { Crowd.event("f\($0)", #","text":"\#(filler)""#) }
            let answer = try await house.ask(
                "POST", "/api/events/batch", ["Content-Type": "application/x-ndjson"],
                body: lines.joined(separator: "\n"))
            #expect(answer.status == .accepted)
        }
        try await shop.drained()
    }
}

/// The edge with the brand `demo` behind it, and a key of the brand.
private struct House: Sendable {
    let edge: String
    let key: String

    func ask(
        _ method: String, _ path: String, _ headers: [String: String] = [:], body: String = ""
    ) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: "http://\(edge)/b/demo\(path)")
        request.method = .init(rawValue: method)
        request.headers.add(name: "X-API-Key", value: key)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if !body.isEmpty { request.body = .bytes(ByteBuffer(string: body)) }
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
        _ = try await response.body.collect(upTo: 64 << 20)
        return response
    }

    /// The head of a request of somebody who may be anything.
    func head(_ method: String, _ path: String, _ headers: String...) -> String {
        let lines = ["\(method) /b/demo\(path) HTTP/1.1", "Host: edge.test", "X-API-Key: \(key)"] + headers
        return lines.joined(separator: "\r\n") + "\r\n\r\n"
    }

    func connect(receiveBytes: Int32? = nil) throws -> RawConnection {
        try RawConnection(address: edge, receiveBytes: receiveBytes)
    }
}

/// Everybody at once. Of those whom the edge counts there are fewer than one brand may have under way.
private struct Crowd: Sendable {
    /// Heads that never end.
    private let heads: [RawConnection]
    /// Bodies that end nowhere.
    private let halves: [RawConnection]
    /// Bodies that go on and on.
    private let endless: [RawConnection]
    /// Answers that nobody reads.
    private let deaf: [RawConnection]
    /// All of them.
    let count: Int

    /// An event of a person, and what is to be in its properties.
    static func event(_ id: String, _ properties: String = "") -> String {
        let properties = #""properties":{"id":"\#(id)"\#(properties)}"#
        return #"{"eventId":"\#(id)","type":"page_view","identifiers":{"cookie_id":"c"},\#(properties)}"#
    }

    init(at house: House) throws {
        func many(_ count: Int, _ text: String, receiveBytes: Int32? = nil) throws -> [RawConnection] {
            try (0..<count).map { _ in
                let connection = try house.connect(receiveBytes: receiveBytes)
                connection.send(text)
                return connection
            }
        }
        let half = Crowd.event("half") + "\n"
        let (event, batch) = ("/api/events", "/api/events/batch")
        let (length, lines) = ("Content-Length: 5000", "Content-Type: application/x-ndjson")
        let file = "/api/integrations/csv?type=purchase&source=s&map=email:mail&map=total:total"
        let chunk = "\(String(half.utf8.count, radix: 16))\r\n\(half)\r\n"
        heads = try many(200, house.head("GET", event).dropLast() + "X-Slow: ")
        halves =
            try many(25, house.head("POST", event, length) + half)
            + many(25, house.head("POST", batch, length, lines) + half)
            + many(25, house.head("POST", batch, "Transfer-Encoding: chunked", lines) + chunk)
            + many(5, house.head("POST", file, length) + "mail,total\na@b.com,1\n")
        endless = try many(5, house.head("POST", batch, "Transfer-Encoding: chunked", lines))
        let page = house.head("GET", "/api/events?limit=200")
        let feed = house.head("GET", "/api/events/feed/live?cursor=0")
        deaf =
            try many(10, page, receiveBytes: 4096) + many(20, feed, receiveBytes: 4096)
            + many(3, String(repeating: page, count: 100), receiveBytes: 4096)
        let broken = try many(50, house.head("POST", batch, length, lines) + half)
        for connection in broken { connection.reset() }
        count = heads.count + halves.count + endless.count + deaf.count + broken.count
    }

    /// Whether the edge has ended them all, and keeps nothing for those who do not read.
    var isCut: Bool { (heads + halves + endless + deaf).allSatisfy(\.isEnded) }

    /// Goes on with what comes a little at a time.
    func goOn() {
        for connection in heads { connection.send("x") }
        let chunk = "10000\r\n" + String(repeating: " ", count: 0xFFFF) + "\n\r\n"
        for connection in endless { connection.send(chunk) }
    }

    /// Expects that nobody was told that something is accepted, and that nobody was sent all that he asked
    /// for.
    func expectCut() {
        for connection in heads + halves {
            let (bytes, isEnd) = connection.receive()
            #expect(isEnd && !(200..<300).contains(bytes.httpStatus ?? 0))
        }
        for connection in endless {
            let (bytes, isEnd) = connection.receive()
            // What of a chunk was not taken at once is not sent again: the next one is then malformed.
            #expect(isEnd && (bytes.isEmpty || [400, 408, 413].contains(bytes.httpStatus)))
        }
        for connection in deaf {
            let (bytes, isEnd) = connection.receive()
            #expect(isEnd && bytes.count < 6_000_000)
        }
    }
}
