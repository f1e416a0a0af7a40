import Contract
import Glibc
import Kernel

/// Whether there is room for a schema beside the others. The disk is all brands', and one that is full stops
/// them all, so that is looked at before anything is loaded.
struct DiskRoom: Sendable {
    /// Where PostgreSQL lies; nil where that is not on this machine.
    let directory: String?

    /// What a schema takes while it is filled, in bytes for each byte of the archive: its rows with their
    /// headers, its indexes, and the log of writing both.
    static let bytesPerArchivedByte: UInt64 = 4

    /// - Parameter backup: what is to be loaded.
    /// - Throws: `Fault.conflict` that says how much is needed and how much is there.
    func require(for backup: BackupStore.Backup, doing: String) throws(Fault) {
        let needed =
            UInt64(max(0, backup.bytes)) * DiskRoom.bytesPerArchivedByte + InstanceConfiguration.lowDiskBytes
        guard let directory, let free = DiskRoom.freeBytes(at: directory), free < needed else { return }
        throw Fault(
            .conflict, doing: doing,
            "\(directory) has \(bytesInWords(free)) free, and up to \(bytesInWords(needed)) may be needed")
    }

    /// Nil for what cannot be asked: whoever writes there will say so.
    private static func freeBytes(at directory: String) -> UInt64? {
        var information = statvfs()
        guard statvfs(directory, &information) == 0 else { return nil }
        return UInt64(information.f_bavail) * UInt64(information.f_frsize)
    }
}
