import Glibc

/// One run of one process, told apart from every other that has had or will have its pid.
struct ProcessIdentity: Codable, Equatable, Sendable {
    let pid: Int32
    /// Clock ticks from the boot to the process's start.
    let startTime: UInt64
    /// The kernel's id of this boot: after a reboot every recorded pid is void.
    let bootId: String

    init(pid: Int32, startTime: UInt64, bootId: String) {
        self.pid = pid
        self.startTime = startTime
        self.bootId = bootId
    }

    /// The process that has `pid` now; nil when there is none, or none but one that has ended and is not
    /// reaped yet, unless `unreaped` allows that.
    init?(of pid: Int32, unreaped: Bool = false) {
        guard let entry = ProcessEntry(pid: pid), unreaped || !entry.hasEnded else { return nil }
        self.pid = pid
        startTime = entry.startTime
        bootId = ProcessIdentity.currentBootId
    }

    /// Whether this very run still goes on.
    var isAlive: Bool { ProcessIdentity(of: pid) == self }

    /// Kills what the process left behind in its session, such as nginx's workers, which would keep its port,
    /// and returns when it is gone.
    ///
    /// Call it when the process itself has ended. The kernel does not give its number to another process as
    /// long as the session has members.
    func endSurvivors() async {
        guard bootId == ProcessIdentity.currentBootId, !isAlive else { return }
        await ProcessEntry.end { entry in entry.session == pid && entry.startTime >= startTime }
    }

    /// The session leaders whose output goes to the file at `path`: children of a supervisor that was killed
    /// before it had recorded them, for no other has that file.
    static func leaders(writingTo path: String) -> [ProcessIdentity] {
        guard let log = FileIdentity(path) else { return [] }
        return ProcessEntry.all.filter { $0.session == $0.pid && $0.writes(to: log) }
            .compactMap { ProcessIdentity(of: $0.pid) }
    }

    /// Kills every process whose output goes to the file at `path`, and returns when they are gone: what is
    /// left of children whose leader has been killed too.
    static func endAll(writingTo path: String) async {
        guard let log = FileIdentity(path) else { return }
        await ProcessEntry.end { entry in entry.writes(to: log) }
    }

    private static let currentBootId =
        readText("/proc/sys/kernel/random/boot_id")?.trimmingSuffix { $0.isWhitespace } ?? ""
}

/// A file, whatever name it is opened by.
private struct FileIdentity: Equatable {
    let device: UInt
    let node: UInt

    init?(_ path: String) {
        var file = stat()
        guard stat(path, &file) == 0 else { return nil }
        device = file.st_dev
        node = file.st_ino
    }
}

/// What `/proc/<pid>/stat` says, by proc(5).
private struct ProcessEntry {
    /// How often, every 10 ms, it is looked whether killed processes are gone.
    private static let looks = 500

    let pid: Int32
    let hasEnded: Bool
    let session: Int32
    let startTime: UInt64

    init?(pid: Int32) {
        // The second field is the program's name in parentheses, and may itself hold blanks and parentheses.
        guard pid > 0, let text = readText("/proc/\(pid)/stat"), let name = text.lastIndex(of: ")") else {
            return nil
        }
        let fields = text[text.index(after: name)...].split(separator: " ")
        guard fields.count > 19, let session = Int32(fields[3]), let startTime = UInt64(fields[19]) else {
            return nil
        }
        self.pid = pid
        hasEnded = fields[0] == "Z" || fields[0] == "X"
        self.session = session
        self.startTime = startTime
    }

    /// Every process that there is.
    static var all: [ProcessEntry] {
        guard let directory = opendir("/proc") else { return [] }
        defer { closedir(directory) }
        var entries: [ProcessEntry] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let pid = Int32(name), let entry = ProcessEntry(pid: pid) { entries.append(entry) }
        }
        return entries
    }

    /// Kills the processes that `isMeant` names until there is none: a killed process keeps its ports and its
    /// memory until it has left the kernel. A cancelled caller does not wait.
    static func end(_ isMeant: (ProcessEntry) -> Bool) async {
        for _ in 0..<looks {
            let left = all.filter { !$0.hasEnded && isMeant($0) }
            if left.isEmpty { return }
            for entry in left { kill(entry.pid, SIGKILL) }
            do { try await Task.sleep(for: .milliseconds(10)) } catch { return }
        }
    }

    /// Whether the process's standard output is `file`.
    func writes(to file: FileIdentity) -> Bool { FileIdentity("/proc/\(pid)/fd/1") == file }
}

/// A small file of the kernel as text; nil when it cannot be read.
private func readText(_ path: String) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = read(file, &buffer, buffer.count)
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
}

extension String {
    fileprivate func trimmingSuffix(while isUnwanted: (Character) -> Bool) -> String {
        var text = self[...]
        while let last = text.last, isUnwanted(last) { text.removeLast() }
        return String(text)
    }
}
