import Glibc
import Kernel
import Logging
import Postgres
import Reactor
import Redis
import ServiceLifecycle
import Supervision
import Web
import Workflow

/// The servers and places that a daemon stands on before it leads, however it has come by them.
struct Ground: Sendable {
    /// Logs in to PostgreSQL as who may make databases and roles; its database is any that exists.
    var administrator: PostgresConfiguration
    var controlDatabase = SchemaStore.controlDatabase
    var redis: RedisConfiguration
    var layout: StateLayout
    var places: ControlPlane.Places
    /// Where backups are kept; below the state directory when nil.
    var backups: BackupPlace?
    /// The folder with templates, whose `plans` become the control database's.
    var templates: String
    var leadership: Leadership.Settings
    let reactor = Reactor()
    var metrics: MetricsRegistry
    var logger: Logger
}

/// A daemon's time as the leader: what the embedded and the attached daemon have in common.
///
/// It is crash-only: a daemon that has lost the lead leaves at once, since whatever it did in leaving would
/// be done to what another daemon has charge of.
struct Reign: Sendable {
    let ground: Ground

    /// Connections of the control plane to each of its two databases.
    private static let connections = 8
    /// Those that backups, drills and restores hold for as long as they take: one for each operation that can
    /// go on at once.
    private static let archiveConnections = 10

    /// Prepares the databases for this release, and returns when this daemon leads.
    func prepare() async throws -> Lead {
        let schema = SchemaStore(
            administrator: ground.administrator, control: ground.controlDatabase,
            brands: ground.places.brandsDatabase, reactor: ground.reactor)
        try await schema.prepare()
        return try await Leadership(
            control: ground.administrator.with(database: ground.controlDatabase),
            brands: ground.administrator.with(database: ground.places.brandsDatabase),
            reactor: ground.reactor, settings: ground.leadership, logger: ground.logger
        ).acquire()
    }

    /// Adds the control plane's services to the group, and returns when they have been shut down.
    ///
    /// Its caller is a service of the group, and so is shut down after those that it adds.
    ///
    /// - Parameter serving: what is done once the services are there.
    func run(
        _ lead: Lead, supervisor: any Supervisor, in group: ServiceGroup,
        serving: @Sendable () async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await keep(lead) }
            let foundations = try await foundations(lead, supervisor: supervisor)
            for service in ControlPlane(foundations).services {
                await group.addServiceUnlessShutdown(service)
            }
            let watchdog = Watchdog(checks: [
                { [reactor = ground.reactor] in await reactor.takeTurn() },
                { try await WebServer.takeTurns() },
            ])
            await group.addServiceUnlessShutdown(.init(service: watchdog, serviceName: "watchdog"))
            try await serving()
            SystemdNotifier().ready()
            try? await gracefulShutdown()
            tasks.cancelAll()
            await foundations.control.close()
            await foundations.brands.close()
            await foundations.archives?.close()
            await foundations.redis.close()
        }
        await lead.release()
    }

    /// Ends the process when the lead is lost.
    private func keep(_ lead: Lead) async throws {
        do {
            try await lead.keep()
        } catch let lost as LeadLost {
            // Halted here, a former leader goes on as if it had not noticed.
            try Failpoint.hit("leadership.leave")
            ground.logger.critical("leaving at once: \(lost)")
            _exit(EX_TEMPFAIL)
        }
    }

    private func foundations(
        _ lead: Lead, supervisor: any Supervisor
    ) async throws -> ControlPlane.Foundations {
        let keys = try PlatformKeys.load(
            from: ground.layout.secrets,
            credentials: getenv("CREDENTIALS_DIRECTORY").map { String(cString: $0) })
        let control = pool(
            ground.controlDatabase, lead.session.merging(SchemaStore.controlSettings(term: lead.term)) { $1 })
        try await SealedStore(pool: control).requireOpened(by: keys.sealer)
        let plans = try Plan.load(from: "\(ground.templates)/plans")
        try await PlanStore(pool: control).install(plans)
        var foundations = ControlPlane.Foundations(
            control: control, brands: pool(ground.places.brandsDatabase, lead.session),
            redis: RedisClient(ground.redis, on: ground.reactor), supervisor: supervisor, keys: keys,
            layout: ground.layout, places: ground.places, plans: plans, metrics: ground.metrics,
            logger: ground.logger)
        foundations.archives = pool(
            ground.places.brandsDatabase, lead.session, maximum: Reign.archiveConnections)
        foundations.places.backups = ground.backups?.settings(ground.layout, keys)
        foundations.saga.holder = ground.leadership.holder
        foundations.runsJobs = !ground.places.isUnderSystemd
        return foundations
    }

    private func pool(
        _ database: String, _ settings: [String: String], maximum: Int = Reign.connections
    ) -> PostgresPool {
        PostgresPool(
            ground.administrator.with(database: database).with(settings: settings),
            maximum: maximum, reactor: ground.reactor, logger: ground.logger)
    }
}
