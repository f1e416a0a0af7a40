import Kernel
import Redis
import TestSupport

/// What a brand's user can do in Redis to what is not its own.
struct RedisIsolation: Sendable {
    /// One command as the server itself describes it.
    fileprivate struct Command {
        let words: [String]
        /// With its words; negative when there may be more.
        let arity: Int
    }

    let neighbours: Neighbours

    /// Open to everybody: they say who one is or go away, and tell nothing.
    private static let harmless: Set<String> = ["auth", "hello", "quit", "reset", "ping"]

    /// Every command that the server has, as each of `brands`, with the keys of all others as arguments.
    func tryEverything(as brands: [Neighbour]) async throws -> Ledger {
        let administrator = try neighbours.redis(as: nil)
        let commands = try await RedisIsolation.commands(administrator)
        let before = try await dump(administrator)
        var ledger = Ledger()
        for brand in brands {
            let client = try neighbours.redis(as: brand)
            for key in neighbours.others(than: brand).flatMap(keys) {
                let tried = commands.filter { !RedisIsolation.harmless.contains($0.words[0]) }
                    .map { $0.words + $0.arguments(key) }
                await ledger.attempt(tried, brand, client)
            }
            for word in RedisIsolation.harmless.subtracting(["reset", "quit"]) {
                let refusal = try? await client.send(word)
                ledger.note("harmless", "\(brand.slug): \(word)", breach: leak(in: refusal, of: brand))
            }
            await client.close()
            await ledger.nobody(neighbours, brand)
        }
        let after = try await dump(administrator)
        ledger.note("keys", "what all keys hold", breach: before == after ? nil : "it has changed")
        await administrator.close()
        return ledger
    }

    /// Names of keys that another brand has or may have, and patterns that would find them.
    private func keys(of brand: Neighbour) -> [String] {
        [brand.slug.redisPrefix + "events", brand.slug.redisPrefix + "*", "ci:*"]
    }

    private func leak(in reply: RedisValue?, of brand: Neighbour) -> String? {
        let text = reply.map { "\($0)" } ?? ""
        return neighbours.others(than: brand).contains { text.contains($0.canary) } ? text : nil
    }

    /// Every command and subcommand.
    private static func commands(_ administrator: RedisClient) async throws -> [Command] {
        let described = try await administrator.send("COMMAND").array ?? []
        let commands = described.flatMap { command -> [Command] in
            guard let parts = command.array, let name = parts[0].text, let arity = parts[1].integer else {
                return []
            }
            let nested = parts.count > 9 ? parts[9].array ?? [] : []
            // What has subcommands does nothing without one.
            return (nested.isEmpty ? [Command(words: [name], arity: Int(arity))] : [])
                + nested.compactMap { nested in
                    guard let parts = nested.array, let name = parts[0].text, let arity = parts[1].integer
                    else { return nil }
                    return Command(words: name.split(separator: "|").map(String.init), arity: Int(arity))
                }
        }
        guard commands.count > 200 else { throw Failure("Redis tells of \(commands.count) commands") }
        return commands.sorted { $0.words.joined() < $1.words.joined() }
    }

    /// All keys but the streams' momentary entries, as the server would move them.
    private func dump(_ administrator: RedisClient) async throws -> [String: RedisValue] {
        var all: [String: RedisValue] = [:]
        for key in try await administrator.send("KEYS", "*").array ?? [] {
            guard let key = key.text else { continue }
            all[key] = try await administrator.send("DUMP", key)
        }
        return all
    }
}

extension RedisIsolation.Command {
    /// As many arguments as it needs, each of them `key`.
    fileprivate func arguments(_ key: String) -> [String] {
        Array(repeating: key, count: max(0, abs(arity) - words.count))
    }
}

extension Ledger {
    /// Expects that commands are refused for want of a right.
    fileprivate mutating func attempt(
        _ commands: [[String]], _ brand: Neighbour, _ client: RedisClient
    ) async {
        let sent = commands.map { $0.map { Array($0.utf8) } }
        let replies: [RedisValue]
        do {
            replies = try await client.pipeline(sent)
        } catch {
            note("command", "\(brand.slug): all of \(commands.count)", breach: "\(error)")
            return
        }
        for (words, reply) in zip(commands, replies) {
            var breach: String? = "\(reply)"
            // Some are refused to everybody before rights are looked at.
            if case .error(let text) = reply,
                text.contains("NOPERM") || text.contains("command not allowed")
            {
                breach = nil
            }
            note("command", "\(brand.slug): \(words.joined(separator: " "))", breach: breach)
        }
    }

    /// Who has not said who he is, or has said so wrongly, is nobody.
    fileprivate mutating func nobody(_ neighbours: Neighbours, _ brand: Neighbour) async {
        let socket = "\(neighbours.installation.directory)/run/redis.sock"
        var configurations = [("nobody", RedisConfiguration(socket: socket))]
        configurations += ["", "x", brand.slug.redisUser].map {
            (
                "the password '\($0)'",
                RedisConfiguration(socket: socket, user: brand.slug.redisUser, password: Secret($0))
            )
        }
        for (name, configuration) in configurations {
            let client = RedisClient(configuration, on: TestServers.reactor)
            let reply = try? await client.send("PING")
            note("log in", "\(name) as \(brand.slug)", breach: reply.map { "\($0)" })
            await client.close()
        }
        if let client = try? neighbours.redis(as: brand) {
            // After a reset the connection is nobody's.
            _ = try? await client.send("RESET")
            let reply = try? await client.send("XLEN", brand.slug.redisPrefix + "events")
            note("log in", "\(brand.slug) after RESET", breach: reply.map { "\($0)" })
            await client.close()
        }
    }
}
