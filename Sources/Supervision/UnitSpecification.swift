import Glibc

/// How one long-lived child is run: what is executed, how it says that it is ready, how it is asked to leave.
public struct UnitSpecification: Sendable {
    /// How a supervisor learns that the child serves.
    public enum Readiness: Sendable {
        /// The child sends `READY=1` to the datagram socket named by `$NOTIFY_SOCKET` (sd_notify).
        case notify
        /// The closure is asked again and again, with pauses, until it answers true.
        case probe(@Sendable () async -> Bool)
    }

    /// When the child is launched.
    public enum Activation: String, Sendable {
        /// When the unit is started.
        case atOnce
        /// When something connects to the unit's socket, and again after the child has left by itself: a
        /// unit that nobody asks costs nothing but its socket.
        case onRequest
    }

    /// The unit's name, which is also a file name: `postgres`, `constintel-instance@acme`.
    public var name: String
    /// The executable's absolute path.
    public var executable: String
    /// The arguments after the executable's own name.
    public var arguments: [String]
    /// The child's environment. Nothing is inherited but `PATH`; the supervisor adds `NOTIFY_SOCKET`.
    public var environment: [String: String] = [:]
    /// Where the child runs.
    public var workingDirectory = "/"
    /// Where standard output and error are appended. Under systemd they go to the journal instead.
    public var logFile: String
    /// Whether what happens to the child is written there too: for children whose log is shown to people.
    public var notesInLog = false
    /// How the child says that it serves.
    public var readiness: Readiness
    /// The signal that asks the child to finish its work and leave.
    public var stopSignal: Int32 = SIGTERM
    /// How long the child may take to leave before it is killed.
    public var stopTimeout: Duration = .seconds(30)
    /// How long the child may take to become ready before it is killed and started again.
    public var startTimeout: Duration = .seconds(60)
    /// What else tells two runs apart, such as the text of the child's configuration files: a process that
    /// was started with another version is replaced, not adopted.
    public var version = ""
    /// Files that the child finds, as long as it runs, in `$CREDENTIALS_DIRECTORY` under these names: what it
    /// must not be able to read where they are. Only systemd passes them on.
    public var credentials: [String: String] = [:]
    /// The system user that the child runs as; what its template says when nil. Only systemd sees to it.
    public var user: String?
    /// What the child may use. Only systemd sees to it.
    public var limits = ResourceLimits()
    /// When the child is launched. Only systemd has sockets to wait on; elsewhere it is always at once.
    public var activation = Activation.atOnce
    /// Runs before each launch, never before an adoption; what it throws is why the unit cannot start. Under
    /// systemd, which launches children again by itself, it runs only when `start` has one launched.
    public var beforeLaunch: @Sendable () async throws -> Void = {}

    /// A unit with the usual signal and time-outs and an empty environment.
    public init(
        name: String, executable: String, arguments: [String], logFile: String, readiness: Readiness
    ) {
        self.name = name
        self.executable = executable
        self.arguments = arguments
        self.logFile = logFile
        self.readiness = readiness
    }
}

/// What the processes of one unit may use together; nil is no limit of the unit's own.
public struct ResourceLimits: Sendable, Equatable {
    /// Bytes of memory, beyond which processes of the unit are killed.
    public var memoryBytes: UInt64?
    /// Processor time, in hundredths of one processor: 150 is one and a half.
    public var cpuPercent: Int?
    /// Processes and threads.
    public var tasks: Int?
    /// The share of the disks under contention, from 1 to 10,000, where 100 is the usual one.
    public var ioWeight: Int?

    /// Limits, none unless they are named.
    public init(
        memoryBytes: UInt64? = nil, cpuPercent: Int? = nil, tasks: Int? = nil, ioWeight: Int? = nil
    ) {
        self.memoryBytes = memoryBytes
        self.cpuPercent = cpuPercent
        self.tasks = tasks
        self.ioWeight = ioWeight
    }
}

extension UnitSpecification {
    /// Equal for two specifications that run the same thing: what adoption compares.
    ///
    /// The executable's inode, size and time are part of it: an upgraded program replaces a running one.
    var digest: String {
        var digest = StableDigest()
        digest.add([name, executable, workingDirectory, logFile, "\(stopSignal)", version])
        digest.add(arguments)
        digest.add([user ?? ""])
        digest.add(credentials.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
        digest.add([limits.memoryBytes.map(String.init) ?? "", activation.rawValue])
        digest.add([limits.cpuPercent, limits.tasks, limits.ioWeight].map { $0.map(String.init) ?? "" })
        digest.add(environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
        var file = stat()
        if stat(executable, &file) == 0 {
            let modified = file.st_mtim
            digest.add(["\(file.st_ino) \(file.st_size) \(modified.tv_sec).\(modified.tv_nsec)"])
        }
        return digest.text
    }
}

/// FNV-1a of 64 bits over lists of texts: the same in every process, unlike `Hasher`. Not for secrets.
package struct StableDigest {
    private var state: UInt64 = 0xcbf2_9ce4_8422_2325

    package init() {}

    /// Adds a list; lists with the same texts joined differently are told apart.
    package mutating func add(_ texts: [String]) {
        add("\(texts.count)")
        for text in texts { add(text) }
    }

    private mutating func add(_ text: String) {
        for byte in text.utf8 { add(byte) }
        add(0)
    }

    private mutating func add(_ byte: UInt8) {
        state = (state ^ UInt64(byte)) &* 0x100_0000_01b3
    }

    /// Sixteen hexadecimal digits.
    package var text: String {
        let digits = String(state, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
