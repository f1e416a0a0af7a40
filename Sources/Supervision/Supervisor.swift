import Kernel

/// Starts, watches, restarts and stops long-lived children, each under a name of its own.
///
/// systemd does it in production; `ChildProcessSupervisor` where there is none. Both speak sd_notify, so a
/// child does not know which of them runs it. All methods throw `Fault`.
public protocol Supervisor: Sendable {
    /// Sees to it that `unit` runs, and returns once it has been launched or found running. A unit that runs
    /// on request is asleep then, unless it runs already.
    ///
    /// A process that already runs by the same specification stays; one by another is stopped first. Throws
    /// when it cannot be launched at all; a child that dies later is started again.
    func start(_ unit: UnitSpecification) async throws

    /// Returns when the unit is ready, or asleep; throws when it is stopped or has failed several times in a
    /// row, with the end of its log.
    func awaitReady(_ name: String) async throws

    /// Stops the unit and forgets it: asks, waits for its stop time-out, then kills. Unknown names are fine.
    func stop(_ name: String) async throws

    /// Makes the unit's process leave and another take its place; `awaitReady` tells when that one serves.
    func restart(_ name: String) async throws

    /// Has a unit that is asleep launched now; others are left as they are. Where nothing sleeps, it does
    /// nothing.
    func wake(_ name: String) async throws

    /// Takes away what a stopped unit has kept in places that its supervisor made for it alone. Where it made
    /// none, it does nothing.
    func clean(_ name: String) async throws

    /// Does for its units, until it is cancelled, what needs somebody who watches. One daemon at a time may.
    func tend() async throws

    /// What the unit is doing; nil when nothing of that name has been started.
    func status(_ name: String) async -> UnitStatus?

    /// What every unit is doing, by name.
    func statuses() async -> [String: UnitStatus]

    /// The names of units whose status changes from now on, or that are forgotten.
    func changes() async -> UnitChanges

    /// What the unit has written, and what its supervisor has written about it; it need not run, or be known.
    ///
    /// - Parameter file: the unit's `UnitSpecification.logFile`, which is read where there is no journal.
    func log(_ name: String, file: String, from start: LogStart) async throws -> any UnitLogReader
}

extension Supervisor {
    public func log(_ name: String, file: String, from start: LogStart) async throws -> any UnitLogReader {
        throw Fault(.unavailable, doing: "read the log of \(name)", "its supervisor keeps none")
    }
    public func wake(_ name: String) async throws {}
    public func clean(_ name: String) async throws {}
    public func tend() async throws {
        while true { try await Task.sleep(for: .seconds(86_400)) }
    }
}

/// What a supervisor sees of a unit.
public struct UnitStatus: Sendable, Equatable {
    /// The stages of a unit's life.
    public enum State: String, Sendable, Codable, CaseIterable {
        /// Launched, not ready yet.
        case starting
        /// It serves.
        case ready
        /// Not launched: its socket listens, and the first who connects has it launched.
        case asleep
        /// On its way out, asked to or by itself.
        case stopping
        /// Stopped because it was asked to be; it stays so.
        case stopped
        /// It died or could not be launched; the next attempt comes after a pause.
        case failed
    }

    public var state: State
    /// The process, while there is one.
    public var pid: Int32?
    /// How many times it was started again since it was first started or adopted.
    public var restarts: Int
    /// When `state` was entered.
    public var since: Timestamp
    /// How the last process ended: `exit status 1`, `signal 9`.
    public var lastExit: String?
    /// The child's own words about itself (`STATUS=`).
    public var message: String?
    /// Stands for the specification it runs by, or would when it is asleep: another one is another text. Nil
    /// when that is not known, or when the unit is not as it was left: starting it puts that right.
    public var specification: String?

    /// The status of a unit that has said nothing yet.
    public init(
        state: State, pid: Int32? = nil, restarts: Int = 0, since: Timestamp, lastExit: String? = nil,
        specification: String? = nil
    ) {
        self.state = state
        self.pid = pid
        self.restarts = restarts
        self.since = since
        self.lastExit = lastExit
        self.specification = specification
    }
}
