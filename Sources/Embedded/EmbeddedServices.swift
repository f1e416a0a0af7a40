import Kernel
import Supervision

/// The private PostgreSQL, Redis and nginx of embedded mode, run by a supervisor.
///
/// The caller holds the state directory's lock meanwhile.
public struct EmbeddedServices: Sendable {
    /// How to reach the stores as their owner.
    public struct Connections: Sendable {
        /// PostgreSQL; the database `postgres` exists.
        public struct Postgres: Sendable {
            /// Its socket directory.
            public let host: String
            /// Its superuser.
            public let user: String
            public let password: Secret
        }

        /// Redis: `user` may do everything.
        public struct Redis: Sendable {
            public let socket: String
            public let user: String
            public let password: Secret
        }

        /// The cluster of both planes.
        public let postgres: Postgres
        /// The streams, caches and locks.
        public let redis: Redis
    }

    private let postgres: PostgresServer
    private let redis: RedisServer
    private let edge: EdgeServer
    private let servant: Servant

    /// Services over `state`, with the edge on `edge`, configured from the folder `templates`.
    public init(state: StateDirectory, edge: EdgeAddress, templates: String) {
        self.init(state: state, edge: edge, templates: templates, servant: [])
    }

    /// The same, with the servers run through the command `servant`.
    package init(state: StateDirectory, edge: EdgeAddress, templates: String, servant: [String]) {
        let templates = Templates(directory: templates)
        let servant = Servant(command: servant)
        postgres = PostgresServer(state: state, templates: templates, servant: servant)
        redis = RedisServer(state: state, templates: templates, servant: servant)
        self.edge = EdgeServer(state: state, address: edge, templates: templates, servant: servant)
        self.servant = servant
    }

    /// Starts all three, or finds them running, and returns when they serve. Throws `Fault`.
    public func start(under supervisor: some Supervisor) async throws -> Connections {
        let connections = try await startStores(under: supervisor)
        try await startEdge(under: supervisor)
        return connections
    }

    /// Starts PostgreSQL and Redis, making the cluster the first time.
    public func startStores(under supervisor: some Supervisor) async throws -> Connections {
        try servant.refuseRoot()
        let redisPassword = try redis.state.secret("redis-password")
        try await supervisor.start(try redis.unit(password: redisPassword))
        let postgresPassword = try await postgres.prepare()
        try await supervisor.start(try postgres.unit())
        try await supervisor.awaitReady("postgres")
        try await supervisor.awaitReady("redis")
        return Connections(
            postgres: .init(
                host: postgres.state.run, user: PostgresServer.superuser, password: postgresPassword),
            redis: .init(socket: redis.state.redisSocket, user: RedisServer.user, password: redisPassword))
    }

    /// Starts nginx. Throws `Fault.conflict` that names the address when it is somebody else's.
    public func startEdge(under supervisor: some Supervisor) async throws {
        try servant.refuseRoot()
        try await supervisor.start(try edge.unit())
        try await supervisor.awaitReady("nginx")
    }
}
