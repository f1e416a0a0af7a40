import Kernel

/// What systemd knows of one unit. What it calls "not set" is nil.
struct UnitProperties: Sendable, Equatable {
    /// `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating`.
    var activeState: String
    /// Finer, and of each kind of unit: `running`, `auto-restart`, `listening`.
    var subState: String
    /// `loaded`, `not-found`, `masked`, `bad-setting`, `error`.
    var loadState: String
    /// Why the unit cannot be loaded.
    var loadError: String?
    /// `enabled`, `disabled`, `masked`, `static` and so on; nil when there is no file.
    var unitFileState: String?
    /// The unit file, and what was put over it.
    var fragmentPath: String?
    var dropInPaths: [String]
    /// Whether a file of the unit has changed since systemd read it.
    var needDaemonReload: Bool
    var stateChanged: Timestamp?
    /// Whether a job of the unit waits or goes on.
    var hasJob: Bool

    // Of services only.
    var mainPID: Int32?
    var restarts: Int
    /// `success`, or how it failed: `exit-code`, `signal`, `timeout`, `start-limit-hit`.
    var result: String?
    /// As in waitid(2): 1 exited, 2 killed, 3 dumped; nil before the first end.
    var exitCode: Int32?
    var exitStatus: Int32?
    var mainStarted: Timestamp?
    var statusText: String?
    /// Of the unit files, as `NAME=value`; what the process runs by may be older.
    var environment: [String]
    var memoryBytes: UInt64?
    var tasks: UInt64?
    var cpuNanoseconds: UInt64?

    /// Reads what `GetAll` has answered.
    init(_ values: [String: BusValue]) {
        activeState = values["ActiveState"]?.text ?? "unknown"
        subState = values["SubState"]?.text ?? "unknown"
        loadState = values["LoadState"]?.text ?? "unknown"
        loadError = values["LoadError"]?.list.last?.text.flatMap { $0.isEmpty ? nil : $0 }
        unitFileState = UnitProperties.text(values["UnitFileState"])
        fragmentPath = UnitProperties.text(values["FragmentPath"])
        dropInPaths = values["DropInPaths"]?.list.compactMap(\.text) ?? []
        needDaemonReload = values["NeedDaemonReload"]?.flag ?? false
        stateChanged = UnitProperties.timestamp(values["StateChangeTimestamp"])
        hasJob = (values["Job"]?.list.first?.unsigned ?? 0) != 0
        mainPID = values["MainPID"]?.unsigned.flatMap { $0 == 0 ? nil : Int32(exactly: $0) }
        restarts = values["NRestarts"]?.unsigned.flatMap { Int(exactly: $0) } ?? 0
        result = UnitProperties.text(values["Result"])
        exitCode = values["ExecMainCode"]?.signed.flatMap { $0 == 0 ? nil : Int32(exactly: $0) }
        exitStatus = values["ExecMainStatus"]?.signed.flatMap { Int32(exactly: $0) }
        mainStarted = UnitProperties.timestamp(values["ExecMainStartTimestamp"])
        statusText = UnitProperties.text(values["StatusText"])
        environment = values["Environment"]?.list.compactMap(\.text) ?? []
        memoryBytes = UnitProperties.amount(values["MemoryCurrent"])
        tasks = UnitProperties.amount(values["TasksCurrent"])
        cpuNanoseconds = UnitProperties.amount(values["CPUUsageNSec"])
    }

    var isActive: Bool { activeState == "active" || activeState == "reloading" }
    /// Died, and is started again after its pause.
    var isAutoRestarting: Bool { subState.hasPrefix("auto-restart") }

    /// How the last main process ended: `exit status 1`, `signal 9`; nil when none has.
    var lastExit: String? {
        guard let exitCode, let exitStatus else { return nil }
        return exitCode == 1 ? "exit status \(exitStatus)" : "signal \(exitStatus)"
    }

    private static func text(_ value: BusValue?) -> String? {
        value?.text.flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func amount(_ value: BusValue?) -> UInt64? {
        value?.unsigned.flatMap { $0 == .max ? nil : $0 }
    }

    /// Microseconds since 1970; 0 is never.
    private static func timestamp(_ value: BusValue?) -> Timestamp? {
        value?.unsigned.flatMap { $0 == 0 ? nil : Int64(exactly: $0).map(Timestamp.init(microseconds:)) }
    }
}

/// One line of a list of units.
struct ListedUnit: Sendable, Equatable {
    let name: String
    let loadState: String
    let activeState: String
    let subState: String

    /// Reads an entry of what `ListUnitsByPatterns` has answered; nil when it is none.
    init?(_ fields: [BusValue]) {
        guard fields.count == 10, let name = fields[0].text, let loadState = fields[2].text,
            let activeState = fields[3].text, let subState = fields[4].text
        else { return nil }
        self.name = name
        self.loadState = loadState
        self.activeState = activeState
        self.subState = subState
    }
}
