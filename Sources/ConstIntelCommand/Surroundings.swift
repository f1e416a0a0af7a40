import Foundation
import Kernel

/// What a run sees of the machine around it. Tests put their own in its place.
package struct Surroundings: Sendable {
    package var environment: [String: String]
    package var streams: Streams
    /// The next line of standard input, without its end; nil at the end.
    package var readLine: @Sendable () -> String?
    /// Whether a person is at the other end of standard input.
    package var inputIsTerminal: Bool
    package var clock: any WallClock
    /// Where a service that was installed for the whole machine keeps its state.
    package var systemStateDirectory: String
    /// How long to wait between two questions about work that goes on.
    package var pollInterval: Duration

    package init(
        environment: [String: String], streams: Streams,
        readLine: @escaping @Sendable () -> String? = { Swift.readLine() }, inputIsTerminal: Bool = false,
        clock: any WallClock = SystemWallClock(),
        systemStateDirectory: String = "/var/lib/constintel", pollInterval: Duration = .milliseconds(300)
    ) {
        self.environment = environment
        self.streams = streams
        self.readLine = readLine
        self.inputIsTerminal = inputIsTerminal
        self.clock = clock
        self.systemStateDirectory = systemStateDirectory
        self.pollInterval = pollInterval
    }

    /// The surroundings of the running command: the process's own unless a test bound others.
    @TaskLocal package static var current = Surroundings(
        environment: ProcessInfo.processInfo.environment, streams: .process,
        inputIsTerminal: isatty(STDIN_FILENO) == 1)

    /// A variable of the environment; nil when it is unset or empty.
    package func variable(_ name: String) -> String? {
        environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// A base directory of the XDG specification: `variable`, or `fallback` below the home directory.
    package func baseDirectory(_ variable: String, fallback: String) throws(Fault) -> String {
        if let directory = self.variable(variable), directory.hasPrefix("/") { return directory }
        guard let home = self.variable("HOME") else {
            throw Fault(
                .invalid, doing: "find your home directory", "neither \(variable) nor HOME is set")
        }
        return "\(home)/\(fallback)"
    }
}

/// Standard output and standard error, and whether a person is watching them.
package struct Streams: Sendable {
    /// Takes text for standard output as it is.
    package var output: @Sendable (String) -> Void
    /// Takes text for standard error as it is.
    package var error: @Sendable (String) -> Void
    package var outputIsTerminal: Bool
    package var errorIsTerminal: Bool
    /// Columns of the terminal behind standard error.
    package var width: Int

    package init(
        output: @escaping @Sendable (String) -> Void, error: @escaping @Sendable (String) -> Void,
        outputIsTerminal: Bool = false, errorIsTerminal: Bool = false, width: Int = 80
    ) {
        self.output = output
        self.error = error
        self.outputIsTerminal = outputIsTerminal
        self.errorIsTerminal = errorIsTerminal
        self.width = width
    }

    /// The process's own. A reader that went away is not an error: the work is done all the same.
    package static var process: Streams {
        Streams(
            output: { try? FileHandle.standardOutput.write(contentsOf: Data($0.utf8)) },
            error: { try? FileHandle.standardError.write(contentsOf: Data($0.utf8)) },
            outputIsTerminal: isatty(STDOUT_FILENO) == 1, errorIsTerminal: isatty(STDERR_FILENO) == 1,
            width: terminalWidth() ?? 80)
    }

    /// Writes a line of results.
    package func print(_ line: String) { output(line + "\n") }

    /// Writes a line of notes or errors; what a service sent cannot steer the terminal.
    package func printError(_ line: String) { error(printable(line, keepingNewlines: true) + "\n") }

    private static func terminalWidth() -> Int? {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }
}
