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
