import Contract
import Events
import Foundation
import Kernel

/// An uploaded file in the instance's directory, from its receipt until its import has ended.
struct ImportFile: Sendable {
    /// Bytes of the largest file that is taken.
    static let maximumBytes: Int64 = 2 * 1024 * 1024 * 1024
    /// How much of a file is looked at before the rest of it is taken.
    static let sampleBytes = 64 * 1024
    static let pieceBytes = 256 * 1024

    let operation: OperationID
    private let directory: String
    private let lowDiskBytes: UInt64

    /// - Parameter lowDiskBytes: free bytes of the disk below which nothing more is received.
    init(directory: String, operation: OperationID, lowDiskBytes: UInt64 = IntakeGate.lowDiskBytes) {
        self.directory = directory
        self.operation = operation
        self.lowDiskBytes = lowDiskBytes
    }

    /// Those in `directory`.
    static func all(in directory: String) throws -> [ImportFile] {
        try FileManager.default.contentsOfDirectory(atPath: directory)
            .filter { $0.hasSuffix(ending) }
            .compactMap { OperationID($0.dropLast(ending.count)) }
            .map { ImportFile(directory: directory, operation: $0) }
    }

    private static let ending = ".csv"

    var path: String { "\(directory)/\(operation)\(ImportFile.ending)" }

    /// Writes `pieces` to the file and syncs it, calling `check` with its beginning as soon as that is there.
    /// Whatever fails, no file is left.
    ///
    /// - Parameter length: how many bytes `pieces` were announced to have: a connection that breaks may end
    ///   them early without an error.
    /// - Returns: how many bytes the file has.
    func receive<Pieces: AsyncSequence>(
        _ pieces: Pieces, length: Int64?, check: ([UInt8]) throws -> Void
    ) async throws -> Int64 where Pieces.Element == [UInt8] {
        do {
            var file = try GrowingFile(path: path)
            var sample: [UInt8] = []
            var isChecked = false
            var size: Int64 = 0
            for try await piece in pieces {
                size += Int64(piece.count)
                try checkRoom(for: size)
                try file.write(piece)
                guard !isChecked else { continue }
                sample += piece.prefix(ImportFile.sampleBytes - sample.count)
                if sample.count == ImportFile.sampleBytes {
                    try check(sample)
                    isChecked = true
                }
            }
            if let length, size != length {
                throw Fault(
                    .invalid, doing: ImportOptions.doing, "the upload ended after \(size) of \(length) bytes")
            }
            if !isChecked { try check(sample) }
            try file.sync()
            try GrowingFile.sync(directory: directory)
            return size
        } catch {
            remove()
            throw error
        }
    }

    private func checkRoom(for size: Int64) throws(Fault) {
        guard size <= ImportFile.maximumBytes else {
            throw Fault(
                .tooLarge, doing: ImportOptions.doing, "a file has at most \(ImportFile.maximumBytes) bytes")
        }
        guard IntakeGate.freeBytes(at: directory) >= lowDiskBytes else {
            throw Fault(
                .unavailable, doing: ImportOptions.doing, "the disk for uploads is nearly full",
                retryAfter: .seconds(30))
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
}
