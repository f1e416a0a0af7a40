import Glibc
import Kernel
import Subprocess
import SystemPackage

/// A program that is run once, to its end.
public struct Command: Sendable {
    /// The executable's absolute path.
    public var executable: String
    /// The arguments after the executable's own name.
    public var arguments: [String]
    /// The environment; nothing is inherited but `PATH`.
    public var environment: [String: String] = [:]
    /// Where standard output and error are appended.
    public var logFile: String

    /// A command with an empty environment.
    public init(executable: String, arguments: [String], logFile: String) {
        self.executable = executable
        self.arguments = arguments
        self.logFile = logFile
    }

    /// Runs the program and returns when it has ended well. Throws with the end of its log when it has not; a
    /// cancelled caller's program is killed.
    public func run(doing: String) async throws(Fault) {
        let log = try LogFile.open(logFile, doing: doing)
        let status: TerminationStatus
        do {
            status = try await Subprocess.run(
                .path(FilePath(executable)), arguments: Arguments(arguments), environment: .only(environment),
                output: .fileDescriptor(log, closeAfterSpawningProcess: true), error: .combinedWithOutput
            ).terminationStatus
        } catch {
            throw Fault(.unavailable, doing: doing, "\(executable) cannot be run", cause: error)
        }
        guard status.isSuccess else {
            throw Fault(
                .unavailable, doing: doing,
                "\(executable) failed (\(status.words)); \(LogTail(path: logFile))")
        }
    }
}

extension Command {
    /// What is kept of the output.
    private static let longestOutput = 4 << 20

    /// Runs the program and returns what it prints to standard output; its errors are appended to the log.
    /// Throws with the end of its log when it has not ended well; a cancelled caller's program is killed.
    public func output(doing: String) async throws(Fault) -> String {
        let log = try LogFile.open(logFile, doing: doing)
        do {
            let ended = try await Subprocess.run(
                .path(FilePath(executable)), arguments: Arguments(arguments), environment: .only(environment),
                output: .string(limit: Command.longestOutput),
                error: .fileDescriptor(log, closeAfterSpawningProcess: true))
            guard ended.terminationStatus.isSuccess else {
                throw Fault(
                    .unavailable, doing: doing,
                    "\(executable) failed (\(ended.terminationStatus.words)); \(LogTail(path: logFile))")
            }
            return ended.standardOutput
        } catch {
            throw error as? Fault
                ?? Fault(.unavailable, doing: doing, "\(executable) cannot be run", cause: error)
        }
    }
}

extension Environment {
    /// `variables`, and `PATH` from our own environment where they have none.
    static func only(_ variables: [String: String]) -> Environment {
        var variables = variables
        if variables["PATH"] == nil { variables["PATH"] = getenv("PATH").map { String(cString: $0) } }
        return .custom(variables.map { Array("\($0.key)=\($0.value)\0".utf8) })
    }
}

extension TerminationStatus {
    /// For people: `exit status 1`, `signal 9`.
    var words: String {
        switch self {
        case .exited(let code): "exit status \(code)"
        case .signaled(let signal): "signal \(signal)"
        }
    }
}
