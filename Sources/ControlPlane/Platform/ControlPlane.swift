import Contract
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
package struct ControlPlane: Sendable {
    /// What the control plane stands on.
    package struct Foundations: Sendable {
        package var control: PostgresPool
        package var brands: PostgresPool
        package var redis: RedisClient
        package var supervisor: any Supervisor
        package var keys: PlatformKeys
        package var layout: StateLayout
        package var places: Places
        package var clock: any WallClock = SystemWallClock()
        package var saga = SagaExecutor.Settings()
        package var logger: Logger

        package init(
            control: PostgresPool, brands: PostgresPool, redis: RedisClient, supervisor: any Supervisor,
            keys: PlatformKeys, layout: StateLayout, places: Places, logger: Logger
        ) {
            self.control = control
            self.brands = brands
            self.redis = redis
            self.supervisor = supervisor
            self.keys = keys
            self.layout = layout
            self.places = places
            self.logger = logger
        }
    }

    /// Where this installation's parts are, for its instances and its users.
    package struct Places: Sendable {
        /// The edge's base URL, such as `http://127.0.0.1:8080`.
        package var edge: String
        /// The path of `constintel-instance`.
        package var instanceExecutable: String
        /// The socket directory or host, and the port, of the brands' PostgreSQL cluster.
        package var postgresHost: String
        package var postgresPort: Int
        /// The brands' database there.
        package var brandsDatabase: String
        /// The path of Redis's socket.
        package var redisSocket: String
        /// Directories whose file systems must not fill up.
        package var watchedDirectories: [String]

        package init(
            edge: String, instanceExecutable: String, postgresHost: String, postgresPort: Int,
            brandsDatabase: String, redisSocket: String, watchedDirectories: [String]
        ) {
            self.edge = edge
            self.instanceExecutable = instanceExecutable
            self.postgresHost = postgresHost
            self.postgresPort = postgresPort
            self.brandsDatabase = brandsDatabase
            self.redisSocket = redisSocket
            self.watchedDirectories = watchedDirectories
        }
    }

    private let foundations: Foundations
    private let brandRoutes: BrandRoutes
    private let keyRoutes: KeyRoutes
    private let userRoutes: UserRoutes
    private let operationRoutes: OperationRoutes
    private let platformRoutes: PlatformRoutes
    private let sessions: Sessions
    private let idempotency: IdempotencyStore
    let executor: SagaExecutor
    let provisioning: Saga
    let reconciler: Reconciler

    /// Puts the parts together; nothing runs yet.
    package init(_ foundations: Foundations) {
        let (control, clock, logger) = (foundations.control, foundations.clock, foundations.logger)
        let brandStore = BrandStore(pool: control, clock: clock)
        let instances = ControlPlane.instances(foundations)
        let streamUsers = StreamUsers(client: foundations.redis, logger: logger)
        provisioning = Provisioning(
            brands: brandStore, store: instances.store, tenants: instances.tenants, streamUsers: streamUsers,
            instances: instances, sealer: foundations.keys.sealer
        ).saga
        let operations = OperationStore(pool: control, clock: clock)
        let users = UserStore(pool: control, clock: clock)
        let passwords = PasswordWorker()
        self.foundations = foundations
        idempotency = IdempotencyStore(pool: control, clock: clock)
        executor = SagaExecutor(
            sagas: [provisioning], pool: control, clock: clock, settings: foundations.saga, logger: logger)
        reconciler = Reconciler(
            instances: instances, streamUsers: streamUsers, clock: clock, logger: logger)
        let brands = Brands(
            store: brandStore, operations: operations, idempotency: idempotency, executor: executor,
            provisioning: provisioning, supervisor: foundations.supervisor, clock: clock)
        brandRoutes = BrandRoutes(brands: brands)
        keyRoutes = KeyRoutes(
            brands: brands,
            keys: Keys(
                store: KeyStore(pool: control, clock: clock), instances: instances, idempotency: idempotency,
                clock: clock, logger: logger))
        userRoutes = UserRoutes(
            users: Users(store: users, idempotency: idempotency, passwords: passwords))
        operationRoutes = OperationRoutes(
            operations: Operations(store: operations, pauses: foundations.saga.clock))
        platformRoutes = PlatformRoutes(
            edge: foundations.places.edge, supervisor: foundations.supervisor, control: control,
            brands: foundations.brands, redis: foundations.redis)
        sessions = Sessions(
            users: users, tokens: RefreshTokenStore(pool: control, clock: clock), brands: brandStore,
            passwords: passwords, throttle: LoginThrottle(clock: clock), signer: foundations.keys.signer,
            edge: foundations.places.edge, clock: clock, logger: logger)
    }

    private static func instances(_ foundations: Foundations) -> Instances {
        let places = foundations.places
        return Instances(
            store: InstanceStore(pool: foundations.control, clock: foundations.clock),
            tenants: TenantStore(pool: foundations.brands, clock: foundations.clock),
            files: InstanceFiles(
                layout: foundations.layout,
                surroundings: InstanceFiles.Surroundings(
                    postgresHost: places.postgresHost, postgresPort: places.postgresPort,
                    database: places.brandsDatabase, redisSocket: places.redisSocket,
                    watchedDirectories: places.watchedDirectories),
                sealer: foundations.keys.sealer, tokenKeys: foundations.keys.tokenKeys),
            supervisor: foundations.supervisor, executable: places.instanceExecutable)
    }
}

extension ControlPlane {
    /// Everything that lives as long as the daemon, in the order of starting.
    package var services: [any Service] {
        let layout = foundations.layout
        let logger = foundations.logger
        return [
            Loop { try await executor.run() },
            Loop { try await reconciler.run() },
            Loop { try await keepHouse() },
            WebServer(
                router: router(tokenAuthentication), listener: .path(layout.controlSocket, mode: 0o660),
                logger: logger),
            WebServer(
                router: router(.local), listener: .path(layout.operatorSocket, mode: 0o600), logger: logger),
        ]
    }

    /// Users on the edge's listener prove who they are by an access token.
    var tokenAuthentication: Authentication {
        .token(
            TokenVerifier(keys: foundations.keys.tokenKeys, audience: "control"), sessions.users,
            foundations.clock)
    }

    /// All routes of the control plane for one listener.
    func router(_ authentication: Authentication) -> WebRouter {
        let router = WebRouter(context: WebContext.self)
        router.add(middleware: FaultMiddleware(clock: foundations.clock, logger: foundations.logger))
        platformRoutes.addProbes(to: router)
        SessionRoutes(sessions: sessions, authentication: authentication).add(to: router)
        let admin = router.group("api/admin")
            .add(middleware: AuthenticationMiddleware(authentication: authentication))
        platformRoutes.add(to: admin)
        brandRoutes.add(to: admin)
        keyRoutes.add(to: admin)
        userRoutes.add(to: admin)
        operationRoutes.add(to: admin)
        return router
    }

    /// Forgets what has expired, once an hour.
    private func keepHouse() async throws {
        while true {
            do {
                try await idempotency.purge()
                try await sessions.tokens.purge()
            } catch where !Task.isCancelled {
                foundations.logger.warning("could not forget what has expired: \(error)")
            }
            try await foundations.saga.clock.sleep(for: .seconds(3600))
        }
    }
}

/// A loop that ends by being cancelled, as a service that leaves on graceful shutdown.
struct Loop: Service {
    let body: @Sendable () async throws -> Void

    init(_ body: @escaping @Sendable () async throws -> Void) { self.body = body }

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            do { try await body() } catch is CancellationError {}
        }
    }
}
