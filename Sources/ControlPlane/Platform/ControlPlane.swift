import Contract
import CoreMetrics
import Glibc
import Kernel
import Logging
import Postgres
import Redis
import Sealing
import ServiceLifecycle
import Supervision
import Web
import Workflow

/// The control plane, put together: what it stands on goes in, its services and routers come out.
struct ControlPlane: Sendable {
    private let foundations: Foundations
    private let brandRoutes: BrandRoutes
    private let lifecycleRoutes: LifecycleRoutes
    private let keyRoutes: KeyRoutes
    private let userRoutes: UserRoutes
    private let operationRoutes: OperationRoutes
    private let streams = EventStreams()
    private let jobRoutes: JobRoutes
    private let planRoutes: PlanRoutes
    private let metricsRoutes: BrandMetricsRoutes
    private let platformRoutes: PlatformRoutes
    private let platformKeyRoutes: PlatformKeyRoutes
    private let sessions: Sessions
    private let idempotency: IdempotencyStore
    private let audit: Audit
    let executor: SagaExecutor
    let lifecycle: Lifecycle
    /// Every kind of operation that there is.
    let sagas: [Saga]
    let provisioning: Saga
    let reconciler: Reconciler
    let jobs: Jobs
    let keyRotation: KeyRotation

    /// Puts the parts together; nothing runs yet.
    init(_ foundations: Foundations) {
        let (control, clock, logger) = (foundations.control, foundations.clock, foundations.logger)
        let brandStore = BrandStore(pool: control, clock: clock)
        let instances = ControlPlane.instances(foundations)
        let streamUsers = StreamUsers(client: foundations.redis, logger: logger)
        self.foundations = foundations
        provisioning = Provisioning(
            brands: brandStore, instances: instances, streamUsers: streamUsers,
            keys: foundations.keys
        ).saga
        let operations = OperationStore(pool: control, clock: clock)
        let intents = BrandIntentStore(pool: control, clock: clock)
        let (users, passwords) = (UserStore(pool: control, clock: clock), PasswordWorker())
        idempotency = IdempotencyStore(pool: control, clock: clock, hashKey: foundations.keys.requestHashKey)
        audit = Audit(store: AuditStore(pool: control), clock: clock, logger: logger)
        let lifecycleSagas = LifecycleSagas(intents: intents, instances: instances)
        let purging = Purging(intents: intents, instances: instances, streamUsers: streamUsers)
        sagas = [provisioning] + lifecycleSagas.all + [purging.saga]
        reconciler = withMetricsFactory(foundations.metrics) {
            Reconciler(
                instances: instances, streamUsers: streamUsers, clock: clock,
                pauses: foundations.saga.clock, logger: logger)
        }
        executor = SagaExecutor(
            sagas: sagas, pool: control, clock: clock,
            settings: reconciler.makingWay(in: foundations.saga), logger: logger)
        let changes = Changes(idempotency: idempotency, executor: executor)
        let brands = Brands(
            store: brandStore, operations: operations, provisioning: provisioning, reconciler: reconciler,
            installed: instances.releases, supervisor: foundations.supervisor, clock: clock)
        brandRoutes = BrandRoutes(brands: brands, changes: changes)
        let usage = Usage(
            brands: brands, store: UsageStore(pool: control), tenants: instances.tenants,
            plans: PlanStore(pool: control), clock: clock)
        planRoutes = ControlPlane.planRoutes(foundations, usage, reconciler, changes)
        lifecycle = Lifecycle(
            intents: intents, operations: operations, executor: executor, sagas: lifecycleSagas,
            purging: purging, releases: instances.releases, usage: usage,
            settings: SettingsStore(pool: control), clock: clock)
        lifecycleRoutes = LifecycleRoutes(lifecycle: lifecycle, changes: changes, clock: clock)
        let tokens = RefreshTokenStore(pool: control, clock: clock)
        let metrics = ControlPlane.metrics(foundations)
        jobs = Jobs(
            all: Job.all(instances, lifecycle, idempotency, tokens, metrics, logger: logger),
            store: JobStore(pool: control), clock: clock, logger: logger)
        jobRoutes = JobRoutes(jobs: jobs, changes: changes)
        metricsRoutes = BrandMetricsRoutes(
            daily: metrics.0, markets: metrics.1, brands: brands, jobs: jobs.store, changes: changes)
        keyRoutes = KeyRoutes(
            brands: brands, keys: ControlPlane.keys(foundations, instances), changes: changes)
        userRoutes = UserRoutes(users: Users(store: users, passwords: passwords), changes: changes)
        operationRoutes = ControlPlane.operationRoutes(foundations, operations, changes, streams)
        platformRoutes = ControlPlane.platformRoutes(foundations)
        keyRotation = ControlPlane.keyRotation(foundations, instances)
        platformKeyRoutes = PlatformKeyRoutes(rotation: keyRotation, changes: changes)
        sessions = ControlPlane.sessions(
            foundations, users: users, tokens: tokens, brands: brandStore, passwords: passwords)
    }

