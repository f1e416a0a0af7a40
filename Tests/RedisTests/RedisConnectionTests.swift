import Foundation
import Kernel
import Testing

@testable import Redis

@Suite struct RedisConnectionTests {
    @Test("any bytes come back as they were sent")
    func binary() async throws {
        try await SharedServer.connected { connection, key in
            let every = Array(0...255) + Array("\r\n$3\r\nfoo\r\n".utf8) as [UInt8]
            for bytes in [every, [], [0]] {
                try await connection.send(["SET", key].map { Array($0.utf8) } + [bytes])
                #expect(try await connection.send("GET", key) == .string(bytes))
            }
        }
    }

    @Test("each kind of answer is told apart")
    func kinds() async throws {
        try await SharedServer.connected { connection, key in
            try await connection.send("PING")
            #expect(try await connection.send("SET", key, "1") == .status("OK"))
            #expect(try await connection.send("INCR", key) == .integer(2))
            #expect(try await connection.send("GET", key + "none") == .null)
            let script = "return {1, {'a', {2, false}}, redis.error_reply('NO it is not')}"
            let nested = try await connection.send("EVAL", script, "0")
            #expect(
                nested
                    == .array([
                        .integer(1), .array([.text("a"), .array([.integer(2), .null])]),
                        .error("NO it is not"),
                    ]))
            #expect(try await connection.send("LRANGE", key + "none", "0", "-1") == .array([]))
        }
    }

    @Test("a refusal is thrown in the server's words and harms nobody")
    func refusal() async throws {
        try await SharedServer.connected { connection, key in
            try await connection.send("RPUSH", key, "x")
            let error = await #expect(throws: RedisError.self) { try await connection.send("INCR", key) }
            guard case .reply(let text)? = error else { return #expect(Bool(false), "\(error as Any)") }
            #expect(text.hasPrefix("WRONGTYPE"))
            #expect(try await connection.send("LLEN", key) == .integer(1))
        }
    }

    @Test("in a pipeline a refused command has its error in its place")
    func pipeline() async throws {
        try await SharedServer.connected { connection, key in
            let commands = [["SET", key, "x"], ["INCR", key], ["GET", key]]
            let replies = try await connection.pipeline(commands.map { $0.map { Array($0.utf8) } })
            #expect(replies.count == 3)
            #expect(replies[0] == .status("OK"))
            guard case .error = replies[1] else { return #expect(Bool(false)) }
            #expect(replies[2] == .text("x"))
            #expect(try await connection.pipeline([]).isEmpty)
        }
    }

    @Test("two thousand callers at once each get their own answer")
    func concurrent() async throws {
        try await SharedServer.connected { connection, _ in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<2000 {
                    group.addTask { try await connection.send("ECHO", "\(number)") == .text("\(number)") }
                }
                for try await isOwn in group { #expect(isOwn) }
            }
        }
    }

    @Test("a value larger than any socket's buffer goes there and back while others talk")
    func large() async throws {
        try await SharedServer.connected { connection, key in
            let big = (0..<8_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            async let written = connection.send(["SET", key].map { Array($0.utf8) } + [big])
            async let echo = connection.send("ECHO", "hello")
            let replies = try await [written, echo, connection.send("GET", key)]
            #expect(replies == [.status("OK"), .text("hello"), .string(big)])
        }
    }

    @Test("when the connection is lost all who wait are told, and later callers too")
    func lost() async throws {
        try await SharedServer.connected { connection, key in
            let id = try #require(try await connection.send("CLIENT", "ID").integer)
            let waiters = (0..<3).map { _ in Task { try await connection.send("BLPOP", key, "0") } }
            try await SharedServer.connected { other, _ in
                while try await other.send("CLIENT", "LIST", "ID", "\(id)").text?.contains("cmd=blpop")
                    != true
                {}
                try await other.send("CLIENT", "KILL", "ID", "\(id)")
            }
            for waiter in waiters {
                let error = await #expect(throws: RedisError.self) { try await waiter.value }
                #expect(error?.isLoss == true)
            }
            #expect(await connection.isClosed)
            await #expect(throws: RedisError.self) { try await connection.send("PING") }
        }
    }

    @Test("a command that takes too long loses the connection, and those behind it")
    func timeout() async throws {
        try await SharedServer.connected(commandTimeout: .milliseconds(50)) { connection, key in
            let slow = Task { try await connection.send("BLPOP", key, "0") }
            let behind = Task { try await connection.send("PING") }
            await #expect(throws: RedisError.timeout) { try await slow.value }
            await #expect(throws: RedisError.self) { try await behind.value }
            #expect(await connection.isClosed)
        }
    }

    @Test("a quiet connection outlives the time that a command may take")
    func quiet() async throws {
        try await SharedServer.connected(commandTimeout: .seconds(1)) { connection, key in
            try await connection.send("SET", key, "x")
            try await SharedServer.connected { other, key in
                try await other.send("BLPOP", key, "1.2")
            }
            #expect(try await connection.send("GET", key) == .text("x"))
        }
    }

    @Test("commands past the limit are refused at once and the others are done")
    func limit() async throws {
        try await SharedServer.connected { connection, _ in
            let ping = Array(repeating: [Array("PING".utf8)], count: RedisConnection.maximumWaiting)
            async let full = connection.pipeline(ping)
            let more = Array(repeating: [Array("PING".utf8)], count: RedisConnection.maximumWaiting + 1)
            await #expect(throws: RedisError.self) { try await connection.pipeline(more) }
            let count = try await full.count
            #expect(count == RedisConnection.maximumWaiting)
        }
    }

    @Test("a socket where nobody listens is no connection")
    func nobody() async throws {
        let path = try SharedServer.configuration().socket + ".none"
        let error = await #expect(throws: RedisError.self) {
            try await RedisConnection.connect(RedisConfiguration(socket: path), on: reactor)
        }
        #expect(error?.isLoss == true)
    }

    @Test("a wrong password is refused in the server's words")
    func wrongPassword() async throws {
        let path = try SharedServer.configuration().socket
        let configuration = RedisConfiguration(socket: path, user: "nobody-\(UUID())", password: Secret("x"))
        let error = await #expect(throws: RedisError.self) {
            try await RedisConnection.connect(configuration, on: reactor)
        }
        guard case .reply(let text)? = error else { return #expect(Bool(false), "\(error as Any)") }
        #expect(text.hasPrefix("WRONGPASS"))
    }

    @Test("closing fails what is in flight and can be done twice")
    func closing() async throws {
        try await SharedServer.connected { connection, key in
            let id = try #require(try await connection.send("CLIENT", "ID").integer)
            let waiting = Task { try await connection.send("BLPOP", key, "0") }
            try await SharedServer.connected { other, _ in
                while try await other.send("CLIENT", "LIST", "ID", "\(id)").text?.contains("cmd=blpop")
                    != true
                {}
            }
            await connection.close()
            await connection.close()
            await #expect(throws: RedisError.connection("it was closed")) { try await waiting.value }
        }
    }
}
