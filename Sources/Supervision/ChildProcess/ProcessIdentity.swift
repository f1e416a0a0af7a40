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

    /// Kills what the process left behind in its session, such as nginx's workers, which would keep its port.
    ///
    /// Call it when the process itself has ended. The kernel does not give its number to another process as
    /// long as the session has members.
    func killSurvivors() {
        guard bootId == ProcessIdentity.currentBootId, !isAlive else { return }
        for pid in ProcessEntry.everyPid {
            guard let entry = ProcessEntry(pid: pid), entry.session == self.pid, entry.startTime >= startTime
            else { continue }
            kill(pid, SIGKILL)
        }
    }

    /// The session leaders whose output goes to the file at `path`: children of a supervisor that was killed
    /// before it had recorded them, for no other has that file.
    static func leaders(writingTo path: String) -> [ProcessIdentity] {
        var log = stat()
        guard stat(path, &log) == 0 else { return [] }
        return ProcessEntry.everyPid.compactMap { pid in
            var output = stat()
            guard stat("/proc/\(pid)/fd/1", &output) == 0, output.st_ino == log.st_ino,
                output.st_dev == log.st_dev,
                ProcessEntry(pid: pid)?.session == pid
            else { return nil }
            return ProcessIdentity(of: pid)
        }
    }

    private static let currentBootId =
        readText("/proc/sys/kernel/random/boot_id")?.trimmingSuffix { $0.isWhitespace } ?? ""
}

/// What `/proc/<pid>/stat` says, by proc(5).
private struct ProcessEntry {
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
        hasEnded = fields[0] == "Z" || fields[0] == "X"
        self.session = session
        self.startTime = startTime
    }

    static var everyPid: [Int32] {
        guard let directory = opendir("/proc") else { return [] }
        defer { closedir(directory) }
        var pids: [Int32] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let pid = Int32(name) { pids.append(pid) }
        }
        return pids
    }
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
