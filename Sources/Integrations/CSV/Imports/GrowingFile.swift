import Glibc
import Kernel

/// A file that is written from its beginning and synced as it grows: no sync has much to do, and so none
/// holds up for long the thread it is on.
struct GrowingFile: ~Copyable {
    /// Bytes that are written between two syncs.
    static let stepBytes = 8 * 1024 * 1024

    /// Bytes that a crash of the machine may still take away.
    private(set) var unsyncedBytes = 0
    private let descriptor: Int32
    /// A sync has failed: the system says so once, and what was not written then never is.
    private var isBroken = false

    /// Makes the file, for its owner alone; one that is there is emptied.
    init(path: String) throws(Fault) {
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw GrowingFile.unwritable() }
    }

    /// Opens the file to write on; nobody else does until it is closed.
    ///
    /// - Throws: `Fault.conflict` while somebody else writes, `Fault.gone` where there is no such file.
    init(continuing path: String, doing: String) throws(Fault) {
        descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            guard errno == ENOENT else { throw GrowingFile.unwritable() }
            throw Fault(.gone, doing: doing, "the file is no longer there; send it again")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw Fault(
                .conflict, doing: doing, "another request is writing to it", retryAfter: .seconds(1))
        }
    }

    /// Keeps the first `bytes`, behind which is written on.
    ///
    /// - Throws: `Fault.gone` where there are fewer.
    mutating func keep(_ bytes: Int64) throws(Fault) {
        let size = lseek(descriptor, 0, SEEK_END)
        guard size >= bytes else {
            throw Fault(
                .gone, doing: ImportOptions.doing, "\(bytes - Int64(size)) bytes of the file are missing")
        }
        guard ftruncate(descriptor, off_t(bytes)) == 0, lseek(descriptor, off_t(bytes), SEEK_SET) >= 0 else {
            throw GrowingFile.unwritable()
        }
    }

    deinit { close(descriptor) }

    /// Appends `bytes`.
    mutating func write(_ bytes: [UInt8]) throws(Fault) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let step = rest.prefix(GrowingFile.stepBytes - unsyncedBytes)
            let written = step.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw GrowingFile.unwritable() }
            rest = rest.dropFirst(written)
            unsyncedBytes += written
            guard unsyncedBytes == GrowingFile.stepBytes else { continue }
            guard !isBroken, fdatasync(descriptor) == 0 else {
                isBroken = true
                throw GrowingFile.unwritable()
            }
            unsyncedBytes = 0
        }
    }

    /// When this returns, the file survives a crash of the machine.
    mutating func sync() throws(Fault) {
        guard !isBroken, fsync(descriptor) == 0 else {
            isBroken = true
            throw GrowingFile.unwritable()
        }
        unsyncedBytes = 0
    }

    /// Makes the names of files in a directory survive a crash of the machine.
    static func sync(directory path: String) throws(Fault) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unwritable() }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw unwritable() }
    }

    private static func unwritable() -> Fault {
        Fault(
            .unavailable, doing: ImportOptions.doing,
            "the upload cannot be kept: \(String(cString: strerror(errno)))",
            retryAfter: .seconds(30))
    }
}
