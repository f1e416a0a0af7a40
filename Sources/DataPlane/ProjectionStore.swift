import Contract
import Events
import Kernel
import Postgres
import Sealing
import TenantSchema

/// What the control plane says of the brand.
struct Projection: Sendable {
    struct Key: Sendable {
        let hash: [UInt8]
        let isTest: Bool
        let isBrowser: Bool
        let scopes: Set<KeyScope>
        /// Of a browser key; the brand's own when there are none.
        let origins: [String]
        let eventsPerSecond: Int?
        let requestsPerSecond: Int?
        let expiresAt: Timestamp?
        let revokedAt: Timestamp?

        /// Whether it is neither revoked nor expired.
        func works(at now: Timestamp) -> Bool {
            (revokedAt.map { $0 > now } ?? true) && (expiresAt.map { $0 > now } ?? true)
        }
    }

    /// The part of the plan's limits that the data plane enforces.
    struct Limits: Codable, Sendable {
        /// Events that may wait in the stream.
        var streamEntries: Int?
        /// How long the instance stays awake when nobody asks; for ever when absent.
        var idleSeconds: Int?
        /// Events in a second on average, and in a month of the brand's time zone.
        var eventsPerSecond: Int?
        var eventsPerMonth: Int?
        /// Profiles beyond which no event is accepted.
        var profiles: Int?
    }

    let brandID: BrandID
    let status: String
    /// Why the brand is suspended, where somebody has said so.
    let statusReason: String?
    let settings: BrandSettings
    let limits: Limits
    /// The public keys of user tokens; none when the instance is to use those it was started with.
    let tokenKeys: [VerifyingKey]
    let revision: Int64
    /// By public id.
    let keys: [String: Key]
}

/// Reads the projected tables.
struct ProjectionStore {
    let database: PostgresPool

    /// One look at them.
    struct Look {
        fileprivate let connection: PostgresConnection

        func revision() async throws -> Int64 {
            let rows = try await connection.run("select revision from brand_state")
            return try rows.first?.decode(Int64.self) ?? 0
        }

        /// The whole projection; see `ProjectionStore.read`.
        func read() async throws -> Projection { try await ProjectionStore.read(connection) }
    }

    /// Runs `body` with a connection; one at a time where the pool has one.
    func look(_ body: (Look) async throws -> Void) async throws {
        try await database.withConnection { try await body(Look(connection: $0)) }
    }

    /// The whole projection, as of one instant.
    ///
    /// - Throws: `Fault.unavailable` when the brand has none, or its schema is newer than this release knows.
    func read() async throws -> Projection {
        try await database.withConnection { try await ProjectionStore.read($0) }
    }

    private static func read(_ connection: PostgresConnection) async throws -> Projection {
        let (states, keys) = try await connection.transaction(.snapshot) { transaction in
            (
                try await transaction.run(
                    """
                    select brand_id, status, status_reason, settings, limits, token_keys, revision,
                        schema_version
                    from brand_state
                    """),
                try await transaction.run(
                    """
                    select public_id, hash, environment, scopes, origins, events_per_second,
                        requests_per_second, expires_at, revoked_at from api_key
                    """)
            )
        }
        guard let state = states.first else {
            throw Fault(.unavailable, doing: "read the brand's state", "the brand is not provisioned")
        }
        let (brandID, status, reason, settings, limits, tokenKeys, revision, version) = try state.decode(
            (BrandID, String, String?, JSONB, JSONB, [String], Int64, Int).self)
        guard version <= TenantSchema.version else {
            throw Fault(
                .unavailable, doing: "read the brand's state",
                "the schema has version \(version), and this release knows \(TenantSchema.version) at most"
            )
        }
        return Projection(
            brandID: brandID, status: status, statusReason: reason,
            settings: try settings.decode(BrandSettings.self),
            limits: try limits.decode(Projection.Limits.self),
            tokenKeys: tokenKeys.compactMap { Base64URL.decode($0).flatMap { VerifyingKey(bytes: $0) } },
            revision: revision,
            keys: try ProjectionStore.keys(keys))
    }

    private static func keys(_ rows: PostgresRows) throws -> [String: Projection.Key] {
        var keys: [String: Projection.Key] = [:]
        for row in rows {
            let (publicID, hash, environment, scopes, origins, events, requests, expiresAt, revokedAt) =
                try row.decode(
                    (
                        String, [UInt8], String, [String], [String], Int?, Int?, Timestamp?, Timestamp?
                    ).self)
            keys[publicID] = Projection.Key(
                hash: hash, isTest: environment == "test", isBrowser: environment == "browser",
                scopes: Set(scopes.compactMap(KeyScope.init)), origins: origins, eventsPerSecond: events,
                requestsPerSecond: requests, expiresAt: expiresAt, revokedAt: revokedAt)
        }
        return keys
    }
}
