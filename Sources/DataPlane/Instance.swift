import Commerce
import Contract
import CoreMetrics
import Customers
import Events
import Foundation
import Hummingbird
import Integrations
import Kernel
import Logging
import Postgres
import Reactor
import Redis
import Sealing
import ServiceLifecycle
import Supervision
import Web

/// One brand's data plane: everything between its socket and its schema, put together.
public struct Instance: Sendable {
    private let configuration: InstanceConfiguration
    private let credentials: InstanceCredentials
    private let clock: any WallClock
    private let metrics: MetricsRegistry
    private let logger: Logger
    private let reactor = Reactor()
    /// How long its clients are waited for, and how many there may be.
    var clients = ClientLimits()

    /// - Parameter metrics: what all parts of it record into.
    public init(
        configuration: InstanceConfiguration, credentials: InstanceCredentials,
        clock: any WallClock = SystemWallClock(), metrics: MetricsRegistry = MetricsRegistry(),
        logger: Logger
    ) {
        self.configuration = configuration
        self.credentials = credentials
        self.clock = clock
        self.metrics = metrics
        self.logger = logger
    }

    /// Serves until SIGTERM or SIGINT, and leaves without losing a request.
    ///
    /// - Throws: a fault when the brand's database cannot be read at the start, the socket not be bound, or
    ///   this instance's generation may no longer write.
    public func run() async throws {
        let notifier = SystemdNotifier()
        let services = try await services { notifier.ready() }
        let group = ServiceGroup(
            configuration: .init(
                services: services.map { service in
                    // What ends by itself, ends the instance.
                    let isLast = service is IdleExit
                    // Without a name it would be called by all that is in it, and to write that down takes
                    // longer than anything else at the start.
                    return .init(
                        service: service,
                        successTerminationBehavior: isLast ? .gracefullyShutdownGroup : .cancelGroup,
                        serviceName: "\(type(of: service))")
                }, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }

    /// What an instance consists of, in the order of starting, which is the reverse of that of stopping.
    ///
    /// - Parameter onReady: called when requests are served.
    func services(onReady: @escaping @Sendable () async -> Void) async throws -> [any Service] {
        try await withMetricsFactory(metrics) {
            let parts = try await parts()
            let activity = Activity()
            let listener = listener()
            var server = WebServer(
                router: router(parts), listener: listener, activity: activity, logger: logger,
                onReady: onReady)
            server.clients = clients
            let watchdog = Watchdog(checks: [
                { [reactor] in await reactor.takeTurn() }, { try await WebServer.takeTurns() },
            ])
            let services: [any Service] = [
                Connections(pools: [parts.database, parts.projection], redis: parts.redis), watchdog,
                parts.brand, parts.uses, parts.intake.gate, parts.intake.events.quota, writer(parts),
                parts.imports, parts.refolds, server,
            ]
            // Only where somebody else holds the socket can the next request be waited for without a process.
            guard case .inherited = listener else { return services }
            return services + [idleExit(parts, activity)]
        }
    }

    private func idleExit(_ parts: Parts, _ activity: Activity) -> IdleExit {
        let operations = OperationStore(database: parts.database)
        return IdleExit(
            quiet: { activity.quiet }, limit: { parts.brand.idleTime },
            isBusy: {
                if try await operations.isAnyOpen() { return true }
                return try await parts.intake.stream.length() > 0
            }, logger: logger)
    }

    /// What the routes stand on; nothing of it runs yet.
    func parts() async throws -> Parts {
        // One connection is the writer's, and one reads the projection, whatever the readers are doing.
        let database = pool("reader", connections: max(1, configuration.database.connections - 2))
        let projection = pool("projection", connections: 1)
        let redis = RedisClient(
            RedisConfiguration(
                socket: configuration.streams.socket, user: configuration.streams.user,
                password: credentials.redisPassword), on: reactor)
        let brand = try await BrandFollower(
            store: ProjectionStore(database: projection), clock: clock, logger: logger)
        let gate = IntakeGate(
            stream: EventStream(client: redis, brand: configuration.slug), limit: { brand.streamLimit },
            watching: configuration.watchedDirectories)
        let quota = EventQuota(
            database: projection, allowance: { brand.allowance }, waiting: { gate.waiting }, clock: clock,
            logger: logger)
        let intake = Intake(gate: gate, quota: quota)
        let writing = WriterDatabase(
            configuration: databaseConfiguration("writer"), reactor: reactor,
            generation: configuration.generation)
        let catalogue = (
            products: Products(database: writing, reader: database, settings: { brand.settings }),
            inventory: Inventory(database: writing, reader: database)
        )
        let imports = Imports(
            .init(
                intake: (intake.events, intake.commits), database: database, catalogue: catalogue,
                directory: try importDirectory(), clock: clock), logger: logger)
        let refolds = Refolds(
            database: database, writer: writing, settings: { brand.settings }, clock: clock, logger: logger)
        let uses = KeyUses(store: KeyUseStore(database: database), clock: clock, logger: logger)
        return Parts(
            intake: intake, writing: writing, catalogue: catalogue, imports: imports, refolds: refolds,
            brand: brand, uses: uses, database: database, projection: projection, redis: redis)
    }

    private func pool(_ purpose: String, connections: Int) -> PostgresPool {
        PostgresPool(
            databaseConfiguration(purpose), maximum: connections, reactor: reactor, logger: logger)
    }

    /// Closes the connections that the other services share, after these have stopped; and before that the
    /// ones that have not been needed for a while, since hundreds of brands share the server.
    private struct Connections: Service {
        static let period = Duration.seconds(60)

        let pools: [PostgresPool]
        let redis: RedisClient

        func run() async throws {
            await cancelWhenGracefulShutdown {
                while (try? await Task.sleep(for: Connections.period)) != nil {
                    for pool in pools { await pool.closeUnneeded() }
                }
            }
            for pool in pools { await pool.close() }
            await redis.close()
        }
    }

    /// What events pass through between the door and the writer.
    struct Intake {
        let stream: EventStream
        let gate: IntakeGate
        let arrivals = Arrivals()
        let commits = CommitWatch()
        let events: Events

        init(gate: IntakeGate, quota: EventQuota) {
            self.gate = gate
            stream = gate.stream
            events = Events(stream: stream, gate: gate, arrivals: arrivals, quota: quota)
        }
    }

    /// What has been put together.
    struct Parts {
        let intake: Intake
        /// The one connection that commits under the writer lease.
        let writing: WriterDatabase
        let catalogue: (products: Products, inventory: Inventory)
        let imports: Imports
        let refolds: Refolds
        let brand: BrandFollower
        let uses: KeyUses
        let database: PostgresPool
        let projection: PostgresPool
        let redis: RedisClient
    }

    private func writer(_ parts: Parts) -> EventWriter {
        let (intake, brand) = (parts.intake, parts.brand)
        return EventWriter(
            intake: (intake.stream, intake.gate, intake.arrivals, intake.events.quota),
            commits: intake.commits, database: parts.writing,
            projectors: Instance.projectors(settings: { brand.settings }), logger: logger)
    }

    /// What a batch passes through, in order: each works on what those before it have found.
    static func projectors(settings: @escaping @Sendable () -> BrandSettings) -> [any Projector] {
        [EventKeyProjector(), IdentityProjector(settings: settings)] + followers(settings: settings)
    }

    /// What follows when identity has changed its mind, for a batch or by a decision.
    static func followers(settings: @escaping @Sendable () -> BrandSettings) -> [any Projector] {
        [
            RawEventProjector(), ProfileProjector(), OrderProjector(settings: settings),
            MergeHistoryProjector(),
        ]
    }

    /// All routes of the instance.
    func router(_ parts: Parts) -> WebRouter {
        let router = WebRouter(context: WebContext.self)
        router.add(middleware: HTTPMetrics(factory: metrics))
        router.add(
            middleware: FaultMiddleware(clock: clock, logger: logger) { error, doing in
                error is PostgresError ? Fault.database(error, doing: doing) : nil
            })
        MetricsRoute(
            registry: metrics, gate: parts.intake.gate,
            pools: [("reader", parts.database), ("projection", parts.projection)]
        ).add(to: router)
        addDocuments(to: router)
        let browsers = BrowserAccess(brand: parts.brand, clock: clock)
        browsers.add(to: router)
        let limits = KeyLimits(clock: clock)
        let keys = KeyAuthentication(
            slug: configuration.slug, brand: parts.brand, limits: limits, uses: parts.uses,
            browsers: browsers, clock: clock)
        let authentication = Authentication(
            slug: configuration.slug, brand: parts.brand, tokenKeys: credentials.tokenKeys, keys: keys,
            clock: clock)
        let api = router.group("api").add(middleware: authentication)
        let profiles = ProfileListStore(database: parts.database)
        let acceptance = EventAcceptance(
            events: parts.intake.events, keys: (parts.brand, limits), clock: clock)
        addEvents(acceptance, parts, profiles, to: api)
        SegmentRoutes(acceptance: acceptance).add(
            to: router.group("v1").add(middleware: SegmentProblems()).add(middleware: authentication))
        ProfileRoutes(profiles: profiles, brand: parts.brand).add(to: api)
        MonitoringRoutes(
            database: parts.database, stream: parts.intake.stream, gate: parts.intake.gate,
            brand: parts.brand
        ).add(to: api)
        addImports(parts, to: api)
        let decisions = Decisions(
            database: parts.writing, reader: parts.database,
            projectors: Instance.followers { parts.brand.settings }, settings: { parts.brand.settings })
        DecisionRoutes(
            decisions: decisions, identifiers: IdentifierListStore(database: parts.database),
            profiles: profiles, brand: parts.brand
        ).add(to: api)
        ReviewRoutes(queue: ReviewQueue(database: parts.writing), decisions: decisions).add(to: api)
        RefoldRoutes(refolds: parts.refolds, slug: configuration.slug).add(to: api)
        addOrders(parts, to: api)
        addStreams(parts, to: api)
        return router
    }

    private func addImports(_ parts: Parts, to api: RouterGroup<WebContext>) {
        ImportRoutes(
            imports: parts.imports, operations: OperationStore(database: parts.database),
            rejections: RejectionStore(database: parts.database), brand: parts.brand
        ).add(to: api)
        UploadRoutes(uploads: parts.imports.uploads).add(to: api)
    }

    private func addOrders(_ parts: Parts, to api: RouterGroup<WebContext>) {
        UsageRoutes(quota: parts.intake.events.quota, clock: clock).add(to: api)
        EventTypeRoutes().add(to: api)
        OrderRoutes(orders: OrderListStore(database: parts.database)).add(to: api)
        RateRoutes(
            rates: Rates(
                database: parts.writing, reader: parts.database, settings: { parts.brand.settings })
        ).add(to: api)
        ProductRoutes(products: parts.catalogue.products, clock: clock).add(to: api)
        InventoryRoutes(inventory: parts.catalogue.inventory, clock: clock).add(to: api)
    }

    private func addEvents(
        _ acceptance: EventAcceptance, _ parts: Parts, _ profiles: ProfileListStore,
        to api: RouterGroup<WebContext>
    ) {
        EventRoutes(
            acceptance: acceptance, commits: parts.intake.commits,
            stored: EventListStore(database: parts.database), profiles: profiles
        ).add(to: api)
        EventFeedRoutes(
            feed: EventFeedStore(database: parts.database), brand: parts.brand, clock: clock
        ).add(to: api)
    }

    /// What is served to everybody as it is.
    private func addDocuments(to router: WebRouter) {
        router.get("api/openapi.yaml") { _, _ in WebResponse.yaml(PackageResources.openapi_yaml) }
        TrackerRoute().add(to: router)
    }

    private func addStreams(_ parts: Parts, to api: RouterGroup<WebContext>) {
        let intake = parts.intake
        let letters = DeadLetters(
            stream: intake.stream, gate: intake.gate, arrivals: intake.arrivals, clock: clock)
        DeadLetterRoutes(letters: letters).add(to: api)
        StreamRoutes(
            stream: intake.stream, gate: intake.gate, letters: letters,
            operations: OperationStore(database: parts.database)
        ).add(to: api)
    }

    private func databaseConfiguration(_ purpose: String) -> PostgresConfiguration {
        PostgresConfiguration(
            host: configuration.database.host, port: configuration.database.port,
            database: configuration.database.database, user: configuration.database.role,
            password: credentials.postgresPassword, applicationName: "constintel-instance \(purpose)")
    }

    /// The socket that the service manager holds open, if it passed one; otherwise a path of our own.
    private func listener() -> WebServer.Listener {
        let environment = ProcessInfo.processInfo.environment
        let isForUs = environment["LISTEN_PID"] == String(ProcessInfo.processInfo.processIdentifier)
        if isForUs, environment["LISTEN_FDS"] == "1" { return .inherited(3) }
        return .path(configuration.socket, mode: 0o660)
    }

    private func importDirectory() throws -> String {
        let path = configuration.directory + "/imports"
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw Fault(.unavailable, doing: "make the directory \(path)", "it cannot be made", cause: error)
        }
        return path
    }
}
