/// A brand's permanent name on every wire: 2 to 32 of `a-z0-9-`, beginning with a letter, ending with a
/// letter or digit, without `--`. Chosen once, never changed, never reused.
///
/// Every name that is derived from it (schema, roles, keys, unit, socket) is derived here and nowhere else.
public struct Slug: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let text: String

    /// Names that would collide with a path, a host, a schema or a service of ours. The edge knows the rules
    /// from `templates/nginx/slug.regex`.
    public static let reserved: Set<String> = [
        "control", "admin", "api", "b", "console", "www", "health", "metrics", "static", "public", "default",
        "postgres", "pg", "redis", "template",
    ]

    /// Checks `text` against the rules above; throws `Fault.invalid` that names the rule it breaks.
    public init(_ text: some StringProtocol) throws(Fault) {
        let text = String(text)
        if let broken = Slug.brokenRule(text) {
            throw Fault(.invalid, doing: "use this as a brand's slug", broken, field: "slug")
        }
        self.text = text
    }

    private static func brokenRule(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        guard (2...32).contains(bytes.count) else { return "a slug has 2 to 32 characters" }
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        let dash = UInt8(ascii: "-")
        guard bytes.allSatisfy({ letters.contains($0) || digits.contains($0) || $0 == dash }) else {
            return "a slug has only the characters a-z, 0-9 and -"
        }
        guard letters.contains(bytes[0]) else { return "a slug begins with a letter" }
        guard bytes.last != dash else { return "a slug ends with a letter or a digit" }
        guard !text.contains("--") else { return "a slug has no two dashes in a row" }
        guard !reserved.contains(text), !text.hasPrefix("pg-") else {
            return "the slug '\(text)' is reserved"
        }
        return nil
    }

    public var description: String { text }

    public static func < (left: Slug, right: Slug) -> Bool { left.text < right.text }

    private var underscored: String { text.replacing("-", with: "_") }

    /// The brand's PostgreSQL schema, `brand_<slug>`.
    public var schemaName: String { "brand_\(underscored)" }
    /// The NOLOGIN role that owns the schema and its tables, `owner_<slug>`.
    public var ownerRole: String { "owner_\(underscored)" }
    /// The role that the instance logs in as, `brand_<slug>`.
    public var runtimeRole: String { "brand_\(underscored)" }
    /// What every Redis key of the brand begins with, `ci:{<slug>}:`; the braces keep a brand on one shard.
    public var redisPrefix: String { "ci:{\(text)}:" }
    /// The brand's Redis ACL user.
    public var redisUser: String { "brand-\(text)" }
    /// The instance's name to a supervisor, `constintel-instance@<slug>`.
    public var unitName: String { "\(Slug.unitTemplate)@\(text)" }
    /// What all instances' units are called after.
    public static let unitTemplate = "constintel-instance"
    /// The file name of the instance's socket, `<slug>.sock`.
    public var socketName: String { "\(text).sock" }
}

extension Slug: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        do {
            try self.init(container.decode(String.self))
        } catch let fault as Fault {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: fault.detail)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
