import Glibc
import Kernel
import NIOCore

/// A file that is open for reading, from its beginning to its end, once.
final class InputFile: Sendable {
    let path: String
    /// The bytes in it when it was opened; nil for a pipe, which ends when it ends.
    let length: Int64?
    private let descriptor: Int32

    /// Opens the file at `path`, or standard input for `-`; `doing` is what it is opened for.
    init(_ path: String, doing: String) throws(Fault) {
        let descriptor = path == "-" ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Fault(.invalid, doing: doing, "\(path): \(systemError())") }
        var status = stat()
        fstat(descriptor, &status)
        guard status.st_mode & S_IFMT != S_IFDIR else {
            close(descriptor)
            throw Fault(.invalid, doing: doing, "\(path) is a directory")
        }
        self.path = path
        self.descriptor = descriptor
        length = path != "-" && status.st_mode & S_IFMT == S_IFREG ? Int64(status.st_size) : nil
    }

    deinit { close(descriptor) }

    /// The bytes from `offset` on, at most `limit` and fewer at the end. A pipe has none to look at twice.
    func read(at offset: Int64, upTo limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < limit {
            var piece = [UInt8](repeating: 0, count: limit - bytes.count)
            let count = pread(descriptor, &piece, piece.count, off_t(offset) + off_t(bytes.count))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Fault(.invalid, doing: "read \(path)", systemError()) }
            if count == 0 { break }
            bytes += piece.prefix(count)
        }
        return bytes
    }

    /// When it was changed, in nanoseconds since 1970.
    var changedAt: Int64 {
        var status = stat()
        fstat(descriptor, &status)
        return Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
    }

    /// The next bytes, at most `limit`; nil at the end.
    func read(upTo limit: Int) throws -> ByteBuffer? {
        var buffer = ByteBuffer()
        let count = try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: limit) { space in
            var count = 0
            repeat {
                count = Glibc.read(descriptor, space.baseAddress, limit)
            } while count < 0 && errno == EINTR
            guard count >= 0 else { throw Fault(.invalid, doing: "read \(path)", systemError()) }
            return count
        }
        return count == 0 ? nil : buffer
    }
}

/// The bytes of a file in pieces, as the body of a request: never more than a few pieces are in memory.
struct FileUpload: AsyncSequence, Sendable {
    private static let pieceSize = 128 << 10

    let file: InputFile
    /// Told how many bytes were handed over so far.
    let onSent: @Sendable (Int64) async -> Void

    var length: Int64? { file.length }

    func makeAsyncIterator() -> Iterator { Iterator(upload: self) }

    struct Iterator: AsyncIteratorProtocol {
        private let upload: FileUpload
        private var sent: Int64 = 0

        fileprivate init(upload: FileUpload) { self.upload = upload }

        /// The next piece. What was appended to the file since it was opened is left for another time.
        mutating func next() async throws -> ByteBuffer? {
            let rest = upload.length.map { Int(clamping: $0 - sent) } ?? FileUpload.pieceSize
            guard rest > 0, let piece = try upload.file.read(upTo: Swift.min(rest, FileUpload.pieceSize))
            else {
                return nil
            }
            sent += Int64(piece.readableBytes)
            await upload.onSent(sent)
            return piece
        }
    }
}

/// A new file that is written from its beginning.
final class OutputFile: Sendable {
    private let path: String
    private let doing: String
    private let descriptor: Int32

    /// Makes the file; one that is there is left alone.
    ///
    /// - Throws: `Fault.conflict` where there is one, `Fault.invalid` where none can be made.
    init(_ path: String, doing: String) throws(Fault) {
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Fault(errno == EEXIST ? .conflict : .invalid, doing: doing, systemError())
        }
        self.path = path
        self.doing = doing
    }

    deinit { close(descriptor) }

    /// Takes the file away again.
    func remove() { unlink(path) }

    func write(_ bytes: [UInt8]) throws(Fault) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw Fault(.invalid, doing: doing, systemError()) }
            rest = rest.dropFirst(written)
        }
    }
}
