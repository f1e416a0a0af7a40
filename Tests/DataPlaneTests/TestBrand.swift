import Commerce
import Contract
import Customers
import Foundation
import Kernel
import Logging
import Postgres
import Reactor
import Redis
import TenantSchema
import TestSupport

@testable import DataPlane
@testable import Events

/// A brand of its own for one test: a schema on the real PostgreSQL, a stream on the real Redis, and the
/// writer that lies between, moved by hand.
struct TestBrand: Sendable {
    let slug: Slug
    let database: PostgresPool
    let redis: RedisClient
    let stream: EventStream
    let gate: IntakeGate
    let arrivals = Arrivals()
    let commits = CommitWatch()
    let settings: BrandSettings
    let configuration: PostgresConfiguration
    private let servers: TestServers

    /// Runs `body` with a new brand, and takes the brand away again.
    static func with<T>(
        country: String = "US", currency: String = "USD", streamLimit: Int = 1_000_000,
        _ body: (TestBrand) async throws -> T
    ) async throws -> T {
        let brand = try await TestBrand(country: country, currency: currency, streamLimit: streamLimit)
        do {
            let value = try await body(brand)
            try await brand.remove()
            return value
        } catch {
            try? await brand.remove()
            throw error
        }
    }

    private init(country: String, currency: String, streamLimit: Int) async throws {
        servers = try TestServers()
        slug = try Slug(
            "t\(UUIDv7(at: SystemWallClock().now()).description.replacing("-", with: "").suffix(20))")
        settings = BrandSettings(name: "Test", country: country, timeZone: "UTC", currency: currency)
        let administrator = try await PostgresConnection.connect(servers.postgres, on: TestServers.reactor)
        try await administrator.run("create schema \(identifier: slug.schemaName)")
        let role = "role_\(slug.schemaName)"
        try await administrator.run("create role \(identifier: role) login superuser password 'x'")
        try await administrator.run(
            "alter role \(identifier: role) set search_path to \(identifier: slug.schemaName)")
        await administrator.close()
        configuration = PostgresConfiguration(
            host: servers.postgres.host, database: "postgres", user: role, password: Secret("x"),
            applicationName: "test")
        let owner = try await PostgresConnection.connect(configuration, on: TestServers.reactor)
        try await owner.runScript(TenantSchema.sql)
        try await owner.run("insert into writer_lease (generation) values (1)")
        try await owner.run(
            """
            insert into brand_state (brand_id, slug, status, settings, limits, revision, schema_version)
            values (\(UUIDv7(at: SystemWallClock().now())), \(slug.text), 'active',
                    \(JSONB(encoding: settings)), '{}', 1, \(TenantSchema.version))
            """)
        await owner.close()
        database = PostgresPool(
            configuration, maximum: 4, reactor: TestServers.reactor, logger: Logger(label: "test"))
        redis = RedisClient(servers.redis, on: TestServers.reactor)
        stream = EventStream(client: redis, brand: slug)
        gate = IntakeGate(stream: stream, limit: { streamLimit }, watching: [])
    }

    private func remove() async throws {
        await database.close()
        _ = try await redis.send("DEL", slug.redisPrefix + "events", slug.redisPrefix + "dead")
        await redis.close()
        let administrator = try await PostgresConnection.connect(servers.postgres, on: TestServers.reactor)
        try await administrator.run("drop schema \(identifier: slug.schemaName) cascade")
        try await administrator.run("drop role \(identifier: "role_\(slug.schemaName)")")
        await administrator.close()
    }

    var events: Events { Events(stream: stream, gate: gate, arrivals: arrivals, quota: quota) }

    /// Allows everything.
    private var quota: EventQuota {
        EventQuota(
            database: database, allowance: { EventAllowance() }, waiting: { 0 }, clock: SystemWallClock(),
            logger: Logger(label: "test"))
    }

    func writer(generation: Int64 = 1) -> EventWriter {
        let settings = settings
        return EventWriter(
            intake: (stream, gate, arrivals, quota), commits: commits,
            database: WriterDatabase(
                configuration: configuration, reactor: TestServers.reactor, generation: generation),
            projectors: Instance.projectors(settings: { settings }), logger: Logger(label: "test"))
    }

    /// Accepts `events` and commits everything that waits.
    func write(_ events: [Event]) async throws {
        try await self.events.accept(events)
        let writer = writer()
        while try await writer.writeOldest() > 0 {}
    }

    var totals: TotalsStore.Totals {
        get async throws { try await TotalsStore(database: database).totals() }
    }

    /// A profile as the API shows it, found by an identifier.
    func profile(_ kind: Identifier.Kind, _ value: String) async throws -> ShownProfile? {
        let found = try await ProfileListStore(database: database).find(Identifier(kind: kind, value: value))
        return try found.first.map { try JSONDecoder().decode(ShownProfile.self, from: Data($0.json.utf8)) }
    }
}

/// What tests read of a profile.
struct ShownProfile: Decodable {
    let id: ProfileID
    let identifiers: [String: [String]]
    let profileStrength: Int
    let lifetimeValue: String
    let totalOrders: Int
}

extension Event {
    /// A page view as the API would have accepted it.
    static func sample(_ key: String, _ identifiers: [IdentifierKind: String]) throws -> Event {
        try sample(key, .pageView, identifiers)
    }

    /// An event as the API would have accepted it.
    static func sample(
        _ key: String, _ type: EventType, _ identifiers: [IdentifierKind: String],
        properties: String = "{}", occurredAt: String = "2026-01-31T10:00:00Z", isTest: Bool = false
    ) throws -> Event {
        let sent = identifiers.map { "\"\($0.key.rawValue)\":\"\($0.value)\"" }.sorted().joined(
            separator: ",")
        let json = """
            {"eventId":"\(key)","type":"\(type.rawValue)","occurredAt":"\(occurredAt)","channel":"web",
             "identifiers":{\(sent)},"properties":\(properties)}
            """
        let reader = EventReader(
            sender: .init(source: "api", isTest: isTest), receivedAt: SystemWallClock().now())
        return try reader.event(try JSONText.checking(Array(json.utf8)), fallbackKey: key)
    }
}
