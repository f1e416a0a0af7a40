import Kernel
import Logging
import Redis
import Workflow

/// The Redis ACL users of brands: each may use the commands below on its own keys, and nothing else.
struct StreamUsers: Sendable {
    let client: RedisClient
    let logger: Logger

    /// What instances use. Each is listed by itself, since every category holds commands that show others'
    /// keys.
    static let commands = ["ping", "xadd", "xrange", "xdel", "xlen"]

    /// Makes the brand's user, or sets an earlier one right.
    func define(_ slug: Slug, password: Secret) async throws {
        try Failpoint.effect()
        do {
            try await client.defineUser(
                slug.redisUser, password: password, keyPattern: "\(slug.redisPrefix)*",
                commands: StreamUsers.commands)
        } catch RedisError.accessNotSaved(let reason) {
            // The user works now, and the reconciler makes it again should Redis lose it.
            logger.warning("Redis could not save its users: \(reason)", metadata: ["brand": "\(slug)"])
        } catch let error as RedisError {
            throw error.fault(doing: "make the Redis user of '\(slug)'")
        }
    }

    /// The command of `define`, with a placeholder for the password.
    static func planned(_ slug: Slug) -> String {
        let commands = commands.map { "+\($0)" }.joined(separator: " ")
        return "ACL SETUSER \(slug.redisUser) reset on <password> ~\(slug.redisPrefix)* \(commands)"
    }

    /// Deletes the brand's user and all of its keys.
    func delete(_ slug: Slug) async throws {
        try Failpoint.effect()
        do {
            try await client.deleteUser(slug.redisUser)
        } catch RedisError.accessNotSaved(let reason) {
            logger.warning("Redis could not save its users: \(reason)", metadata: ["brand": "\(slug)"])
        } catch let error as RedisError {
            throw error.fault(doing: "delete the Redis user of '\(slug)'")
        }
        try Failpoint.effect()
        try await deleteKeys(slug)
    }

    /// The brands' users that there are.
    func all() async throws -> Set<String> {
        do {
            return Set(try await client.users())
        } catch let error as RedisError {
            throw error.fault(doing: "list the Redis users")
        }
    }

    private func deleteKeys(_ slug: Slug) async throws {
        do {
            var cursor = "0"
            repeat {
                let reply = try await client.send(
                    "SCAN", cursor, "MATCH", "\(slug.redisPrefix)*", "COUNT", "1000")
                guard let parts = reply.array, parts.count == 2, let next = parts[0].text,
                    let keys = parts[1].array
                else { throw RedisError.shape("a cursor and keys") }
                for key in keys { if let key = key.text { try await client.send("UNLINK", key) } }
                cursor = next
            } while cursor != "0"
        } catch let error as RedisError {
            throw error.fault(doing: "delete the Redis keys of '\(slug)'")
        }
    }
}
