import Contract
import Glibc
import Kernel

/// An uploaded file in the instance's directory, from its receipt until its import has ended.
struct ImportFile: Sendable {
    /// Bytes of the largest file that is taken.
    static let maximumBytes: Int64 = 2 * 1024 * 1024 * 1024
    /// How much of a file is looked at before the rest of it is taken.
    static let sampleBytes = 64 * 1024
    static let pieceBytes = 256 * 1024

    let path: String

    init(directory: String, operation: OperationID) {
        path = "\(directory)/\(operation).csv"
    }

    /// Writes `pieces` to the file and syncs it, calling `check` with its beginning as soon as that is there.
    /// Whatever fails, no file is left.
    ///
    /// - Returns: how many bytes the file has.
    func receive<Pieces: AsyncSequence>(
        _ pieces: Pieces, check: ([UInt8]) throws -> Void
    ) async throws -> Int64 where Pieces.Element == [UInt8] {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw unwritable() }
        defer { close(descriptor) }
        do {
            var sample: [UInt8] = []
            var isChecked = false
            var size: Int64 = 0
            for try await piece in pieces {
                size += Int64(piece.count)
                guard size <= ImportFile.maximumBytes else {
                    throw Fault(
                        .tooLarge, doing: ImportOptions.doing,
                        "a file has at most \(ImportFile.maximumBytes) bytes")
                }
                try write(piece, to: descriptor)
                guard !isChecked else { continue }
                sample += piece.prefix(ImportFile.sampleBytes - sample.count)
                if sample.count == ImportFile.sampleBytes {
                    try check(sample)
                    isChecked = true
                }
            }
            if !isChecked { try check(sample) }
            guard fsync(descriptor) == 0 else { throw unwritable() }
            return size
        } catch {
            remove()
            throw error
        }
    }

    /// The file's bytes, a piece at a time.
    func pieces(_ body: ([UInt8]) async throws -> Void) async throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw Fault(.gone, doing: ImportOptions.doing, "the uploaded file is no longer there")
        }
        defer { close(descriptor) }
        while true {
            let piece = try [UInt8](unsafeUninitializedCapacity: ImportFile.pieceBytes) { buffer, count in
                let bytes = read(descriptor, buffer.baseAddress, buffer.count)
                guard bytes >= 0 else {
                    throw Fault(
                        .unavailable, doing: ImportOptions.doing,
                        "the uploaded file cannot be read: \(String(cString: strerror(errno)))")
                }
                count = bytes
            }
            if piece.isEmpty { return }
            try await body(piece)
        }
    }

    func remove() { unlink(path) }

    private func write(_ bytes: [UInt8], to descriptor: Int32) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw unwritable() }
            rest = rest.dropFirst(written)
        }
    }

    private func unwritable() -> Fault {
        Fault(
            .unavailable, doing: ImportOptions.doing,
            "the upload cannot be kept: \(String(cString: strerror(errno)))",
            retryAfter: .seconds(30))
    }
}
