import Foundation
import Kernel
import Testing

@testable import Redis

@Suite struct RedisClientTests {
    @Test("a client finds its server again after it was killed, with everything that was acknowledged")
    func reconnects() async throws {
        let server = try PrivateServer()
        let client = RedisClient(server.configuration(), on: reactor)
        let stream = RedisStream(client, key: "s")
        let ids = try await stream.append([[("n", [1])], [("n", [2])]])
        for _ in 0..<3 {
            server.stop()
            try server.start()
            let kept = try await retried { try await stream.oldest(10) }
            #expect(kept.map(\.id) == ids)
        }
        await client.close()
    }

    @Test("a command that was in flight when the server died fails, and is not sent again")
    func inFlight() async throws {
        let server = try PrivateServer()
        let client = RedisClient(server.configuration(), on: reactor)
        try await client.send("PING")
        let waiting = Task { try await client.send("BLPOP", "list", "0") }
        let other = RedisClient(server.configuration(), on: reactor)
        while try await other.send("CLIENT", "LIST").text?.contains("cmd=blpop") != true {}
        server.stop()
        let error = await #expect(throws: RedisError.self) { try await waiting.value }
        #expect(error?.isLoss == true)
        try server.start()
        _ = try await retried { try await client.send("PING") }
        let list = try await retried { try await other.send("CLIENT", "LIST") }
        #expect(list.text?.contains("cmd=blpop") == false)
        await client.close()
        await other.close()
    }

    @Test("callers who find the connection lost share one new one")
    func shared() async throws {
        let server = try PrivateServer()
        let client = RedisClient(server.configuration(), on: reactor)
        try await client.send("PING")
        server.stop()
        try server.start()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<100 {
                group.addTask { _ = try await retried { try await client.send("PING") } }
            }
            try await group.waitForAll()
        }
        let list = try #require(try await client.send("CLIENT", "LIST").text)
        #expect(list.split(separator: "\n").count == 1)
        await client.close()
    }

    @Test("a server that stays away is an unavailability, and a closed client stays closed")
    func away() async throws {
        let path = try SharedServer.configuration().socket + ".none"
        let client = RedisClient(RedisConfiguration(socket: path), on: reactor)
        let error = await #expect(throws: RedisError.self) { try await client.send("PING") }
        #expect(error?.fault(doing: "append events").code == .unavailable)
        await client.close()
        await #expect(throws: RedisError.connection("the client was closed")) {
            try await client.send("PING")
        }
    }

    @Test("closing ends an attempt to connect")
    func closeWhileConnecting() async throws {
        let path = try SharedServer.configuration().socket + ".none"
        let client = RedisClient(RedisConfiguration(socket: path), on: reactor)
        let waiting = Task { try await client.send("PING") }
        await client.close()
        await #expect(throws: RedisError.self) { try await waiting.value }
    }

    @Test("what a full or loading server answers is an unavailability, and a wrong command is our fault")
    func faults() {
        #expect(RedisError.reply("OOM command not allowed").fault(doing: "x").code == .unavailable)
        #expect(RedisError.reply("LOADING Redis is loading").fault(doing: "x").code == .unavailable)
        #expect(RedisError.timeout.fault(doing: "x").code == .unavailable)
        #expect(RedisError.reply("NOPERM this user").fault(doing: "x").code == .internal)
        #expect(RedisError.shape("a count").fault(doing: "x").code == .internal)
    }
}
