import Embedded
import Kernel
import Logging
import Postgres
import Reactor
import Redis
import ServiceLifecycle
import Supervision
import Web

/// The whole installation in one process and its children, under one state directory.
package struct EmbeddedDaemon: Sendable {
    /// What a start can choose.
    package struct Settings: Sendable {
        /// The state directory, absolute.
        package var state: String
        /// Where the edge listens, `host:port`.
        package var edge: String
        /// The folder with the templates of configuration files and plans.
        package var templates: String
        /// The path of `constintel-instance`.
        package var instanceExecutable: String

        package init(state: String, edge: String, templates: String, instanceExecutable: String) {
            self.state = state
            self.edge = edge
            self.templates = templates
            self.instanceExecutable = instanceExecutable
        }
    }

    private let settings: Settings
    private let metrics: MetricsRegistry
    private let logger: Logger

    package init(_ settings: Settings, metrics: MetricsRegistry, logger: Logger) {
        self.settings = settings
        self.metrics = metrics
        self.logger = logger
    }

    /// Runs until SIGTERM or SIGINT, then stops everything in the reverse order of starting.
    ///
    /// - Throws: a fault with a sentence for the operator when it cannot start; what it had started is
    ///   stopped then.
    package func run() async throws {
        let address = try EdgeAddress(settings.edge)
        let state = try StateDirectory(path: settings.state)
        let lock = try state.lock()
        defer { withExtendedLifetime(lock) {} }
        let supervisor = try ChildProcessSupervisor(directory: state.run, logger: logger)
        let group = ServiceGroup(
            services: [], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        await group.addServiceUnlessShutdown(
            .init(service: supervisor, serviceName: "supervisor"))
        let start = EmbeddedStart(
            settings: settings, address: address, state: state, supervisor: supervisor, group: group,
            metrics: metrics, logger: logger)
        await group.addServiceUnlessShutdown(
            .init(
                service: start, successTerminationBehavior: .gracefullyShutdownGroup,
                failureTerminationBehavior: .gracefullyShutdownGroup, serviceName: "start"))
        try await group.run()
        logger.info("stopped")
    }
}

/// Brings everything up in order, adds the control plane's services to the group, and at the end closes what
/// they stood on.
private struct EmbeddedStart: Service {
    let settings: EmbeddedDaemon.Settings
    let address: EdgeAddress
    let state: StateDirectory
    let supervisor: ChildProcessSupervisor
    let group: ServiceGroup
    let metrics: MetricsRegistry
    let logger: Logger

    /// Connections of the control plane to each of its two databases.
    private static let connections = 8

    func run() async throws {
        do {
            let foundations = try await cancelWhenGracefulShutdown { try await stand() }
            try await serve(foundations)
        } catch {
            guard Task.isShuttingDownGracefully else { throw error }
            logger.info("stopped before everything was up")
        }
    }

    private func serve(_ foundations: ControlPlane.Foundations) async throws {
        for service in ControlPlane(foundations).services {
            await group.addServiceUnlessShutdown(service)
        }
        try await EmbeddedServices(state: state, edge: address, templates: settings.templates)
            .startEdge(under: supervisor)
        logger.info("serving", metadata: ["edge": "http://\(address)", "state": "\(state.path)"])
        SystemdNotifier().ready()
        try? await gracefulShutdown()
        await foundations.control.close()
        await foundations.brands.close()
        await foundations.redis.close()
    }

    /// Starts PostgreSQL and Redis and prepares them for this release.
    private func stand() async throws -> ControlPlane.Foundations {
        let plans = try Plan.load(from: "\(settings.templates)/plans")
        let keys = try PlatformKeys.load(from: state.secrets)
        let connections = try await EmbeddedServices(
            state: state, edge: address, templates: settings.templates
        ).startStores(under: supervisor)
        let reactor = Reactor()
        let administrator = PostgresConfiguration(
            host: connections.postgres.host, database: "postgres", user: connections.postgres.user,
            password: connections.postgres.password, applicationName: "constinteld")
        try await SchemaStore(administrator: administrator, reactor: reactor).prepare()
        func pool(_ database: String, _ settings: [String: String] = [:]) -> PostgresPool {
            PostgresPool(
                administrator.with(database: database).with(settings: settings),
                maximum: EmbeddedStart.connections,
                reactor: reactor, logger: logger)
        }
        let control = pool(SchemaStore.controlDatabase, SchemaStore.controlSettings(term: 0))
        try await PlanStore(pool: control).replace(plans)
        let redis = RedisClient(
            RedisConfiguration(
                socket: connections.redis.socket, user: connections.redis.user,
                password: connections.redis.password), on: reactor)
        return ControlPlane.Foundations(
            control: control, brands: pool(SchemaStore.brandsDatabase), redis: redis,
            supervisor: supervisor, keys: keys,
            layout: StateLayout(root: state.path, run: state.run, logs: state.logs),
            places: ControlPlane.Places(
                edge: "http://\(address)", instanceExecutable: settings.instanceExecutable,
                postgresHost: administrator.host, postgresPort: administrator.port,
                brandsDatabase: SchemaStore.brandsDatabase, redisSocket: connections.redis.socket,
                watchedDirectories: [state.redis, state.postgresData]),
            metrics: metrics, logger: logger)
    }
}
