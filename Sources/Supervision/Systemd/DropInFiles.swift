import FoundationEssentials
import Glibc
import Kernel

/// Where the drop-ins of all units of one template lie.
struct DropInFiles: Sendable {
    /// `/etc/systemd/system`, or below a test's own root.
    let root: String
    /// The drop-in's name; of two that say the same thing, the later in the alphabet holds.
    var file = "50-brand.conf"

    private func directory(_ name: String) -> String { "\(root)/\(name).service.d" }

    func path(_ name: String) -> String { "\(directory(name))/\(file)" }

    /// The text that is there; nil when there is none that can be read.
    func text(_ name: String) -> String? {
        guard let data = FileManager.default.contents(atPath: path(name)) else { return nil }
        return String(decoding: data, as: UTF8.self)
    }

    /// When the text was written; nil when there is none.
    func written(_ name: String) -> Timestamp? {
        var file = stat()
        guard stat(path(name), &file) == 0 else { return nil }
        let modified = file.st_mtim
        return Timestamp(
            microseconds: Int64(modified.tv_sec) * 1_000_000 + Int64(modified.tv_nsec) / 1000)
    }

    /// The names of all units of the template that have a drop-in.
    func names(of template: String) -> [String] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        let suffix = ".service.d"
        return entries.filter { $0.hasPrefix(template + "@") && $0.hasSuffix(suffix) }
            .map { String($0.dropLast(suffix.count)) }
            .filter { access(path($0), F_OK) == 0 }
    }

    /// Sees to it that the text is there and survives a loss of power; returns whether it was another.
    func write(_ new: String, for name: String) throws(Fault) -> Bool {
        if text(name) == new { return false }
        let doing = "write \(path(name))"
        // What lies in /run may not be there yet.
        mkdir(root, 0o755)
        guard mkdir(directory(name), 0o755) == 0 || errno == EEXIST else {
            throw Fault(systemErrorWhile: doing)
        }
        let temporary = "\(directory(name))/.\(file).new"
        try DropInFiles.save(new, to: temporary, doing: doing)
        guard rename(temporary, path(name)) == 0 else { throw Fault(systemErrorWhile: doing) }
        DropInFiles.sync(directory(name))
        DropInFiles.sync(root)
        return true
    }

    /// Takes the drop-in away, and its directory unless somebody else has files there; returns whether there
    /// was one.
    func remove(_ name: String) throws(Fault) -> Bool {
        guard unlink(path(name)) == 0 else {
            guard errno == ENOENT || errno == ENOTDIR else {
                throw Fault(systemErrorWhile: "remove \(path(name))")
            }
            rmdir(directory(name))
            return false
        }
        DropInFiles.sync(directory(name))
        rmdir(directory(name))
        DropInFiles.sync(root)
        return true
    }

    private static func save(_ text: String, to path: String, doing: String) throws(Fault) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw Fault(systemErrorWhile: doing) }
        defer { close(file) }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            guard count > 0 || errno == EINTR else { throw Fault(systemErrorWhile: doing) }
            rest = rest.dropFirst(max(0, count))
        }
        guard fsync(file) == 0 else { throw Fault(systemErrorWhile: doing) }
    }

    private static func sync(_ directory: String) {
        let file = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { return }
        fsync(file)
        close(file)
    }
}
