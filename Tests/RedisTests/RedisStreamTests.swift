import Foundation
import Testing

@testable import Redis

@Suite struct RedisStreamTests {
    private func withStream(_ body: (RedisStream, RedisClient) async throws -> Void) async throws {
        let client = RedisClient(try SharedServer.configuration(), on: reactor)
        let stream = RedisStream(client, key: "test:\(UUID())")
        do { try await body(stream, client) } catch {
            await client.close()
            throw error
        }
        try await client.send("DEL", stream.key)
        await client.close()
    }

    @Test("entries come out in the order they went in, with their fields byte for byte")
    func order() async throws {
        try await withStream { stream, _ in
            let every = Array(0...255) as [UInt8]
            let ids = try await stream.append([[("v", [1]), ("body", every)], [("v", []), ("v", [2])]])
            #expect(ids.count == 2)
            let entries = try await stream.oldest(10)
            #expect(entries.map(\.id) == ids)
            #expect(entries[0].fields.map(\.0) == ["v", "body"])
            #expect(entries[0]["body"] == every)
            #expect(entries[1]["v"] == [] && entries[1]["none"] == nil)
            #expect(entries[1].fields.map(\.1) == [[], [2]])
        }
    }

    @Test("a large batch is appended whole and read in pages")
    func pages() async throws {
        try await withStream { stream, _ in
            let ids = try await stream.append((0..<2500).map { [("n", Array("\($0)".utf8))] })
            #expect(try await stream.length() == 2500)
            var read: [String] = []
            while let page = try await Optional(stream.oldest(1000, after: read.last)), !page.isEmpty {
                read += page.map(\.id)
            }
            #expect(read == ids)
        }
    }

    @Test("what is deleted is gone, once, and the rest stays")
    func deletion() async throws {
        try await withStream { stream, _ in
            let ids = try await stream.append((0..<5).map { [("n", [$0])] })
            #expect(try await stream.delete(Array(ids.prefix(3))) == 3)
            #expect(try await stream.delete(Array(ids.prefix(4))) == 1)
            #expect(try await stream.delete([]) == 0)
            #expect(try await stream.oldest(10).map(\.id) == [ids[4]])
            #expect(try await stream.length() == 1)
        }
    }

    @Test("an empty stream is empty, and nothing appended is nothing")
    func empty() async throws {
        try await withStream { stream, _ in
            let length = try await stream.length()
            #expect(length == 0)
            #expect(try await stream.oldest(10).isEmpty)
            #expect(try await stream.append([]).isEmpty)
        }
    }

    @Test("a key that is no stream is refused, not misread")
    func wrongType() async throws {
        try await withStream { stream, client in
            try await client.send("SET", stream.key, "x")
            for attempt in [
                { _ = try await stream.append([[("n", [1])]]) }, { _ = try await stream.oldest(1) },
            ] {
                let error = await #expect(throws: RedisError.self) { try await attempt() }
                guard case .reply? = error else { return #expect(Bool(false), "\(error as Any)") }
            }
        }
    }
}
