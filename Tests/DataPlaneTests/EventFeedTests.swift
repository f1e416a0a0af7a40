import AsyncHTTPClient
import Contract
import Foundation
import Kernel
import Postgres
import Sealing
import TestSupport
import Testing

@testable import DataPlane
@testable import Events

@Suite("The feed of events", .timeLimit(.minutes(5)))
struct EventFeedTests {
    private struct Shown: Codable, Sendable {
        var eventId: String
        var type: String
        var test: Bool
    }

    private static let doing = "read the feed"

    @Test("a reader beside two writers and its own crashes sees every event once, in the order of commits")
    func everyEventOnce() async throws {
        try await TestBrand.with { brand in
            var generator = SeededGenerator(seed: 5)
            let events = try (0..<2_000).map { try Event.sample("e\($0)", [.cookieID: "c\($0 % 40)"]) }
            let feed = EventFeedStore(database: brand.database)
            let writing = Task {
                for start in stride(from: 0, to: events.count, by: 100) {
                    try await brand.events.accept(Array(events[start..<start + 100]))
                }
                // Two write side by side, and one after the other has come to an end.
                let writers = [brand.writer(), brand.writer()]
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for writer in writers {
                        group.addTask { while try await writer.writeOldest() > 0 {} }
                    }
                    try await group.waitForAll()
                }
            }
            var seen: [String] = []
            var positions: [Int64] = []
            var cursor: Int64 = 0
            while seen.count < events.count {
                let limit = Int.random(in: 1...70, using: &generator)
                let page = try await feed.page(.init(), behind: cursor, limit: limit, doing: Self.doing)
                // What was read is forgotten with the cursor, now and then: the reader has crashed.
                if Int.random(in: 0..<4, using: &generator) == 0 { continue }
                cursor = page.next
                positions += page.events.map(\.position)
                seen += try page.events.map {
                    try JSONDecoder().decode(Shown.self, from: Data($0.json.utf8)).eventId
                }
                try await Task.sleep(for: .milliseconds(1))
            }
            try await writing.value
            #expect(positions == Array(1...Int64(events.count)))
            #expect(seen.sorted() == events.map(\.key).sorted())
            let end = try await feed.page(.init(), behind: cursor, limit: 10, doing: Self.doing)
            #expect(end.events.isEmpty && end.isLast && end.next == cursor)
        }
    }

    @Test("what comes twice has one position; test events have theirs, and are shown to who asks")
    func positions() async throws {
        try await TestBrand.with { brand in
            let feed = EventFeedStore(database: brand.database)
            try await brand.write([.sample("1", [.email: "a@b.com"]), .sample("2", [.email: "b@b.com"])])
            try await brand.write([.sample("1", [.email: "a@b.com"])])
            try await brand.write([
                .sample("t", .search, [.email: "a@b.com"], isTest: true),
                .sample("3", .search, [.email: "a@b.com"]),
            ])
            func read(_ change: (inout EventFeedStore.Filter) -> Void) async throws -> [Int64] {
                var filter = EventFeedStore.Filter()
                change(&filter)
                return try await feed.page(filter, behind: nil, limit: 10, doing: Self.doing).events
                    .map(\.position)
            }
            #expect(try await read { _ in } == [1, 2, 4])
            #expect(try await read { $0.areTestsShown = true } == [1, 2, 3, 4])
            #expect(try await read { $0.type = .search } == [4])
            let profile = try #require(try await brand.profile(.email, "a@b.com")).id
            #expect(try await read { $0.profile = profile } == [1, 4])
        }
    }

    @Test("a cursor behind which events are kept no more is refused; one without begins at the oldest")
    func retention() async throws {
        try await TestBrand.with { brand in
            let feed = EventFeedStore(database: brand.database)
            try await brand.fillForRefold()
            let newest = try await feed.newest()
            #expect(newest > 10)
            #expect(try await brand.fold(receivedBefore: brand.monthEnd) == 1)
            #expect(try await feed.page(.init(), behind: nil, limit: 5, doing: Self.doing).events.isEmpty)
            let fault = await #expect(throws: Fault.self) {
                try await feed.page(.init(), behind: newest - 1, limit: 5, doing: Self.doing)
            }
            #expect(fault?.code == .gone)
            try await brand.write([.sample("new", [.email: "new@shop.com"])])
            for cursor in [nil, newest] {
                let page = try await feed.page(.init(), behind: cursor, limit: 5, doing: Self.doing)
                #expect(page.events.map(\.position) == [newest + 1])
            }
            #expect(try await brand.refold().differences.isEmpty)
        }
    }

    @Test("page by page and live by HTTP, a stream that was cut goes on behind its last event")
    func routes() async throws {
        try await TestInstance.serving { instance in
            func send(_ ids: Range<Int>) async throws {
                for id in ids {
                    let event = #"{"eventId":"\#(id)","type":"search","identifiers":{"cookie_id":"c"}}"#
                    let answer = try await instance.post("/api/events", event, headers: ["Prefer": "wait"])
                    #expect(answer.status == 200)
                }
            }
            try await send(0..<5)
            struct Feed: Codable, Sendable {
                var items: [Shown]
                var nextCursor: String
            }
            var (cursor, seen) = ("0", [String]())
            for _ in 0..<4 {
                let page: Feed = try await instance.get("/api/events/feed?limit=2&cursor=\(cursor)")
                seen += page.items.map(\.eventId)
                cursor = page.nextCursor
            }
            #expect(seen == ["0", "1", "2", "3", "4"] && cursor == "5")
            let newest: Feed = try await instance.get("/api/events/feed?cursor=newest")
            #expect(newest.items.isEmpty && newest.nextCursor == "5")
            let cut = try await instance.liveFeed(lastEventID: "3")
            #expect(try await cut.ids(2) == ["4", "5"])
            let live = try await instance.liveFeed(lastEventID: "newest")
            try await send(5..<8)
            #expect(try await live.ids(3) == ["6", "7", "8"])
            let lent = try await TestInstance.mintKey(instance.brand)
            let ending = try await instance.liveFeed(lastEventID: "7", key: lent)
            #expect(try await ending.ids(1) == ["8"])
            let another = try await instance.liveFeed(lastEventID: "8", key: lent)
            try await instance.brand.database.run(
                """
                with revoked as (
                    update api_key set revoked_at = now()
                    where public_id = \(try #require(APIKeyText.parse(lent)).publicId)
                )
                update brand_state set revision = revision + 1
                """)
            // It ends by itself, long before it would be asked to come again.
            #expect(try await another.body.collect(upTo: 1 << 16).readableBytes > 0)
            try await instance.call("GET", "/api/events/feed?cursor=99").expectProblem(
                400, .invalid, "cursor", "the newest event has the position 8")
            for (query, status, field) in [
                ("cursor=x", 400, "cursor"), ("cursor=-1", 400, "cursor"), ("type=dance", 400, "type"),
                ("profile=1", 400, "profile"), ("test=2", 400, "test"),
            ] {
                for path in ["/api/events/feed", "/api/events/feed/live"] {
                    let answer = try await instance.call("GET", "\(path)?\(query)")
                    answer.expectProblem(status, .invalid, field)
                }
            }
        }
    }
}

extension TestInstance {
    /// A stream of the feed that has begun.
    fileprivate func liveFeed(
        lastEventID: String, key: String? = nil
    ) async throws -> HTTPClientResponse {
        let socket = (directory + "/s").addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        var request = HTTPClientRequest(url: "http+unix://\(socket)/api/events/feed/live")
        request.headers.add(name: "Authorization", value: "Bearer \(key ?? self.key)")
        request.headers.add(name: "Last-Event-ID", value: lastEventID)
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
        #expect(response.status == .ok && response.headers.first(name: "content-type") == "text/event-stream")
        return response
    }
}

extension HTTPClientResponse {
    /// The ids of the next events, as many as asked for; the stream is cut then.
    fileprivate func ids(_ count: Int) async throws -> [String] {
        var text = ""
        for try await part in body {
            text += String(buffer: part)
            let ids = text.split(separator: "\n").filter { $0.hasPrefix("id: ") }
            if ids.count >= count, text.hasSuffix("\n\n") { return ids.map { String($0.dropFirst(4)) } }
        }
        throw Failure("the stream ended after \(text)")
    }
}
