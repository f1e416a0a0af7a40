import CArchive
import Foundation
import Glibc
import Kernel

/// Reads a tar archive from a pipe, a member at a time.
///
/// Unchecked: the handle is used on one queue alone, which may block: nothing else waits behind it.
package final class ArchiveReader: @unchecked Sendable {
    /// One member.
    package struct Member: Sendable {
        package let name: String
        package let content: [UInt8]
    }

    /// What a member may have; more is no backup of ours.
    package static let longestMember = 256 << 20

    private let archive: OpaquePointer
    private let descriptor: Int32
    private let queue = DispatchQueue(label: "constintel.archive")
    private var isOpen = false
    /// Whether all was read.
    private(set) var hasEnded = false

    /// - Parameter descriptor: where to read from; closed at the end.
    init(descriptor: Int32) throws(Fault) {
        guard let archive = archive_read_new() else {
            close(descriptor)
            throw ArchiveReader.fault(.unavailable, "there is no memory")
        }
        self.archive = archive
        self.descriptor = descriptor
        archive_read_support_format_tar(archive)
    }

    deinit {
        archive_read_free(archive)
        close(descriptor)
    }

    /// The next member; nil at the end of the archive.
    ///
    /// - Throws: `Fault.invalid` for what is no archive, or ends too early.
    package func next() async throws(Fault) -> Member? {
        let result: Result<Member?, Fault> = await withCheckedContinuation { continuation in
            queue.async {
                do throws(Fault) {
                    continuation.resume(returning: .success(try self.read()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    private func read() throws(Fault) -> Member? {
        if !isOpen {
            guard archive_read_open_fd(archive, descriptor, 1 << 16) == ARCHIVE_OK else { throw failure() }
            isOpen = true
        }
        var entry: OpaquePointer?
        switch archive_read_next_header(archive, &entry) {
        case ARCHIVE_EOF:
            hasEnded = true
            return nil
        case ARCHIVE_OK: break
        default: throw failure()
        }
        guard let entry, let name = archive_entry_pathname(entry) else { throw failure() }
        let size = Int(archive_entry_size(entry))
        guard size <= ArchiveReader.longestMember else {
            throw ArchiveReader.fault(.invalid, "a member has \(size) bytes, which is more than any has")
        }
        var content = [UInt8](repeating: 0, count: size)
        var count = 0
        while count < size {
            let read = content.withUnsafeMutableBytes {
                archive_read_data(archive, $0.baseAddress! + count, size - count)
            }
            guard read > 0 else { throw failure() }
            count += read
        }
        return Member(name: String(cString: name), content: content)
    }

    private func failure() -> Fault {
        ArchiveReader.fault(
            .invalid, archive_error_string(archive).map { String(cString: $0) } ?? "it ends too early")
    }

    private static func fault(_ code: Fault.Code, _ detail: String) -> Fault {
        Fault(code, doing: "read the backup's archive", detail)
    }
}
