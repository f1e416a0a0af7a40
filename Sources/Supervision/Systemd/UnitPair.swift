import Glibc
import Kernel

/// What is seen at one moment of a unit: its service, its socket, and what its process runs by.
struct UnitPair: Sendable, Equatable {
    let name: String
    var service: UnitProperties
    var socket: UnitProperties
    /// When the drop-in was written; nil when there is none.
    var written: Timestamp?
    /// What the process says that it runs by; nil when there is none or it cannot be read.
    var declared: String?

    /// What the next process runs by, as systemd has read it.
    var loaded: String? {
        service.environment.last { $0.hasPrefix(UnitDropIn.variable + "=") }
            .map { String($0.dropFirst(UnitDropIn.variable.utf8.count + 1)) }
    }

    /// What the process runs by, or the next one when there is none.
    ///
    /// A process whose environment may not be read, or that is not executed yet, runs by what is loaded if it
    /// was started after that was written.
    var running: String? {
        if let declared { return declared }
        guard service.mainPID != nil else { return loaded }
        guard let started = service.mainStarted, let written, started > written else { return nil }
        return service.needDaemonReload ? nil : loaded
    }

    /// Whether there is a process, or systemd is about to have one.
    var hasProcess: Bool { !["inactive", "failed"].contains(service.activeState) }

    var state: UnitStatus.State {
        switch service.activeState {
        case "active", "reloading": .ready
        case "activating": service.isAutoRestarting ? .failed : .starting
        case "deactivating": .stopping
        case "failed": .failed
        default: stateWithoutProcess
        }
    }

    private var stateWithoutProcess: UnitStatus.State {
        if service.hasJob || socket.activeState == "activating" { return .starting }
        if socket.isActive { return .asleep }
        return socket.activeState == "failed" ? .failed : .stopped
    }

    /// Whether nothing has been done by hand, or by systemd, that `start` would have to put right.
    var isAsLeft: Bool {
        written != nil && socket.isActive && service.activeState != "failed"
            && !service.needDaemonReload && service.loadState == "loaded" && socket.loadState == "loaded"
    }

    /// The status; nil when there is nothing of this name.
    func status(otherwise now: Timestamp) -> UnitStatus? {
        if written == nil, state == .stopped || state == .failed { return nil }
        let changed = state == .asleep ? max(service.stateChanged, socket.stateChanged) : service.stateChanged
        var status = UnitStatus(
            state: state, pid: service.mainPID, restarts: service.restarts, since: changed ?? now,
            lastExit: lastExit, specification: isAsLeft ? running : nil)
        status.message = service.statusText
        return status
    }

    private var lastExit: String? {
        if service.activeState != "failed", socket.activeState == "failed" {
            return "its socket failed (\(socket.result ?? "unknown"))"
        }
        return service.lastExit
    }
}

private func max(_ left: Timestamp?, _ right: Timestamp?) -> Timestamp? {
    guard let left, let right else { return left ?? right }
    return left < right ? right : left
}

/// What a process was given when it was executed.
enum ProcessEnvironment {
    private static let bytes = 1 << 20

    /// The value of one variable; nil when there is none, or the process is not ours to read.
    static func value(of variable: String, in pid: Int32) -> String? {
        let file = open("/proc/\(pid)/environ", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while text.count < bytes {
            let count = read(file, &buffer, buffer.count)
            guard count > 0 else { break }
            text += buffer[..<count]
        }
        let start = Array("\(variable)=".utf8)
        return text.split(separator: 0).first { $0.starts(with: start) }
            .map { String(decoding: $0.dropFirst(start.count), as: UTF8.self) }
    }
}