    private static func sessions(
        _ foundations: Foundations, users: UserStore, tokens: RefreshTokenStore, brands: BrandStore,
        passwords: PasswordWorker
    ) -> Sessions {
        Sessions(
            users: users, tokens: tokens, brands: brands, passwords: passwords,
            throttle: LoginThrottle(clock: foundations.clock), keys: foundations.keys,
            edge: foundations.places.edge, clock: foundations.clock, logger: foundations.logger)
    }

    private static func planRoutes(
        _ foundations: Foundations, _ usage: Usage, _ reconciler: Reconciler, _ changes: Changes
    ) -> PlanRoutes {
        PlanRoutes(
            plans: Plans(store: usage.plans, installed: foundations.plans, reconciler: reconciler),
            usage: usage, changes: changes)
    }

    private static func keyRotation(_ foundations: Foundations, _ instances: Instances) -> KeyRotation {
        KeyRotation(
            keys: foundations.keys, store: SealedStore(pool: foundations.control), instances: instances,
            clock: foundations.clock, logger: foundations.logger)
    }

    private static func platformRoutes(_ foundations: Foundations) -> PlatformRoutes {
        PlatformRoutes(
            edge: foundations.places.edge, supervisor: foundations.supervisor,
            control: ProbeStore(pool: foundations.control), brands: ProbeStore(pool: foundations.brands),
            redis: foundations.redis)
    }

    private static func keys(_ foundations: Foundations, _ instances: Instances) -> Keys {
        Keys(
            store: KeyStore(pool: foundations.control, clock: foundations.clock), instances: instances,
            clock: foundations.clock, logger: foundations.logger)
    }

    private static func metrics(_ foundations: Foundations) -> (DailyMetrics, Markets) {
        let (control, clock) = (foundations.control, foundations.clock)
        let daily = DailyMetrics(
            days: BrandDayStore(pool: foundations.brands, clock: clock),
            store: BrandMetricsStore(pool: control, clock: clock), logger: foundations.logger)
        return (daily, Markets(store: MarketStore(pool: control), clock: clock))
    }

    private static func operationRoutes(
        _ foundations: Foundations, _ store: OperationStore, _ changes: Changes, _ streams: EventStreams
    ) -> OperationRoutes {
        let steps = StepStore(pool: foundations.control)
        return OperationRoutes(
            operations: Operations(store: store, steps: steps, pauses: foundations.saga.clock),
            changes: changes, streams: streams)
    }

    /// The directory itself where `path` leads to another: an instance may see that and not the way to it.
    private static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }

    private static func instances(_ foundations: Foundations) -> Instances {
        Instances(
            store: InstanceStore(pool: foundations.control, clock: foundations.clock),
            tenants: TenantStore(pool: foundations.brands, clock: foundations.clock),
            files: InstanceFiles(
                layout: foundations.layout, places: foundations.places, keys: foundations.keys),
            supervisor: foundations.supervisor,
            releases: Releases(
                directory: resolved(foundations.layout.releases),
                ownExecutable: foundations.places.instanceExecutable))
    }
}

