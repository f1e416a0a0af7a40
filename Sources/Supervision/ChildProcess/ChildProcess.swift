import Glibc
import Kernel
import Subprocess
import SystemPackage

/// A running process that is watched and signalled through a pidfd, so never mistaken for a later one with
/// its number; launched by us or by a supervisor before us.
final class ChildProcess: Sendable {
    let identity: ProcessIdentity
    private let descriptor: ProcessDescriptor
    /// Waits for the process and reaps it. Nil for a process that is not our child.
    private let reaper: Task<String, Never>?

    /// A process that somebody launched earlier; nil when it has ended.
    init?(adopting identity: ProcessIdentity) {
        guard let descriptor = ProcessDescriptor(pid: identity.pid), identity.isAlive else { return nil }
        self.identity = identity
        self.descriptor = descriptor
        reaper = nil
    }

    private init(_ launched: Launched, reaper: Task<String, Never>) {
        identity = launched.identity
        descriptor = launched.descriptor
        self.reaper = reaper
    }

    /// Sends a signal; one to a process that has ended goes nowhere.
    func signal(_ signal: Int32) { descriptor.send(signal) }

    /// Returns true when the process has ended, false when the waiting task was cancelled before.
    func ended() async -> Bool { await descriptor.ended() }

    /// Asks the process to leave, kills it when it has not left after `limit`, and kills what it leaves
    /// behind. Returns whether it left when asked. A cancelled caller does not wait: it kills at once.
    @discardableResult
    func end(by signal: Int32, within limit: Duration, on clock: any Clock<Duration>) async -> Bool {
        self.signal(signal)
        let left = await withTaskGroup(of: Bool.self) { group in
            group.addTask { await self.ended() }
            group.addTask {
                try? await clock.sleep(for: limit)
                return false
            }
            defer { group.cancelAll() }
            return await group.next() ?? false
        }
        if !left {
            self.signal(SIGKILL)
            _ = await ended()
        }
        await identity.endSurvivors()
        return left
    }

    /// How the process ended, once it has: `exit status 1`, `signal 9`.
    func epitaph() async -> String {
        await reaper?.value ?? "ended while it was not our child"
    }
}

// MARK: - Launching

extension ChildProcess {
    fileprivate struct Launched: Sendable {
        let identity: ProcessIdentity
        let descriptor: ProcessDescriptor
    }

    /// Launches `unit` in a session of its own, with no input and its output appended to its log file.
    static func launch(_ unit: UnitSpecification, notifySocket: String) async throws(Fault) -> ChildProcess {
        let doing = "start \(unit.name)"
        let configuration = configuration(of: unit, notifySocket: notifySocket)
        let log = try LogFile.open(unit.logFile, doing: doing)
        let (births, birth) = AsyncThrowingStream<Launched, any Error>.makeStream()
        // A task of its own, held by the process it reaps: cancelling what supervises a child must leave the
        // child running, to be adopted, while swift-subprocess kills the child of a cancelled task.
        let reaper = Task {
            do {
                let result = try await Subprocess.run(
                    configuration, input: .none,
                    output: .fileDescriptor(log, closeAfterSpawningProcess: true), error: .combinedWithOutput
                ) { execution in
                    birth.yield(try Launched(pid: execution.processIdentifier.value))
                    birth.finish()
                }
                return result.terminationStatus.words
            } catch {
                birth.finish(throwing: error)
                return "\(error)"
            }
        }
        do {
            for try await launched in births { return ChildProcess(launched, reaper: reaper) }
        } catch {
            throw Fault(.unavailable, doing: doing, "\(unit.executable) cannot be run", cause: error)
        }
        reaper.cancel()
        throw Fault(.unavailable, doing: doing, "the start was interrupted")
    }

    private static func configuration(of unit: UnitSpecification, notifySocket: String) -> Configuration {
        var environment = unit.environment
        environment["NOTIFY_SOCKET"] = notifySocket
        var options = PlatformOptions()
        options.createSession = true
        return Configuration(
            executable: .path(FilePath(unit.executable)), arguments: Arguments(unit.arguments),
            environment: .only(environment),
            workingDirectory: FilePath(unit.workingDirectory), platformOptions: options)
    }
}

extension ChildProcess.Launched {
    /// Takes hold of a child that nobody has reaped yet, so that its pid is surely its own.
    fileprivate init(pid: Int32) throws(Fault) {
        guard let descriptor = ProcessDescriptor(pid: pid),
            let identity = ProcessIdentity(of: pid, unreaped: true)
        else { throw Fault(systemErrorWhile: "watch process \(pid)") }
        self.init(identity: identity, descriptor: descriptor)
    }
}
