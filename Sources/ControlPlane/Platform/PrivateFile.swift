import Foundation
import Glibc
import Kernel

/// Files and directories that only the service's own user may read.
enum PrivateFile {
    /// Makes a directory and its parents, closed to others.
    static func makeDirectory(_ path: String) throws(Fault) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw Fault(.unavailable, doing: "make the directory \(path)", "it cannot be made", cause: error)
        }
    }

    /// The bytes of a file; nil when there is none.
    static func read(_ path: String) throws(Fault) -> [UInt8]? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Fault(.unavailable, doing: "read \(path)", "it cannot be read")
        }
        return Array(data)
    }

    /// Puts `bytes` into a file, whole or not at all, also after a power cut. A file that has them already,
    /// closed to others, stays as it is.
    static func write(_ bytes: [UInt8], to path: String) throws(Fault) {
        if has(bytes, at: path) { return }
        let temporary = path + ".new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress! + written, bytes.count - written)
            }
            guard count > 0 || errno == EINTR else { throw failure(path) }
            written += max(0, count)
        }
        guard fsync(descriptor) == 0, rename(temporary, path) == 0 else { throw failure(path) }
    }

    private static func has(_ bytes: [UInt8], at path: String) -> Bool {
        var file = stat()
        guard lstat(path, &file) == 0, file.st_mode == S_IFREG | 0o600, file.st_size == bytes.count else {
            return false
        }
        return FileManager.default.contents(atPath: path).map { $0.elementsEqual(bytes) } ?? false
    }

    /// Removes a file or a directory with all in it; what is gone already is fine.
    static func remove(_ path: String) throws(Fault) {
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch CocoaError.fileNoSuchFile {
            return
        } catch {
            throw Fault(.unavailable, doing: "remove \(path)", "it cannot be removed", cause: error)
        }
    }

    private static func failure(_ path: String) -> Fault {
        Fault(.unavailable, doing: "write \(path)", String(cString: strerror(errno)))
    }
}