extension ControlPlane {
    /// Everything that lives as long as the daemon, in the order of starting.
    ///
    /// Each has a name of its own: the group would otherwise describe a service by everything in it.
    var services: [ServiceGroupConfiguration.ServiceConfiguration] {
        let layout = foundations.layout
        let logger = foundations.logger
        let edge = WebServer(
            router: router(tokenAuthentication), listener: .path(layout.controlSocket, mode: 0o660),
            logger: logger)
        let local = WebServer(
            router: router(.local), listener: .path(layout.operatorSocket, mode: 0o600), logger: logger)
        let streams = StreamWatch(
            supervisor: foundations.supervisor, redis: foundations.redis, clock: foundations.saga.clock,
            logger: logger)
        return [
            .init(service: Loop { try await executor.run() }, serviceName: "executor"),
            .init(service: Loop { try await reconciler.run() }, serviceName: "reconciler"),
            .init(service: Loop { try await runJobs() }, serviceName: "jobs"),
            .init(service: Loop { try await streams.run() }, serviceName: "streams"),
            .init(
                service: Loop { try await keyRotation.run(pausing: foundations.saga.clock) },
                serviceName: "keys"),
            .init(service: edge, serviceName: "edge listener"),
            .init(service: local, serviceName: "operator listener"),
        ]
    }

    /// Users on the edge's listener prove who they are by an access token.
    var tokenAuthentication: Authentication {
        .token(foundations.keys, sessions.users, foundations.clock)
    }

    /// All routes of the control plane for one listener.
    func router(_ authentication: Authentication) -> WebRouter {
        let router = WebRouter(context: WebContext.self)
        router.add(middleware: HTTPMetrics(factory: foundations.metrics))
        let faults = FaultMiddleware(clock: foundations.clock, logger: foundations.logger) { error, doing in
            error is PostgresError ? Fault.database(error, doing: doing) : nil
        }
        router.add(middleware: faults)
        platformRoutes.addProbes(to: router)
        metricsRoute.add(to: router, authentication: authentication)
        let recording = AuditMiddleware(audit: audit, authentication: authentication, faults: faults)
        SessionRoutes(sessions: sessions, authentication: authentication, recording: recording).add(
            to: router)
        let admin = router.group("api/admin")
            .add(middleware: AuthenticationMiddleware(authentication: authentication, audit: audit))
            .add(middleware: recording)
        platformRoutes.add(to: admin)
        platformKeyRoutes.add(to: admin)
        brandRoutes.add(to: admin)
        lifecycleRoutes.add(to: admin)
        SettingsRoutes(lifecycle: lifecycle, changes: lifecycleRoutes.changes).add(to: admin)
        keyRoutes.add(to: admin)
        userRoutes.add(to: admin)
        operationRoutes.add(to: admin)
        let instances = ControlPlane.instances(foundations)
        LogRoutes(brands: brandRoutes.brands, instances: instances, streams: streams).add(to: admin)
        jobRoutes.add(to: admin)
        planRoutes.add(to: admin)
        metricsRoutes.add(to: admin)
        AuditRoutes(audit: audit).add(to: admin)
        return router
    }

    private var metricsRoute: MetricsRoute {
        MetricsRoute(
            registry: foundations.metrics, supervisor: foundations.supervisor,
            scrape: InstanceScrape(layout: foundations.layout), fleet: FleetStore(pool: foundations.control),
            pools: [("control", foundations.control), ("brands", foundations.brands)])
    }

    /// Runs the jobs that are due, where no timers of a service manager do.
    private func runJobs() async throws {
        while foundations.runsJobs {
            do {
                try await jobs.runDue()
            } catch {
                try Task.checkCancellation()
                foundations.logger.warning("could not run the jobs that are due: \(error)")
            }
            try await foundations.saga.clock.sleep(for: Jobs.period)
        }
        try await gracefulShutdown()
    }
}
