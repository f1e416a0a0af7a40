import Kernel
import Redis
import Sealing

/// What Redis says of a user: what it may do, by which passwords, on which keys.
struct StreamUserDefinition: Sendable, Equatable {
    /// The reply of `ACL GETUSER`, each field's words in order.
    private let fields: [String: [String]]

    /// Nil for a reply that says that there is no such user.
    init?(_ reply: RedisValue) {
        guard let parts = reply.array, !parts.isEmpty else { return nil }
        var fields: [String: [String]] = [:]
        for index in stride(from: 0, to: parts.count - 1, by: 2) {
            guard let name = parts[index].text else { continue }
            fields[name] = StreamUserDefinition.words(parts[index + 1]).sorted()
        }
        self.fields = fields
    }

    /// Whether it is what `StreamUsers.define` makes of this password, and no more.
    func isRight(_ slug: Slug, password: Secret) -> Bool {
        let flags = Set(fields["flags"] ?? []).subtracting(["sanitize-payload"])
        let hash = Hex.encode(SHA256.hash(password.reveal().utf8))
        let commands = ["-@all"] + StreamUsers.commands.map { "+\($0)" }
        return flags == ["on"] && fields["passwords"] == [hash] && fields["commands"] == commands.sorted()
            && fields["keys"] == ["~\(slug.redisPrefix)*"] && fields["channels"] == []
            && fields["selectors"] == []
    }

    private static func words(_ value: RedisValue) -> [String] {
        switch value {
        case .array(let parts): parts.flatMap(words)
        default: (value.text ?? "").split(separator: " ").map(String.init)
        }
    }
}

extension StreamUsers {
    /// What Redis says of each of these brands' users, asked in one go; nil for one that there is not.
    func definitions(of slugs: [Slug]) async throws -> [Slug: StreamUserDefinition?] {
        let commands = slugs.map { slug in ["ACL", "GETUSER", slug.redisUser].map { Array($0.utf8) } }
        do {
            let replies = try await client.pipeline(commands)
            for case .error(let reason) in replies { throw RedisError.reply(reason) }
            return Dictionary(uniqueKeysWithValues: zip(slugs, replies.map(StreamUserDefinition.init)))
        } catch let error as RedisError {
            throw error.fault(doing: "look at the Redis users")
        }
    }
}
