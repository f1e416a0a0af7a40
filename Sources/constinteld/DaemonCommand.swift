import ArgumentParser
import ControlPlane
import CoreMetrics
import Foundation
import Kernel
import Logging
import Web

/// The control plane's daemon.
@main
struct DaemonCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "constinteld",
        abstract: "Run the ConstIntel service.",
        discussion: """
            With --embedded it runs its own PostgreSQL, Redis and nginx under one state directory:

              constinteld --embedded --state /var/lib/constintel --edge 127.0.0.1:8080

            Backups are kept below it, or in $CONSTINTEL_BACKUPS, which is a directory or a place that \
            restic knows (runbooks/backups.md).

            With --attached it uses the PostgreSQL and the Redis that a JSON file names. Several may run: \
            one leads, the others stand by to take over when it ends or freezes. Instances outlive it.

              constinteld --attached --config /etc/constintel/constinteld.json

              {"state": "/var/lib/constintel", "edge": "https://shop.example.com",
               "templates": "/usr/share/constintel/templates",
               "instanceExecutable": "/usr/lib/constintel/constintel-instance",
               "postgres": {"host": "/run/postgresql", "user": "constintel", "passwordFile": "/…"},
               "redis": {"socket": "/run/redis/redis.sock", "user": "constintel", "passwordFile": "/…"},
               "supervisor": "systemd"}

            With "supervisor": "systemd" brands are units that sleep until somebody asks, by the templates \
            that infra/setup-production.sh installs; without it they are child processes.

            It serves until SIGTERM or Ctrl-C, and then stops what it started, but for instances when it \
            is attached. 'constintel', run by the same user, finds it by its state directory.
            """,
        version: Release.current)

    @Flag(help: "Run private PostgreSQL, Redis and nginx as child processes.")
    var embedded = false

    @Flag(help: "Use a PostgreSQL and a Redis that others run.")
    var attached = false

    @Option(help: "With --attached: the JSON file that says where everything is.")
    var config: String?

    @Option(help: "The state directory. Default: $CONSTINTEL_HOME, or the user's own state directory.")
    var state: String?

    @Option(help: "Where the edge listens, host:port. Default: $CONSTINTEL_EDGE, or 127.0.0.1:8080.")
    var edge: String?

    @Option(help: "The folder with templates. Default: $CONSTINTEL_TEMPLATES, or 'templates' here.")
    var templates: String?

    @Option(help: "The program that serves one brand. Default: constintel-instance beside this program.")
    var instanceExecutable: String?

    func validate() throws {
        guard embedded != attached else { throw ValidationError("Say either --embedded or --attached.") }
        guard attached == (config != nil) else {
            throw ValidationError("--attached needs --config, and --embedded has none.")
        }
    }

    func run() async throws {
        StructuredLogHandler.bootstrap()
        let metrics = MetricsRegistry()
        MetricsSystem.bootstrap(metrics)
        do {
            let logger = Logger(label: "constinteld")
            if let config {
                let settings = try AttachedDaemon.Settings(path: absolute(config))
                try await AttachedDaemon(settings, metrics: metrics, logger: logger).run()
            } else {
                try await EmbeddedDaemon(settings(), metrics: metrics, logger: logger).run()
            }
        } catch let fault as Fault {
            FileHandle.standardError.write(Data("constinteld: \(fault)\n".utf8))
            throw ExitCode.failure
        }
    }

    private func settings() throws -> EmbeddedDaemon.Settings {
        let environment = ProcessInfo.processInfo.environment
        let home = environment["XDG_STATE_HOME"] ?? "\(NSHomeDirectory())/.local/state"
        let ownState = getuid() == 0 ? "/var/lib/constintel" : "\(home)/constintel"
        let beside = (try Self.executable() as NSString).deletingLastPathComponent
        var settings = EmbeddedDaemon.Settings(
            state: absolute(state ?? environment["CONSTINTEL_HOME"] ?? ownState),
            edge: edge ?? environment["CONSTINTEL_EDGE"] ?? "127.0.0.1:8080",
            templates: absolute(templates ?? environment["CONSTINTEL_TEMPLATES"] ?? "templates"),
            instanceExecutable: absolute(instanceExecutable ?? "\(beside)/constintel-instance"))
        settings.backups = BackupPlace(environment: environment)
        return settings
    }

    /// The path of this program, whatever name it was started by.
    private static func executable() throws -> String {
        try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    }

    private func absolute(_ path: String) -> String {
        URL(fileURLWithPath: path).standardizedFileURL.path
    }
}
