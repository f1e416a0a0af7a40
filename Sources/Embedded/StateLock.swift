import CLinux
import Glibc
import Kernel

/// The right to use a state directory, from `StateDirectory.lock()` until the last reference is gone.
public final class StateLock: Sendable {
    private let descriptor: Int32

    init(file: String, of directory: String) throws(Fault) {
        let doing = "use the state directory \(directory)"
        descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Fault(.unavailable, doing: doing, "\(file): \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let holder = PrivateFiles.read(file).map { "process \($0)" } ?? "another process"
            close(descriptor)
            throw Fault(.conflict, doing: doing, "\(holder) is running on it; stop that one first")
        }
        let pid = Array("\(getpid())".utf8)
        ftruncate(descriptor, 0)
        pwrite(descriptor, pid, pid.count, 0)
    }

    deinit { close(descriptor) }
}
