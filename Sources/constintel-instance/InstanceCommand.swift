import ArgumentParser
import Contract
import CoreMetrics
import DataPlane
import Foundation
import Kernel
import Logging
import Web

/// The process of one brand. A supervisor starts it; a person rarely does.
@main
struct InstanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "constintel-instance",
        abstract: "Run the data plane of one brand.",
        discussion: """
            It is started by constinteld, with the configuration that constinteld writes:

              constintel-instance --configuration /var/lib/constintel/instances/acme/instance.json

            Credentials are read from $CREDENTIALS_DIRECTORY, or from 'credentials' beside the \
            configuration. Where a service manager delivers it, the configuration is one of them.
            """)

    @Option(help: "The instance's configuration file. Default: $CREDENTIALS_DIRECTORY/instance.json.")
    var configuration: String?

    func run() async throws {
        StructuredLogHandler.bootstrap()
        do {
            let metrics = MetricsRegistry()
            MetricsSystem.bootstrap(metrics)
            let delivered = ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"]
            guard let configuration = configuration ?? delivered.map({ "\($0)/instance.json" }) else {
                throw ValidationError("Say --configuration, or set $CREDENTIALS_DIRECTORY.")
            }
            var loaded = try InstanceConfiguration(file: configuration)
            // What the service manager has made for this process alone.
            if let own = ProcessInfo.processInfo.environment["STATE_DIRECTORY"] { loaded.directory = own }
            var logger = Logger(label: "instance")
            logger[metadataKey: "brand"] = "\(loaded.slug)"
            let beside = (configuration as NSString).deletingLastPathComponent + "/credentials"
            let directory = delivered ?? beside
            let instance = Instance(
                configuration: loaded, credentials: try InstanceCredentials(directory: directory),
                metrics: metrics, logger: logger)
            try await instance.run()
        } catch let fault as Fault {
            FileHandle.standardError.write(Data("constintel-instance: \(fault)\n".utf8))
            throw ExitCode.failure
        }
    }
}
