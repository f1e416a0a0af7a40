import Embedded
import Kernel
import Logging
import Postgres
import Redis
import ServiceLifecycle
import Supervision
import Web
import Workflow

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
        /// Where backups are kept; in `backups` of the state directory when nil.
        package var backups: BackupPlace?

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

/// Brings everything up in order, and leads until the group is shut down.
///
/// The state directory's lock keeps every other daemon away, so the lead is had at once, and kept when
/// PostgreSQL is restarted.
private struct EmbeddedStart: Service {
    let settings: EmbeddedDaemon.Settings
    let address: EdgeAddress
    let state: StateDirectory
    let supervisor: ChildProcessSupervisor
    let group: ServiceGroup
    let metrics: MetricsRegistry
    let logger: Logger

    func run() async throws {
        do {
            let (reign, lead) = try await cancelWhenGracefulShutdown {
                let ground = try await stand()
                try await awaitDatabase(ground)
                let reign = Reign(ground: ground)
                return (reign, try await reign.prepare())
            }
            try await reign.run(lead, supervisor: supervisor, in: group) {
                try await EmbeddedServices(state: state, edge: address, templates: settings.templates)
                    .startEdge(under: supervisor)
                logger.info("serving", metadata: ["edge": "http://\(address)", "state": "\(state.path)"])
            }
        } catch {
            guard Task.isShuttingDownGracefully else { throw error }
            logger.info("stopped before everything was up")
        }
    }

    /// How long the database may take until it accepts connections: as long as it recovers.
    private static let recovery = Duration.seconds(600)
    private static let pause = Duration.milliseconds(200)

    /// Waits until the database accepts connections. One that was found running may have been about to end,
    /// and the next one recovers first.
    private func awaitDatabase(_ ground: Ground) async throws {
        let deadline = ContinuousClock.now + EmbeddedStart.recovery
        var hasSaid = false
        while true {
            do {
                try await PostgresConnection.connect(ground.administrator, on: ground.reactor).close()
                return
            } catch let fault as Fault where fault.code == .unavailable && .now < deadline {
                if !hasSaid { logger.notice("waiting for the database", metadata: ["reason": "\(fault)"]) }
                hasSaid = true
                try await Task.sleep(for: EmbeddedStart.pause)
                try await supervisor.awaitReady("postgres")
            }
        }
    }

    /// Starts PostgreSQL and Redis.
    private func stand() async throws -> Ground {
        _ = try Plan.load(from: "\(settings.templates)/plans")
        let connections = try await EmbeddedServices(
            state: state, edge: address, templates: settings.templates
        ).startStores(under: supervisor)
        let administrator = PostgresConfiguration(
            host: connections.postgres.host, database: "postgres", user: connections.postgres.user,
            password: connections.postgres.password, applicationName: "constinteld")
        let places = ControlPlane.Places(
            edge: "http://\(address)", instanceExecutable: settings.instanceExecutable,
            postgresHost: administrator.host, postgresPort: administrator.port,
            brandsDatabase: SchemaStore.brandsDatabase, redisSocket: connections.redis.socket,
            watchedDirectories: [state.redis, state.postgresData], databaseDirectory: state.postgresData,
            environment: .development)
        var leadership = Leadership.Settings()
        leadership.isAlone = true
        return Ground(
            administrator: administrator,
            redis: RedisConfiguration(
                socket: connections.redis.socket, user: connections.redis.user,
                password: connections.redis.password),
            layout: StateLayout(root: state.path, run: state.run, logs: state.logs), places: places,
            backups: settings.backups, templates: settings.templates, leadership: leadership,
            metrics: metrics, logger: logger)
    }
}
