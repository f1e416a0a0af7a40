import Foundation
import Glibc
import Kernel

/// The end of a pipe that another process reads from. Writing blocks a queue of its own, and nothing else.
///
/// Unchecked: its descriptor is used on that queue alone.
package final class PipeWriter: @unchecked Sendable {
    private let descriptor: Int32
    private let queue = DispatchQueue(label: "constintel.pipe")
    private var isClosed = false
    private var written = 0

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { if !isClosed { close(descriptor) } }

    /// Writes all of `bytes`; returns when the reader, or the pipe, has taken them.
    package func write(_ bytes: [UInt8]) async throws(Fault) {
        let failure: Int32? = await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: self.put(bytes)) }
        }
        if let failure {
            throw Fault(
                .unavailable, doing: "write the backup",
                "the repository's program takes no more: "
                    + String(cString: strerror(failure)))
        }
        if Task.isCancelled {
            throw Fault(.unavailable, doing: "write the backup", "it was given up")
        }
    }

    /// How many bytes were written.
    func count() async -> Int {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: self.written) }
        }
    }

    /// The reader sees the end.
    func end() async {
        await withCheckedContinuation { continuation in
            queue.async {
                if !self.isClosed { close(self.descriptor) }
                self.isClosed = true
                continuation.resume()
            }
        }
    }

    /// Gives the error's number when it cannot.
    private func put(_ bytes: [UInt8]) -> Int32? {
        guard !isClosed else { return EPIPE }
        blockBrokenPipes()
        var start = 0
        while start < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress! + start, bytes.count - start)
            }
            guard count > 0 || errno == EINTR else { return errno }
            start += max(0, count)
        }
        written += bytes.count
        return nil
    }

    /// A reader that leaves is an error of the write, and must not end this process.
    private func blockBrokenPipes() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }
}

/// Both ends of a new pipe; neither is inherited by itself.
func makePipe() throws(Fault) -> (read: Int32, write: Int32) {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else {
        throw Fault(.unavailable, doing: "make a pipe", String(cString: strerror(errno)))
    }
    // Children of this process get no descriptor but those that they are given (`Supervision`).
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
}
