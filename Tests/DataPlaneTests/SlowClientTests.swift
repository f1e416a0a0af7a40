import Contract
import Foundation
import Kernel
import TestSupport
import Testing
import Web

@testable import DataPlane

/// Clients that send too slowly or do not read, straight at an instance's socket: each is bounded, whatever
/// the edge does.
@Suite("Slow clients of an instance", .timeLimit(.minutes(5)))
struct SlowClientTests {
    private static let event = #"{"type":"page_view","identifiers":{"cookie_id":"c"}}"#
    /// Longer than what the kernel takes for a client that does not read.
    private static let stuck = 150_000

    @Test("who sends too slowly, or without an end, is cut, and says why; others are served meanwhile")
    func senders() async throws {
        try await TestInstance.with { instance in
            try await instance.serving(clients: .short) {
                var senders = try SlowSender.Kind.allCases.flatMap { kind in
                    try (0..<20).map { _ in try SlowSender(kind, to: instance) }
                }
                var served: Int64 = 0
                while senders.contains(where: { !$0.isCut }) {
                    for index in senders.indices { senders[index].goOn() }
                    let answer = try await instance.post("/api/events", Self.event)
                    #expect(answer.status == 202)
                    served += 1
                }
                #expect(served >= 5, "others were served \(served) times")
                for sender in senders {
                    let text = String(decoding: sender.received.prefix(1000), as: UTF8.self)
                    let status = sender.received.httpStatus
                    #expect(sender.kind.statuses.contains(status), "\(sender.kind): \(text)")
                    guard status == 400 else { continue }
                    #expect(text.contains("could not receive the request"), "\(text)")
                    #expect(text.lowercased().contains("\r\nconnection: close\r\n"), "\(text)")
                }
                try await eventually("all connections are closed") { try instance.sockets() < 10 }
                try await instance.drained()
                #expect(try await instance.stats().events == served)
                #expect(try await !instance.measured().contains(#"status="5xx""#))
                print("slow senders: \(senders.count) were cut while \(served) events of others came in")
            }
        }
    }

    @Test("who does not read what was asked for is cut, and what was held for it is free again")
    func readers() async throws {
        try await TestInstance.with { instance in
            let list = "/api/events?limit=200"
            let (rejections, whole) = try await instance.serving(clients: .long) {
                (try await fill(instance), try await instance.call("GET", list).body.count)
            }
            #expect(whole > 4 * Self.stuck)
            try await instance.serving(clients: .short) {
                let lists = try asking(instance, [list], connections: 80)
                let feeds = try asking(instance, ["/api/events/feed/live?cursor=0"], connections: 70)
                let pages = try asking(
                    instance, Array(repeating: rejections, count: 100), connections: 10)
                let health = Array(repeating: "/api/monitoring/health", count: 3000)
                let pipelines = try asking(instance, health, connections: 5)
                var served: Int64 = 0
                while !(lists + feeds + pages + pipelines).allSatisfy(\.isEnded) {
                    #expect(try await instance.post("/api/events", Self.event).status == 202)
                    served += 1
                }
                #expect(served >= 5, "others were served \(served) times")
                var stuck = 0
                for connection in lists + feeds + pages + pipelines {
                    let (bytes, isEnd) = connection.receive()
                    #expect(isEnd && bytes.count < whole)
                    if bytes.count > Self.stuck { stuck += 1 }
                }
                #expect(stuck >= 80, "\(stuck) clients were waited for")
                // The clients still hold their ends of what the server has let go.
                try await eventually("all connections are closed") { try instance.sockets() < 10 }
                try await takeAllSeats(of: instance)
                try await instance.drained()
                #expect(try await instance.stats().events == served + Int64(Self.filling))
                print("deaf clients: \(stuck) were cut while \(served) events of others came in")
            }
        }
    }

    @Test("who reads slowly, and goes on reading, is sent all of a long answer")
    func patient() async throws {
        var limits = ClientLimits.long
        limits.reading = .seconds(2)
        try await TestInstance.with { instance in
            try await instance.serving(clients: limits) {
                _ = try await fill(instance)
                let lists = Array(repeating: "/api/events?limit=200", count: 2)
                let reader = try asking(instance, lists, connections: 1)[0]
                let clock = ContinuousClock()
                let begun = clock.now
                var received = 0
                var last = reader.receive(upTo: 100_000)
                while !last.isEnd {
                    received += last.bytes.count
                    if received > 1_400_000, !reader.hasMore { break }
                    try await Task.sleep(for: .milliseconds(500))
                    last = reader.receive(upTo: 100_000)
                }
                #expect(!last.isEnd, "it was cut after \(received) bytes")
                #expect(clock.now - begun > limits.reading)
            }
        }
    }

    @Test("so many connections as there may be are served, and the next one when one of them is closed")
    func connections() async throws {
        var limits = ClientLimits.long
        limits.connections = 4
        try await TestInstance.with { instance in
            try await instance.serving(clients: limits) {
                func ask(_ connection: RawConnection) async throws {
                    connection.send(instance.head("GET", "/api/monitoring/health"))
                    try await eventually("an answer comes") { connection.hasMore }
                    #expect(connection.receive().bytes.httpStatus == 200)
                }
                let accepted = try (0..<4).map { _ in try instance.connect() }
                for connection in accepted { try await ask(connection) }
                let next = try instance.connect()
                next.send(instance.head("GET", "/api/monitoring/health"))
                for _ in 0..<50 { try await ask(accepted[0]) }
                #expect(!next.hasMore, "one more than there may be was served")
                accepted[1].close()
                try await eventually("it is served") { next.hasMore }
                #expect(next.receive().bytes.httpStatus == 200)
            }
        }
    }

