import Foundation
import Subprocess
import Synchronization
import SystemPackage
import TestSupport

/// A real constinteld, launched by a test.
final class DaemonProcess: Sendable {
    /// How a process has ended.
    enum End: Equatable, Sendable {
        case exited(Int32)
        case signalled(Int32)
    }

    let id: Int32
    private let log: String
    private let ended: Mutex<End?>

    private init(id: Int32, log: String) {
        self.id = id
        self.log = log
        ended = Mutex(nil)
    }

    /// Launches the program; it writes to the file `log`.
    static func launch(
        _ arguments: [String], environment: [Environment.Key: String?], log: String
    ) async throws -> DaemonProcess {
        let binaries = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_BINARIES"] ?? ""
        let file = try FileDescriptor.open(
            FilePath(log), .writeOnly, options: [.create, .append], permissions: [.ownerReadWrite])
        let (launched, launching) = AsyncStream.makeStream(of: DaemonProcess.self)
        Task {
            let told = Mutex<DaemonProcess?>(nil)
            let result = try? await Subprocess.run(
                .path(FilePath("\(binaries)/constinteld")), arguments: Arguments(arguments),
                environment: .inherit.updating(environment), input: .none,
                output: .fileDescriptor(file, closeAfterSpawningProcess: false),
                error: .fileDescriptor(file, closeAfterSpawningProcess: true)
            ) { execution in
                let process = DaemonProcess(id: execution.processIdentifier.value, log: log)
                told.withLock { $0 = process }
                launching.yield(process)
            }
            launching.finish()
            let end: End? =
                switch result?.terminationStatus {
                case .exited(let status): .exited(Int32(status))
                case .signaled(let signal): .signalled(Int32(signal))
                case nil: nil
                }
            told.withLock { $0 }?.note(end)
        }
        var processes = launched.makeAsyncIterator()
        guard let process = await processes.next() else { throw Failure("constinteld was not launched") }
        return process
    }

    /// How it has ended; nil while it runs.
    var end: End? { ended.withLock { $0 } }

    /// What it has printed so far.
    var output: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

    func signal(_ signal: Int32) { kill(id, signal) }

    /// Waits until it has ended.
    @discardableResult
    func ending() async throws -> End {
        try await eventually("constinteld ends\n\(tail)") { end != nil }
        return end ?? .exited(0)
    }

    /// Kills it alone; what it has started lives on.
    func destroy() async throws {
        guard end == nil else { return }
        signal(SIGKILL)
        try await ending()
    }

    private var tail: String { output.split(separator: "\n").suffix(10).joined(separator: "\n") }

    private func note(_ end: End?) { ended.withLock { $0 = end } }
}

/// Waits for a condition that is on its way.
func eventually(
    _ what: @autoclosure () -> String, within limit: Duration = .seconds(90),
    _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < end else { throw Failure("never: \(what())") }
        try await Task.sleep(for: .milliseconds(10))
    }
}
