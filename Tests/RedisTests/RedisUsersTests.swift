import Foundation
import Kernel
import Testing

@testable import Redis

@Suite struct RedisUsersTests {
    private let acme = (name: "brand-acme", password: Secret("s3cret"), keys: "ci:{acme}:*")

    private func define(_ client: RedisClient) async throws {
        try await client.defineUser(
            acme.name, password: acme.password, keyPattern: acme.keys, commands: RedisStream.commands)
    }

    @Test("a user works with the streams of its keys and with nothing else")
    func allowList() async throws {
        let server = try PrivateServer()
        let admin = RedisClient(server.configuration(), on: reactor)
        try await define(admin)
        let user = RedisClient(server.configuration(user: acme.name, password: acme.password), on: reactor)
        let own = RedisStream(user, key: "ci:{acme}:events")
        let ids = try await own.append([[("v", [1])]])
        #expect(try await own.oldest(1).map(\.id) == ids)
        #expect(try await own.delete(ids) == 1)
        #expect(try await own.length() == 0)
        for command in [
            ["XADD", "ci:{bazaar}:events", "*", "v", "1"], ["XLEN", "ci:{bazaar}:events"], ["SCAN", "0"],
            ["KEYS", "*"], ["RANDOMKEY"], ["GET", "ci:{acme}:x"], ["FLUSHALL"], ["CONFIG", "GET", "*"],
            ["ACL", "LIST"], ["ACL", "SETUSER", acme.name, "+@all"], ["CLIENT", "LIST"],
            ["EVAL", "return 1", "0"],
            ["SUBSCRIBE", "x"], ["MONITOR"], ["SHUTDOWN"],
        ] {
            let error = await #expect(throws: RedisError.self, "\(command)") {
                try await user.send(command.map { Array($0.utf8) })
            }
            guard case .reply(let text)? = error else { return #expect(Bool(false), "\(command)") }
            #expect(text.hasPrefix("NOPERM"), "\(command): \(text)")
        }
        await user.close()
        await admin.close()
    }

    @Test("users are kept over a restart, a new password replaces the old one, and a deleted user is gone")
    func kept() async throws {
        let server = try PrivateServer()
        let admin = RedisClient(server.configuration(), on: reactor)
        try await define(admin)
        try await admin.defineUser(
            acme.name, password: Secret("new"), keyPattern: acme.keys, commands: RedisStream.commands)
        server.stop()
        try server.start()
        let users = try await retried { try await admin.users() }
        #expect(users.sorted() == ["brand-acme", "default"])
        let old = RedisClient(server.configuration(user: acme.name, password: acme.password), on: reactor)
        await #expect(throws: RedisError.self) { try await RedisStream(old, key: "ci:{acme}:e").length() }
        let new = RedisClient(server.configuration(user: acme.name, password: Secret("new")), on: reactor)
        #expect(try await RedisStream(new, key: "ci:{acme}:e").length() == 0)
        #expect(try await admin.deleteUser(acme.name))
        #expect(try await !admin.deleteUser(acme.name))
        await #expect(throws: RedisError.self) { try await RedisStream(new, key: "ci:{acme}:e").length() }
        server.stop()
        try server.start()
        #expect(try await retried { try await admin.users() } == ["default"])
        for client in [old, new, admin] { await client.close() }
    }

    @Test("a server without a file for its users says that a change is not saved")
    func notSaved() async throws {
        let client = RedisClient(try SharedServer.configuration(), on: reactor)
        let name = "test-\(UUID())"
        let error = await #expect(throws: RedisError.self) {
            try await client.defineUser(
                name, password: Secret("x"), keyPattern: "\(name):*", commands: ["get"])
        }
        guard case .accessNotSaved(let reason)? = error else {
            return #expect(Bool(false), "\(error as Any)")
        }
        #expect(reason.contains("ACL file"))
        #expect(try await client.users().contains(name))
        await #expect(throws: RedisError.self) { try await client.deleteUser(name) }
        #expect(try await !client.users().contains(name))
        await client.close()
    }
}
