import CArchive
import Kernel

/// Makes a tar archive (POSIX ustar), member by member.
///
/// The same members give the same bytes: times and owners are fixed, so that a repository that keeps equal
/// pieces once finds them.
final class ArchiveWriter {
    private let archive: OpaquePointer
    private let made = Made()

    /// What libarchive has written and nobody has taken yet.
    private final class Made {
        var bytes: [UInt8] = []
    }

    init() throws(Fault) {
        guard let archive = archive_write_new() else { throw ArchiveWriter.fault("there is no memory") }
        self.archive = archive
        let context = Unmanaged.passUnretained(made).toOpaque()
        // Without blocks of its own, what is written is there at once.
        let isReady =
            archive_write_set_format_pax_restricted(archive) == ARCHIVE_OK
            && archive_write_set_bytes_per_block(archive, 0) == ARCHIVE_OK
            && archive_write_set_bytes_in_last_block(archive, 1) == ARCHIVE_OK
            && archive_write_open2(
                archive, context, nil,
                { _, context, bytes, count in
                    guard let context, let bytes else { return -1 }
                    let made = Unmanaged<Made>.fromOpaque(context).takeUnretainedValue()
                    made.bytes += UnsafeRawBufferPointer(start: bytes, count: count)
                    return count
                }, nil, nil) == ARCHIVE_OK
        guard isReady else { throw failure() }
    }

    deinit { archive_write_free(archive) }

    /// The bytes of a member, its header included.
    func member(_ name: String, _ content: [UInt8]) throws(Fault) -> [UInt8] {
        guard let entry = archive_entry_new() else { throw ArchiveWriter.fault("there is no memory") }
        defer { archive_entry_free(entry) }
        archive_entry_set_pathname(entry, name)
        archive_entry_set_size(entry, Int64(content.count))
        archive_entry_set_filetype(entry, UInt32(S_IFREG))
        archive_entry_set_perm(entry, 0o600)
        archive_entry_set_mtime(entry, 0, 0)
        guard archive_write_header(archive, entry) == ARCHIVE_OK,
            content.isEmpty || archive_write_data(archive, content, content.count) == content.count,
            archive_write_finish_entry(archive) == ARCHIVE_OK
        else { throw failure() }
        return take()
    }

    /// The bytes that end the archive.
    func end() throws(Fault) -> [UInt8] {
        guard archive_write_close(archive) == ARCHIVE_OK else { throw failure() }
        return take()
    }

    private func take() -> [UInt8] {
        defer { made.bytes = [] }
        return made.bytes
    }

    private func failure() -> Fault {
        ArchiveWriter.fault(archive_error_string(archive).map { String(cString: $0) } ?? "it failed")
    }

    private static func fault(_ detail: String) -> Fault {
        Fault(.unavailable, doing: "write the backup's archive", detail)
    }
}
