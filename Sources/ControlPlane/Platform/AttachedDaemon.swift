import Contract
import Foundation
import Kernel
import Logging
import Postgres
import Reactor
import Redis
import ServiceLifecycle
import Supervision
import Web
import Workflow

/// The control plane over a PostgreSQL and a Redis that others run.
///
/// Several may be started with the same settings: one leads, the others stand by and take over when it ends
/// or freezes. Instances are units of systemd, or children of the daemon that started them; either way they
/// go on when it ends, and the next leader finds them.
package struct AttachedDaemon: Sendable {
    /// What a start is told, as a JSON file has it.
    package struct Settings: Codable, Sendable {
        /// The PostgreSQL cluster of both databases.
        package struct Postgres: Codable, Sendable {
            /// A host name, an address, or the directory of a Unix socket.
            package var host: String
            /// 5432 when absent.
            package var port: Int?
            /// Who may make databases and roles.
            package var user: String
            package var passwordFile: String?
            /// `constintel_control` and `constintel_brands` when absent.
            package var controlDatabase: String?
            package var brandsDatabase: String?
        }

        /// Who runs the instances.
        package enum Supervising: String, Codable, Sendable {
            /// The daemon itself, as child processes.
            case children
            /// systemd, by the installed templates `constintel-instance@.socket` and `.service`; jobs are run
            /// by its timers.
            case systemd
        }

        /// Redis, on a Unix socket.
        package struct Redis: Codable, Sendable {
            package var socket: String
            /// Redis's default user when absent.
            package var user: String?
            package var passwordFile: String?
        }

        /// Secrets, instances' files, sockets and logs: the same directory for all daemons.
        package var state: String
        /// The edge's base URL, for people.
        package var edge: String
        package var templates: String
        /// The path of `constintel-instance`.
        package var instanceExecutable: String
        package var postgres: Postgres
        package var redis: Redis
        /// `production` when absent.
        package var environment: InstallationEnvironment?
        /// `children` when absent.
        package var supervisor: Supervising?
        /// Directories whose file systems must not fill up: PostgreSQL's and Redis's.
        package var watchedDirectories: [String]?
        /// The one of PostgreSQL, where that is on this machine: what is restored must have room there.
        package var databaseDirectory: String?
        /// Where backups are kept; in `backups` of the state directory when absent.
        package var backups: BackupPlace?
        /// After so long without a sign of life the lead is somebody else's; 10 when absent, at least 1.
        package var leadSeconds: Int?

        /// Reads the file at `path`.
        ///
        /// - Throws: a fault that names what is missing or wrong in it.
        package init(path: String) throws(Fault) {
            let doing = "read the configuration \(path)"
            guard let data = FileManager.default.contents(atPath: path) else {
                throw Fault(.notFound, doing: doing, "there is no such file that can be read")
            }
            do {
                self = try JSONDecoder().decode(Settings.self, from: data)
            } catch let error as DecodingError {
                throw Fault(decoding: error, doing: doing)
            } catch {
                throw Fault(.invalid, doing: doing, "it is not the expected JSON", cause: error)
            }
            guard (leadSeconds ?? 10) >= 1 else {
                throw Fault(.invalid, doing: doing, "expected at least 1", field: "leadSeconds")
            }
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

    /// Stands by until it leads, then serves until SIGTERM or SIGINT. A daemon that loses the lead ends at
    /// once, by itself.
    package func run() async throws {
        let ground = try ground()
        for directory in [ground.layout.root, ground.layout.run, ground.layout.logs] {
            try PrivateFile.makeDirectory(directory)
        }
        let group = ServiceGroup(
            services: [], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        await group.addServiceUnlessShutdown(
            .init(
                service: AttachedStart(
                    reign: Reign(ground: ground), group: group,
                    supervising: settings.supervisor ?? .children),
                successTerminationBehavior: .gracefullyShutdownGroup,
                failureTerminationBehavior: .gracefullyShutdownGroup, serviceName: "start"))
        try await group.run()
        logger.info("stopped")
    }

    private func ground() throws -> Ground {
        let postgres = settings.postgres
        let administrator = PostgresConfiguration(
            host: postgres.host, port: postgres.port ?? 5432, database: "postgres", user: postgres.user,
            password: try password(postgres.passwordFile), applicationName: "constinteld")
        let brands = postgres.brandsDatabase ?? SchemaStore.brandsDatabase
        var leadership = Leadership.Settings()
        if let seconds = settings.leadSeconds {
            leadership.limit = .seconds(seconds)
            leadership.heartbeat = .seconds(seconds) / 5
            leadership.idleTransaction = .seconds(seconds)
        }
        return Ground(
            administrator: administrator,
            controlDatabase: postgres.controlDatabase ?? SchemaStore.controlDatabase,
            redis: RedisConfiguration(
                socket: settings.redis.socket, user: settings.redis.user,
                password: try password(settings.redis.passwordFile)),
            layout: StateLayout(
                root: settings.state, run: "\(settings.state)/run", logs: "\(settings.state)/log"),
            places: ControlPlane.Places(
                edge: settings.edge, instanceExecutable: settings.instanceExecutable,
                postgresHost: administrator.host, postgresPort: administrator.port, brandsDatabase: brands,
                redisSocket: settings.redis.socket, watchedDirectories: settings.watchedDirectories ?? [],
                databaseDirectory: settings.databaseDirectory,
                isUnderSystemd: settings.supervisor == .systemd,
                environment: settings.environment ?? .production),
            backups: settings.backups, templates: settings.templates, leadership: leadership,
            metrics: metrics, logger: logger)
    }

    private func password(_ file: String?) throws(Fault) -> Secret? {
        guard let file else { return nil }
        guard let bytes = try PrivateFile.read(file) else {
            throw Fault(.notFound, doing: "read the password in \(file)", "there is no such file")
        }
        return Secret(String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .newlines))
    }
}

/// Stands by, then leads until the group is shut down.
private struct AttachedStart: Service {
    let reign: Reign
    let group: ServiceGroup
    let supervising: AttachedDaemon.Settings.Supervising

    func run() async throws {
        do {
            let lead = try await cancelWhenGracefulShutdown { try await reign.prepare() }
            let (ground, logger) = (reign.ground, reign.ground.logger)
            // Only who leads has charge of the units: their records are one daemon's at a time.
            try await reign.run(lead, supervisor: supervisor(), in: group) {
                logger.info("serving", metadata: ["state": "\(ground.layout.root)"])
            }
        } catch {
            guard Task.isShuttingDownGracefully else { throw error }
            reign.ground.logger.info("stopped before it led")
        }
    }

    private func supervisor() async throws -> any Supervisor {
        let ground = reign.ground
        switch supervising {
        case .systemd:
            return SystemdSupervisor(
                template: Slug.unitTemplate, bus: SystemdBus(on: ground.reactor, logger: ground.logger),
                journal: Journal(on: Reactor()), logger: ground.logger)
        case .children:
            let supervisor = try ChildProcessSupervisor(directory: ground.layout.run, logger: ground.logger)
            // Ended by cancellation, so that the instances go on.
            await group.addServiceUnlessShutdown(
                .init(service: Loop { try await supervisor.run() }, serviceName: "supervisor"))
            return supervisor
        }
    }
}
