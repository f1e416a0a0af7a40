import Contract
import Events
import Kernel
import Logging
import Postgres
import Reactor

/// A re-fold by a process that does nothing else: of a schema that does not serve yet, such as one that was
/// restored.
public struct RefoldOnce: Sendable {
    private let configuration: PostgresConfiguration
    private let generation: Int64
    private let logger: Logger

    /// - Parameter schema: beside the brand's own; its own when nil.
    public init(
        configuration: InstanceConfiguration, credentials: InstanceCredentials, schema: String?,
        generation: Int64?, logger: Logger
    ) {
        var database = PostgresConfiguration(
            host: configuration.database.host, port: configuration.database.port,
            database: configuration.database.database, user: configuration.database.role,
            password: credentials.postgresPassword, applicationName: "constintel-instance refold")
        if let schema { database = database.with(settings: ["search_path": schema]) }
        self.configuration = database
        self.generation = generation ?? configuration.generation
        self.logger = logger
    }

    /// Compares what is stored with what its events and decisions say; takes the differences away when it is
    /// to be `applied`.
    public func run(applied: Bool) async throws -> RefoldReport {
        let reactor = Reactor()
        let pool = PostgresPool(configuration, maximum: 1, reactor: reactor, logger: logger)
        let settings = try await ProjectionStore(database: pool).read().settings
        let refold = Refold(settings: settings)
        let report: RefoldReport
        if applied {
            let writer = WriterDatabase(
                configuration: configuration, reactor: reactor, generation: generation)
            report = try await writer.transaction { try await refold.apply(in: $0) }
            await writer.close()
        } else {
            report = try await pool.transaction(.repeatableRead) { transaction in
                try await refold.keepMonths(in: transaction)
                return try await refold.plan(in: transaction)
            }
        }
        await pool.close()
        return report
    }
}
