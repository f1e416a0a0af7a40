import Foundation
import Glibc
import Kernel
import Subprocess
import SystemPackage

/// Runs restic (restic.net), which keeps backups: encrypted, each piece of content once.
struct Restic: Sendable {
    let settings: BackupRepository.Settings
    let location: String

    /// What of its output is kept, and of its errors.
    private static let longestOutput = 16 << 20
    private static let longestError = 1 << 16

    /// Runs one command to its end and returns what it prints.
    func run(_ arguments: [String], doing: String) async throws(Fault) -> String {
        let environment = try environment()
        let result = await perform(arguments, doing: doing) { executable, arguments in
            let ended = try await Subprocess.run(
                executable, arguments: arguments, environment: .custom(environment),
                output: .string(limit: Restic.longestOutput), error: .string(limit: Restic.longestError))
            return (ended.standardOutput, ended.standardError, ended.terminationStatus)
        }
        let (output, error, status) = try result.get()
        guard status.isSuccess else { throw ResticFailure.fault(error, status: status.text, doing: doing) }
        return output
    }

    /// Runs a command that reads what `produce` writes. When that fails, restic is killed before it could
    /// take the end of what was written for the end of it all.
    func run<Value: Sendable>(
        _ arguments: [String], doing: String,
        writing produce: @escaping @Sendable (PipeWriter) async throws -> Value
    ) async throws -> (output: String, bytes: Int, value: Value) {
        let environment = try environment()
        let ends = try makePipe()
        let pipe = PipeWriter(descriptor: ends.write)
        let input = FileDescriptor(rawValue: ends.read)
        let result = await perform(arguments, doing: doing) { executable, arguments in
            let ended = try await Subprocess.run(
                executable, arguments: arguments, environment: .custom(environment),
                input: .fileDescriptor(input, closeAfterSpawningProcess: true),
                output: .string(limit: Restic.longestOutput), error: .string(limit: Restic.longestError)
            ) { execution -> Result<Value, any Error> in
                do {
                    let value = try await produce(pipe)
                    await pipe.end()
                    return .success(value)
                } catch {
                    try? execution.send(signal: .kill)
                    await pipe.end()
                    return .failure(error)
                }
            }
            return (ended.standardOutput, ended.standardError, ended.terminationStatus, ended.closureResult)
        }
        let (output, error, status, value) = try result.get()
        // Where restic left first, its word is the cause, and the broken pipe what came of it.
        if status.isOfItself, !status.isSuccess {
            throw ResticFailure.fault(error, status: status.text, doing: doing)
        }
        let produced = try value.get()
        guard status.isSuccess else { throw ResticFailure.fault(error, status: status.text, doing: doing) }
        return (output, await pipe.count(), produced)
    }

    /// Runs a command whose output `consume` reads, as far as it wants to.
    func run<Value: Sendable>(
        _ arguments: [String], doing: String,
        reading consume: @escaping @Sendable (ArchiveReader) async throws -> Value
    ) async throws -> Value {
        let environment = try environment()
        let ends = try makePipe()
        let output = FileDescriptor(rawValue: ends.write)
        let reader = try ArchiveReader(descriptor: ends.read)
        let result = await perform(arguments, doing: doing) { executable, arguments in
            let ended = try await Subprocess.run(
                executable, arguments: arguments, environment: .custom(environment),
                input: .none,
                output: .fileDescriptor(output, closeAfterSpawningProcess: true),
                error: .string(limit: Restic.longestError)
            ) { execution -> Result<Value, any Error> in
                let value: Result<Value, any Error>
                do { value = .success(try await consume(reader)) } catch { value = .failure(error) }
                // It would wait for ever for who reads the rest.
                if !reader.hasEnded { try? execution.send(signal: .kill) }
                return value
            }
            return (ended.standardError, ended.terminationStatus, ended.closureResult)
        }
        let (error, status, value) = try result.get()
        if status.isOfItself, !status.isSuccess {
            throw ResticFailure.fault(error, status: status.text, doing: doing)
        }
        return try value.get()
    }

    private func perform<Value>(
        _ arguments: [String], doing: String,
        _ body: (Executable, Arguments) async throws -> Value
    ) async -> Result<Value, Fault> {
        do {
            return .success(
                try await body(
                    .path(FilePath(settings.executable)), Arguments(common + arguments)))
        } catch {
            return .failure(
                error as? Fault
                    ?? Fault(.unavailable, doing: doing, "\(settings.executable) cannot be run", cause: error)
            )
        }
    }

    private var common: [String] {
        let cache = settings.isLocal ? ["--no-cache"] : ["--cache-dir", settings.cacheDirectory]
        return ["--password-file", settings.passwordFile, "--json"] + cache
    }

    private func environment() throws(Fault) -> [Environment.Key: String] {
        var variables = try settings.environment()
        // It is to leave the machine to those whom it serves: one core, and little memory.
        variables["GOMAXPROCS"] = "1"
        // Not as an argument, which everybody sees: it may have a password in it.
        variables["RESTIC_REPOSITORY"] = location
        variables["GOGC"] = "20"
        variables["RESTIC_PROGRESS_FPS"] = "0.02"
        variables["HOME"] = settings.cacheDirectory
        if let path = getenv("PATH") { variables["PATH"] = String(cString: path) }
        return Dictionary(uniqueKeysWithValues: variables.map { (Environment.Key(stringLiteral: $0), $1) })
    }
}

extension BackupRepository.Settings {
    /// What the backend's file says.
    ///
    /// - Throws: a fault that names the file and, of a malformed one, the line, but nothing of its secrets.
    func environment() throws(Fault) -> [String: String] {
        guard let environmentFile else { return [:] }
        let doing = "read \(environmentFile)"
        let text: String
        do {
            text = try String(contentsOfFile: environmentFile, encoding: .utf8)
        } catch {
            throw Fault(.unavailable, doing: doing, "it is not there, or is no text", cause: error)
        }
        var variables: [String: String] = [:]
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            .enumerated() where !line.hasPrefix("#") && !line.allSatisfy(\.isWhitespace)
        {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else {
                throw Fault(.unavailable, doing: doing, "line \(index + 1): expected NAME=value")
            }
            variables[String(parts[0])] = String(parts[1])
        }
        return variables
    }
}

extension TerminationStatus {
    /// For people: `exit status 1`, `signal 9`.
    fileprivate var text: String {
        switch self {
        case .exited(let code): "exit status \(code)"
        case .signaled(let signal): "signal \(signal)"
        }
    }

    /// Whether it has left by itself, for a reason that it tells.
    fileprivate var isOfItself: Bool {
        if case .exited = self { true } else { false }
    }
}
