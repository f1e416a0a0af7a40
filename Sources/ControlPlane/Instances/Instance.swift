import Contract
import Kernel
import Sealing

/// What is meant to run for a brand, as the control database has it.
struct Instance: Sendable {
    /// Whether a process is meant to run.
    enum Intent: String, Sendable, Codable {
        case running, stopped
    }

    let brand: BrandID
    let slug: Slug
    let intent: Intent
    let status: BrandView.Status
    /// The release that serves the brand; nil for the daemon's own.
    let release: String?
    /// The brand's placement: its writer lease has the same number.
    let generation: Int64
    /// The latest revision of what is to be projected.
    let revision: Int64
    /// What the brand's plan allows.
    let limits: Plan.Limits
    /// How long the brand wants its raw events kept, where that is less than its plan says.
    let retentionDays: Int?
    let postgresPassword: SealedSecret
    let redisPassword: SealedSecret

    /// Database connections that the instance may hold.
    var connections: Int { limits.connections }

    /// How long raw events are kept as they were sent; for ever when nil.
    var keepsEventsFor: Duration? {
        [limits.retentionDays, retentionDays].compactMap(\.self).min().map { .days($0) }
    }

    /// Whether a process is meant to run now: nothing runs for a deleted brand.
    var runs: Bool { intent == .running && status != .deleted }
}

/// The secrets of one brand's instance, each sealed for its own place.
enum InstanceSecret: String {
    case postgresPassword = "postgres.password"
    case redisPassword = "redis.password"

    /// What the secret is sealed for: it opens nowhere else.
    func context(_ slug: Slug) -> String { "brand:\(slug)/\(rawValue)" }
}

/// All that an instance must know of the control plane, at one revision.
struct Projection: Sendable {
    struct Key: Sendable {
        let publicId: String
        let hash: [UInt8]
        let environment: String
        let scopes: [String]
        let origins: [String]
        let eventsPerSecond: Int?
        let requestsPerSecond: Int?
        let expiresAt: Timestamp?
        let revokedAt: Timestamp?
    }

    let brand: BrandID
    let slug: Slug
    let status: String
    /// Why the brand is suspended.
    let statusReason: String?
    let settings: BrandSettings
    let limits: Plan.Limits
    let revision: Int64
    let keys: [Key]
    /// The public keys of user tokens, in Base64URL.
    var tokenKeys: [String] = []

    /// Keys that are projected at most; of those revoked the longest ago, the instance then says that they
    /// are unknown instead of revoked.
    static let maximumKeys = 1000
}
