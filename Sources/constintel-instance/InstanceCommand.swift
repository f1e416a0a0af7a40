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

            Credentials are read from $CREDENTIALS_DIRECTORY, or from 'credentials' beside the configuration.
            """)

    @Option(help: "The instance's configuration file.")
    var configuration: String

    func run() async throws {
        StructuredLogHandler.bootstrap()
        do {
            let metrics = MetricsRegistry()
            MetricsSystem.bootstrap(metrics)
            let loaded = try InstanceConfiguration(file: configuration)
            var logger = Logger(label: "instance")
            logger[metadataKey: "brand"] = "\(loaded.slug)"
            let beside = (configuration as NSString).deletingLastPathComponent + "/credentials"
            let directory = ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"] ?? beside
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