    /// Events of this size are a page that no buffer holds.
    private static let filling = 12

    /// Fills a page of events and one of rejected rows; gives the path of the latter.
    private func fill(_ instance: TestInstance) async throws -> String {
        let filler = String(repeating: "x", count: 60_000)
        let events = (0..<Self.filling).map { number in
            #"{"eventId":"f\#(number)","type":"page_view","identifiers":{"cookie_id":"c"},"#
                + #""properties":{"filler":"\#(filler)"}}"#
        }
        let answer = try await instance.post(
            "/api/events/batch", events.joined(separator: "\n"),
            headers: ["Content-Type": "application/x-ndjson"])
        #expect(try answer.json(BatchAnswer.self).accepted == Self.filling)
        let rows = String(repeating: "a@b.com,much\n", count: 250)
        let imported = try await instance.post(
            "/api/integrations/csv?type=purchase&source=shop&map=email:mail&map=total:total",
            "mail,total\n" + rows)
        let operation = try imported.json(OperationView.self).id
        try await eventually("the import has ended") {
            let shown = try await instance.get("/api/operations/\(operation)", as: OperationView.self)
            return shown.state.isFinal
        }
        try await instance.drained()
        return "/api/operations/\(operation)/rejections?limit=200"
    }

    /// Follows as many feeds as may be followed.
    private func takeAllSeats(of instance: TestInstance) async throws {
        var feeds: [RawConnection] = []
        while feeds.count < 64 {
            let feed = try asking(instance, ["/api/events/feed/live?cursor=newest"], connections: 1)[0]
            try await eventually("a feed is answered") { feed.hasMore }
            if feed.receive().bytes.httpStatus == 200 { feeds.append(feed) }
        }
    }

    /// New connections, over each of which `paths` are asked for, one behind the other.
    private func asking(
        _ instance: TestInstance, _ paths: [String], connections: Int
    ) throws -> [RawConnection] {
        let requests = paths.map { instance.head("GET", $0) }.joined()
        return try (0..<connections).map { _ in
            let connection = try instance.connect()
            connection.send(requests)
            return connection
        }
    }
}

/// A client that goes on sending a little at a time, or nothing.
private struct SlowSender {
    enum Kind: CaseIterable {
        case silence, slowHead
        case halfEvent, halfBatch, halfLines, halfFile, slowBody, slowChunks
        case endlessChunks, refusedBody
        /// It has asked for the connection's end, and does not close it.
        case lingering

        /// What it may be answered; nil stands for nothing.
        var statuses: [Int?] {
            switch self {
            case .silence, .slowHead: [nil]
            case .halfEvent, .halfBatch, .halfLines, .slowBody, .slowChunks: [400]
            // Of files a few are taken at a time.
            case .halfFile: [400, 429]
            // On a slow machine it is too slow before it is too long.
            case .endlessChunks: [400, 413]
            case .refusedBody: [401]
            case .lingering: [200]
            }
        }

        /// What it sends again and again.
        fileprivate var more: String {
            switch self {
            case .silence, .halfEvent, .halfBatch, .halfLines, .halfFile, .lingering: ""
            case .slowHead, .slowBody, .refusedBody: "x"
            case .slowChunks: "1\r\nx\r\n"
            case .endlessChunks: "2000\r\n" + String(repeating: "x", count: 0x2000) + "\r\n"
            }
        }

        fileprivate func beginning(at instance: TestInstance) -> String {
            let (event, batch) = ("/api/events", "/api/events/batch")
            let (length, chunked) = ("Content-Length: 50000", "Transfer-Encoding: chunked")
            let line = #"{"eventId":"half","type":"search","identifiers":{"cookie_id":"half"}}"#
            switch self {
            case .silence: return ""
            case .slowHead: return instance.head("GET", event).dropLast() + "X-Slow: x"
            case .halfEvent: return instance.head("POST", event, length) + line
            case .halfBatch: return instance.head("POST", batch, length) + #"{"events":["# + line
            case .halfLines:
                let lines = "Content-Type: application/x-ndjson"
                return instance.head("POST", batch, length, lines) + line + "\n"
            case .halfFile:
                let path = "/api/integrations/csv?type=purchase&source=s&map=email:mail&map=total:total"
                return instance.head("POST", path, length) + "mail,total\na@b.com,1\n"
            case .slowBody: return instance.head("POST", event, length)
            case .slowChunks, .endlessChunks: return instance.head("POST", event, chunked)
            case .refusedBody:
                return instance.head("POST", event, "Content-Length: 10000000", key: "nobody's")
            case .lingering: return instance.head("GET", "/api/monitoring/health", "Connection: close")
            }
        }
    }

    let kind: Kind
    private let connection: RawConnection
    private(set) var received: [UInt8] = []
    private(set) var isCut = false

    init(_ kind: Kind, to instance: TestInstance) throws {
        self.kind = kind
        connection = try instance.connect()
        connection.send(kind.beginning(at: instance))
    }

    mutating func goOn() {
        guard !isCut else { return }
        connection.send(kind.more)
        let (bytes, isEnd) = connection.receive()
        received += bytes
        isCut = isEnd
    }
}
