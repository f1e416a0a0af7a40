import Backup
import Contract
import Kernel
import Logging
import Postgres
import Redis
import Supervision
import Web
import Workflow

extension ControlPlane {
    /// What the control plane stands on.
    struct Foundations: Sendable {
        var control: PostgresPool
        var brands: PostgresPool
        /// The brands' database for what holds a connection for long: backups, drills and restores; `brands`
        /// when nil.
        var archives: PostgresPool?
        var redis: RedisClient
        var supervisor: any Supervisor
        var keys: PlatformKeys
        var layout: StateLayout
        var places: Places
        /// The plans as they are installed.
        var plans: [Plan] = []
        var clock: any WallClock = SystemWallClock()
        var saga = SagaExecutor.Settings()
        /// Whether the daemon runs jobs by itself when they are due; else timers of the service manager do.
        var runsJobs = true
        /// What all parts of the control plane record into.
        var metrics = MetricsRegistry()
        var logger: Logger
    }

    /// Where this installation's parts are, for its instances and its users.
    struct Places: Sendable {
        /// The edge's base URL, such as `http://127.0.0.1:8080`.
        var edge: String
        /// The path of `constintel-instance`.
        var instanceExecutable: String
        /// The socket directory or host, and the port, of the brands' PostgreSQL cluster.
        var postgresHost: String
        var postgresPort: Int
        /// The brands' database there.
        var brandsDatabase: String
        /// The path of Redis's socket.
        var redisSocket: String
        /// Directories whose file systems must not fill up.
        var watchedDirectories: [String]
        /// The one of PostgreSQL; nil where that is not on this machine.
        var databaseDirectory: String?
        /// Whether instances are units of systemd: it holds their sockets, gives them their credentials,
        /// keeps to their limits, and its timers run the jobs.
        var isUnderSystemd = false
        /// Where backups are kept; below the state directory when nil.
        var backups: BackupRepository.Settings?
        /// What the installation is for.
        var environment = InstallationEnvironment.production
    }
}
