import FoundationEssentials
import Glibc
import Kernel

/// Files and directories that only their owner may open.
enum PrivateFiles {
    /// Makes the directory and those above it, unless it is there.
    static func makeDirectory(_ path: String) throws(Fault) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw Fault(.unavailable, doing: "make the directory \(path)", "it cannot be made", cause: error)
        }
    }

    /// The file's text; nil when there is none.
    static func read(_ path: String) -> String? {
        (try? Data(contentsOf: URL(filePath: path))).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Replaces the file as a whole, on the disk when this returns: readers see the old text or the new.
    static func write(_ text: String, to path: String) throws(Fault) {
        let draft = "\(path).partial"
        let file = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        let bytes = Array(text.utf8)
        guard file >= 0 else { throw Fault(systemErrorWhile: "write \(path)") }
        defer { close(file) }
        guard Glibc.write(file, bytes, bytes.count) == bytes.count, fsync(file) == 0, rename(draft, path) == 0
        else { throw Fault(systemErrorWhile: "write \(path)") }
        sync(directoryOf: path)
    }

    /// Puts the renaming of `path` on the disk.
    static func sync(directoryOf path: String) {
        let directory = open(
            String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]), O_RDONLY | O_CLOEXEC)
        guard directory >= 0 else { return }
        fsync(directory)
        close(directory)
    }

    /// Makes `path` a link to `target`, for people to follow; what else is at `path` stays.
    static func link(_ path: String, to target: String) {
        var found = stat()
        if lstat(path, &found) == 0, found.st_mode & S_IFMT == S_IFLNK { unlink(path) }
        symlink(target, path)
    }
}

extension Fault {
    /// A fault that says what `errno` says.
    init(systemErrorWhile doing: String) {
        self.init(.unavailable, doing: doing, String(cString: strerror(errno)))
    }
}
