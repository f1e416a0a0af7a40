import ArgumentParser
import Foundation
import Kernel

/// The command `constintel`: parses arguments, runs what they name and turns errors into exit statuses.
public enum CommandLineTool {
    /// Runs the process's own arguments and ends the process with the status they lead to.
    public static func main() async -> Never {
        exit(await run(Array(CommandLine.arguments.dropFirst())))
    }

    /// Runs `arguments` in the current `Surroundings` and returns the exit status.
    package static func run(_ arguments: [String]) async -> Int32 {
        do {
            let command = try ConstIntel.parseAsRoot(arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                var synchronous = command
                try synchronous.run()
            }
            return ExitStatus.done.rawValue
        } catch {
            return report(error)
        }
    }

    private static func report(_ error: any Error) -> Int32 {
        let streams = Surroundings.current.streams
        switch error {
        case let fault as Fault:
            streams.printError("Error: \(fault)")
            return ExitStatus(of: fault).rawValue
        case let status as ExitStatus:
            return status.rawValue
        case is CancellationError:
            return ExitStatus.failed.rawValue
        default:
            let code = ConstIntel.exitCode(for: error)
            let message = ConstIntel.fullMessage(for: error)
            if code.isSuccess { streams.print(message) } else { streams.printError(message) }
            return code.rawValue
        }
    }
}

/// What a run of the command came to, as the status that a shell sees.
package enum ExitStatus: Int32, Error {
    case done = 0
    /// The service refused, or what was asked for failed.
    case failed = 1
    /// The service could not be reached, or does not answer for now.
    case unreachable = 2
    /// It was done, less some rows or events that were rejected.
    case rejections = 3
    /// The arguments are wrong; `EX_USAGE`.
    case usage = 64

    /// The status that `fault` ends the command with.
    package init(of fault: Fault) {
        self = fault.code == .unavailable ? .unreachable : .failed
    }
}

struct ConstIntel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "constintel",
        abstract: "Works with a ConstIntel service: its brands, keys, events and profiles.",
        discussion: """
            The service is found in this order: --url or CONSTINTEL_URL, with the session that 'constintel \
            login' saved; the operator socket of a local service's state directory (CONSTINTEL_HOME, or \
            /var/lib/constintel, or $XDG_STATE_HOME/constintel), which needs no login; the service that the \
            saved session belongs to.

            Results go to standard output, progress and errors to standard error.

            Exit status:
              0   done
              1   refused or failed
              2   the service could not be reached
              3   done, but some rows or events were rejected
              64  wrong usage

            Example:
              constintel brand create acme --country IN --currency INR
              constintel events import orders.csv --brand acme --map phone=mobile
              constintel brand stats acme --output json
            """,
        subcommands: [
            Status.self, Check.self, Wait.self, Login.self, Logout.self, BrandGroup.self, InstanceGroup.self,
            BackupGroup.self, ReleaseGroup.self, PlanGroup.self, KeyGroup.self, UserGroup.self,
            OperationGroup.self,
            JobGroup.self, Audit.self, MetricsGroup.self, EventsGroup.self, OrdersGroup.self,
            RatesGroup.self, ProductsGroup.self, InventoryGroup.self, ProfilesGroup.self,
            IdentifiersGroup.self, QueueGroup.self, PlatformGroup.self, WorkGroup.self, UploadsGroup.self,
            StreamsGroup.self, DeadLetterGroup.self, OpenAPI.self, TrackerCommand.self,
        ]
    )
}
