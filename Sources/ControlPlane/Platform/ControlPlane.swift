import Contract
import CoreMetrics
import Glibc
import Kernel
import Logging
import Postgres
import Redis
import ServiceLifecycle
import Supervision
import Web
import Workflow

/// The control plane, put together: what it stands on goes in, its services and routers come out.
struct ControlPlane: Sendable {
    let foundations: Foundations
    let instances: Instances
    let brands: Brands
    let changes: Changes
    let usage: Usage
    let users: Users
    let operations: OperationStore
    let sessions: Sessions
    let idempotency: IdempotencyStore
    let audit: Audit
    let executor: SagaExecutor
    let lifecycle: Lifecycle
    /// Every kind of operation that there is.
    let sagas: [Saga]
    let provisioning: Saga
    let reconciler: Reconciler
    let daily: DailyMetrics
    let markets: Markets
    let jobs: Jobs
    let backups: Backups
    let recovery: PlatformRecovery
    let keyRotation: KeyRotation
    let checks: Checks
    /// What is followed at present, over all listeners.
    let followed = EventStreams()

    /// Puts the parts together; nothing runs yet.
    init(_ foundations: Foundations) {
        self.foundations = foundations
        let (control, clock, logger) = (foundations.control, foundations.clock, foundations.logger)
        let brandStore = BrandStore(pool: control, clock: clock)
        let intents = BrandIntentStore(pool: control, clock: clock)
        instances = ControlPlane.instances(foundations)
        let streamUsers = StreamUsers(client: foundations.redis, logger: logger)
        operations = OperationStore(pool: control, clock: clock)
        idempotency = IdempotencyStore(pool: control, clock: clock, hashKey: foundations.keys.requestHashKey)
        audit = Audit(store: AuditStore(pool: control), clock: clock, logger: logger)
        users = Users(store: UserStore(pool: control, clock: clock), passwords: PasswordWorker())
        let provisioner = Provisioning(
            brands: brandStore, instances: instances, streamUsers: streamUsers, keys: foundations.keys)
        provisioning = provisioner.saga
        let lifecycleSagas = LifecycleSagas(intents: intents, instances: instances)
        let backupSagas = BackupSagas(foundations, provisioner)
        let purging = Purging(
            intents: intents, instances: instances, streamUsers: streamUsers,
            repositories: backupSagas.backingUp.repositories)
        sagas = [provisioning] + lifecycleSagas.all + [purging.saga] + backupSagas.all
        reconciler = ControlPlane.reconciler(foundations, instances, streamUsers)
        executor = SagaExecutor(
            sagas: sagas, pool: control, clock: clock,
            settings: reconciler.makingWay(in: foundations.saga), logger: logger)
        changes = Changes(idempotency: idempotency, executor: executor)
        brands = Brands(
            store: brandStore, operations: operations, provisioning: provisioning, reconciler: reconciler,
            installed: instances.releases, supervisor: foundations.supervisor, clock: clock)
        usage = Usage(
            brands: brands, store: UsageStore(pool: control), tenants: instances.tenants,
            plans: PlanStore(pool: control), clock: clock)
        lifecycle = Lifecycle(
            intents: intents, operations: operations, executor: executor, sagas: lifecycleSagas,
            purging: purging, releases: instances.releases, usage: usage,
            settings: SettingsStore(pool: control), clock: clock)
        backups = backupSagas.backups(intents, operations, executor)
        recovery = backupSagas.recovery(backups)
        let tokens = RefreshTokenStore(pool: control, clock: clock)
        sessions = ControlPlane.sessions(foundations, users, tokens, brandStore)
        (daily, markets) = ControlPlane.metrics(foundations)
        jobs = Jobs(
            all: Job.all(
                instances, lifecycle, idempotency, tokens, (daily, markets), backups, logger: logger),
            store: JobStore(pool: control), clock: clock, logger: logger)
        checks = ControlPlane.checks(foundations, instances, streamUsers, jobs)
        keyRotation = KeyRotation(
            keys: foundations.keys, store: SealedStore(pool: control), instances: instances, clock: clock,
            logger: logger)
    }

    private static func reconciler(
        _ foundations: Foundations, _ instances: Instances, _ streamUsers: StreamUsers
    ) -> Reconciler {
        withMetricsFactory(foundations.metrics) {
            Reconciler(
                instances: instances, streamUsers: streamUsers, clock: foundations.clock,
                pauses: foundations.saga.clock, logger: foundations.logger)
        }
    }

    private static func sessions(
        _ foundations: Foundations, _ users: Users, _ tokens: RefreshTokenStore, _ brands: BrandStore
    ) -> Sessions {
        Sessions(
            users: users.store, tokens: tokens, brands: brands, passwords: users.passwords,
            throttle: LoginThrottle(clock: foundations.clock), keys: foundations.keys,
            edge: foundations.places.edge, clock: foundations.clock, logger: foundations.logger)
    }

    private static func metrics(_ foundations: Foundations) -> (DailyMetrics, Markets) {
        let (control, clock) = (foundations.control, foundations.clock)
        let daily = DailyMetrics(
            days: BrandDayStore(pool: foundations.brands, clock: clock),
            store: BrandMetricsStore(pool: control, clock: clock), logger: foundations.logger)
        return (daily, Markets(store: MarketStore(pool: control), clock: clock))
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
        let runaways = withMetricsFactory(foundations.metrics) {
            RunawayWatch(
                store: RunawayStore(pool: foundations.brands), clock: foundations.saga.clock, logger: logger)
        }
        return [
            .init(service: Loop { try await executor.run() }, serviceName: "executor"),
            .init(service: Loop { try await reconciler.run() }, serviceName: "reconciler"),
            .init(service: Loop { try await runJobs() }, serviceName: "jobs"),
            .init(service: Loop { try await streams.run() }, serviceName: "streams"),
            .init(service: Loop { try await runaways.run() }, serviceName: "runaways"),
            .init(service: Loop { try await foundations.supervisor.tend() }, serviceName: "supervision"),
            .init(
                service: Loop { try await keyRotation.run(pausing: foundations.saga.clock) },
                serviceName: "keys"),
            .init(service: edge, serviceName: "edge listener"),
            .init(service: local, serviceName: "operator listener"),
        ]
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
