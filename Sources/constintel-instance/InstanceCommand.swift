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

    @Option(
        help: "Do not serve, but re-fold the brand once and print what differs: 'plan' changes nothing.")
    var refold: RefoldKind?

    @Option(help: "With --refold: the schema, where that is not the brand's own.")
    var schema: String?

    @Option(help: "With --refold apply: the generation that the schema's writer lease has.")
    var generation: Int64?

    /// What is done with the differences.
    enum RefoldKind: String, ExpressibleByArgument, CaseIterable {
        case plan, apply
    }

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
            let credentials = try InstanceCredentials(directory: directory)
            if let refold {
                let once = RefoldOnce(
                    configuration: loaded, credentials: credentials, schema: schema, generation: generation,
                    logger: logger)
                let report = try await once.run(applied: refold == .apply)
                let encoder = JSONEncoder()
                encoder.outputFormatting = .sortedKeys
                print(String(decoding: try encoder.encode(report), as: UTF8.self))
                return
            }
            let instance = Instance(
                configuration: loaded, credentials: credentials, metrics: metrics, logger: logger)
            try await instance.run()
        } catch let fault as Fault {
            FileHandle.standardError.write(Data("constintel-instance: \(fault)\n".utf8))
            throw ExitCode.failure
        }
    }
}
