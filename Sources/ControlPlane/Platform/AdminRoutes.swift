import Hummingbird
import Kernel
import Postgres
import Web
import Workflow

/// What answers below `/api/admin`.
protocol AdminRoutes: Sendable {
    func add(to admin: RouterGroup<WebContext>)
}

extension AuditRoutes: AdminRoutes {}
extension BackupRoutes: AdminRoutes {}
extension ControlBackupRoutes: AdminRoutes {}
extension BrandMetricsRoutes: AdminRoutes {}
extension BrandRoutes: AdminRoutes {}
extension CheckRoutes: AdminRoutes {}
extension ClearingRoutes: AdminRoutes {}
extension JobRoutes: AdminRoutes {}
extension KeyRoutes: AdminRoutes {}
extension LifecycleRoutes: AdminRoutes {}
extension LogRoutes: AdminRoutes {}
extension OperationRoutes: AdminRoutes {}
extension PlanRoutes: AdminRoutes {}
extension PlatformKeyRoutes: AdminRoutes {}
extension PlatformRoutes: AdminRoutes {}
extension SettingsRoutes: AdminRoutes {}
extension UserRoutes: AdminRoutes {}

extension ControlPlane {
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
        for routes in adminRoutes { routes.add(to: admin) }
        return router
    }

    private var adminRoutes: [any AdminRoutes] {
        let (control, clock) = (foundations.control, foundations.clock)
        let keys = Keys(
            store: KeyStore(pool: control, clock: clock), instances: instances, clock: clock,
            logger: foundations.logger)
        let plans = Plans(store: usage.plans, installed: foundations.plans, reconciler: reconciler)
        let shown = Operations(
            store: operations, steps: StepStore(pool: control), pauses: foundations.saga.clock)
        return [
            platformRoutes, CheckRoutes(checks: checks),
            PlatformKeyRoutes(rotation: keyRotation, changes: changes),
            BrandRoutes(brands: brands, changes: changes),
            LifecycleRoutes(lifecycle: lifecycle, changes: changes, clock: clock),
            BackupRoutes(backups: backups, brands: brands, changes: changes),
            ControlBackupRoutes(backups: backups, recovery: recovery, changes: changes),
            SettingsRoutes(lifecycle: lifecycle, changes: changes),
            PlanRoutes(plans: plans, usage: usage, changes: changes),
            KeyRoutes(brands: brands, keys: keys, changes: changes),
            UserRoutes(users: users, changes: changes),
            OperationRoutes(operations: shown, changes: changes, streams: followed),
            LogRoutes(brands: brands, instances: instances, streams: followed),
            JobRoutes(jobs: jobs, changes: changes),
            BrandMetricsRoutes(
                daily: daily, markets: markets, brands: brands, jobs: jobs.store, changes: changes),
            ClearingRoutes(
                clearing: Clearing(
                    environment: foundations.places.environment, brands: brands, lifecycle: lifecycle),
                changes: changes),
            AuditRoutes(audit: audit),
        ]
    }

    private var platformRoutes: PlatformRoutes {
        PlatformRoutes(
            environment: foundations.places.environment, edge: foundations.places.edge,
            supervisor: foundations.supervisor,
            control: ProbeStore(pool: foundations.control), brands: ProbeStore(pool: foundations.brands),
            redis: foundations.redis)
    }

    private var metricsRoute: MetricsRoute {
        MetricsRoute(
            registry: foundations.metrics, supervisor: foundations.supervisor,
            scrape: InstanceScrape(layout: foundations.layout), fleet: FleetStore(pool: foundations.control),
            backups: BackupFactsStore(pool: foundations.control), clock: foundations.clock,
            pools: [("control", foundations.control), ("brands", foundations.brands)])
    }
}
