import Contract
import Foundation
import Kernel
import Logging
import Postgres
import Sealing
import ServiceLifecycle
import TenantSchema
import TestSupport
import Web

@testable import DataPlane

/// An instance as the product runs it, on a socket of its own: it logs in as the brand's runtime role, with
/// the grants that a brand is provisioned with, and nothing more.
struct TestInstance: Sendable {
    let brand: TestBrand
    /// A live key of all scopes.
    let key: String
    let signer: TokenSigner
    let directory: String
    private let configuration: InstanceConfiguration

    /// Runs `body` with an instance that is not started yet, and takes it away again.
    static func with<T>(currency: String = "USD", _ body: (TestInstance) async throws -> T) async throws -> T
    {
        try await TestBrand.with(currency: currency) { brand in
            let instance = try await TestInstance(brand)
            do {
                let value = try await body(instance)
                try await instance.remove()
                return value
            } catch {
                try? await instance.remove()
                throw error
            }
        }
    }

    /// Runs `body` while a new instance serves.
    static func serving<T>(_ body: (TestInstance) async throws -> T) async throws -> T {
        try await with { instance in try await instance.serving { try await body(instance) } }
    }

    private init(_ brand: TestBrand) async throws {
        self.brand = brand
        directory = "\(try TestServers.directory())/\(brand.slug)"
        let database = brand.database
        let (role, schema) = (brand.slug.runtimeRole, brand.slug.schemaName)
        try await database.run("create role \(identifier: role) login password 'y'")
        try await database.run("alter role \(identifier: role) set search_path to \(identifier: schema)")
        try await database.withConnection {
            try await $0.runScript(TenantSchema.grants(runtimeRole: role, schema: schema))
        }
        // Installations that other tests make on the same server keep everybody out of its database.
        try await TestInstance.changingRights(database) {
            try await $0.run("grant connect, temporary on database postgres to \(identifier: role)")
        }
        configuration = InstanceConfiguration(
            slug: brand.slug, brandId: BrandID(at: SystemWallClock().now()), generation: 1,
            socket: "\(directory)/s",
            database: .init(
                host: brand.configuration.host, port: brand.configuration.port, database: "postgres",
                role: role,
                connections: 5),
            streams: .init(socket: try TestServers().redis.socket, user: "default"), directory: directory,
            watchedDirectories: [directory])
        let signing = SigningKey.generate()
        signer = TokenSigner(key: signing)
        try TestInstance.write(credentials: signing, to: directory + "/credentials")
        key = try await TestInstance.mintKey(brand)
    }

    private static func write(credentials: SigningKey, to directory: String) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        for (name, bytes) in [
            ("postgres-password", Array("y\n".utf8)), ("redis-password", Array("any".utf8)),
            ("token-key-1.pub", credentials.publicKey.bytes),
        ] {
            try Data(bytes).write(to: URL(fileURLWithPath: "\(directory)/\(name)"))
        }
    }

    private func remove() async throws {
        try FileManager.default.removeItem(atPath: directory)
        let role = brand.slug.runtimeRole
        try await TestInstance.changingRights(brand.database) {
            try await $0.run(all: [
                "drop owned by \(identifier: role)", "drop role \(identifier: role)",
            ])
        }
    }

    /// PostgreSQL fails the second of two transactions that change a database's rights at once.
    private static func changingRights(
        _ database: PostgresPool, _ body: (PostgresTransaction) async throws -> Void
    ) async throws {
        try await database.transaction { transaction in
            try await transaction.run("select pg_advisory_xact_lock(hashtext('constintel roles'))")
            try await body(transaction)
        }
    }

    /// The key that its users' tokens are verified by.
    func tokenKey() throws -> VerifyingKey {
        let data = try Data(contentsOf: URL(fileURLWithPath: "\(directory)/credentials/token-key-1.pub"))
        guard let key = VerifyingKey(bytes: Array(data)) else { throw Failure("there is no token key") }
        return key
    }

    /// The instance, of which nothing runs yet.
    func assembled(clients: ClientLimits = ClientLimits()) throws -> Instance {
        var instance = Instance(
            configuration: configuration,
            credentials: try InstanceCredentials(directory: directory + "/credentials"),
            logger: TestInstance.silent)
        instance.clients = clients
        return instance
    }

    private static var silent: Logger {
        var logger = Logger(label: "instance")
        logger.logLevel = .critical
        return logger
    }

    /// Runs `body` while the instance serves; then stops it, as a supervisor does or by cancelling all of it.
    func serving<T>(
        abruptly: Bool = false, clients: ClientLimits = ClientLimits(), _ body: () async throws -> T
    ) async throws -> T {
        let (ready, readiness) = AsyncStream.makeStream(of: Void.self)
        let services = try await assembled(clients: clients).services { readiness.finish() }
        let group = ServiceGroup(services: services, logger: TestInstance.silent)
        return try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                defer { readiness.finish() }
                try await group.run()
            }
            for await _ in ready {}
            let value = try await body()
            if abruptly {
                tasks.cancelAll()
                while let result = await tasks.nextResult() {
                    if case .failure(let error) = result, !(error is CancellationError) { throw error }
                }
            } else {
                await group.triggerGracefulShutdown()
                try await tasks.waitForAll()
            }
            return value
        }
    }
}

extension TestInstance {
    /// Makes a key and projects it, as the control plane would.
    static func mintKey(
        _ brand: TestBrand, _ environment: APIKeyText.Environment = .live,
        scopes: [KeyScope] = KeyScope.allCases, expiresAt: Timestamp? = nil, origins: [String] = []
    ) async throws -> String {
        let minted = APIKeyText.mint(brand.slug, environment)
        try await brand.database.run(
            """
            insert into api_key (public_id, hash, environment, scopes, origins, expires_at)
            values (\(minted.publicId), \(minted.hash), \(environment.name), \(scopes.map(\.rawValue)),
                    \(origins), \(expiresAt))
            """)
        try await brand.database.run("update brand_state set revision = revision + 1")
        return minted.key.reveal()
    }

    /// What changes when anything comes in: rows of every table that the instance writes, entries, files.
    func footprint() async throws -> [String: Int64] {
        var counts: [String: Int64] = [:]
        for table in TenantSchema.written {
            counts[table] = try await brand.database.run("select count(*) from \(identifier: table)")
                .first?.decode(Int64.self)
        }
        counts["waiting"] = Int64(try await brand.stream.length())
        counts["dead letters"] = Int64(try await brand.stream.deadLetters())
        let imports = try? FileManager.default.contentsOfDirectory(atPath: directory + "/imports")
        counts["uploads"] = Int64(imports?.count ?? 0)
        return counts
    }
}

extension TestBrand {
    /// Runs `body` while nobody can commit events, since the writer lease is held here.
    func holdingLease(_ body: () async throws -> Void) async throws {
        try await database.transaction { transaction in
            try await transaction.run("select id from writer_lease for update")
            try await body()
        }
    }
}

/// Asks again until `condition` holds.
func eventually(
    _ what: String, within limit: Duration = .seconds(60), _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw TooLate(what: what) }
        try await Task.sleep(for: .milliseconds(20))
    }
}

/// Says what has not come about.
struct TooLate: Error, CustomStringConvertible {
    let what: String
    var description: String { "it has not come about in time: \(what)" }
}
