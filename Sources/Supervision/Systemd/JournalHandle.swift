import CSystemd
import Glibc
import Kernel

/// A place in the journal, among the entries about one unit: what its processes wrote, and what systemd wrote
/// of it.
struct JournalHandle: ~Copyable {
    private let journal: OpaquePointer

    /// Opens the machine's journal before its first entry. Who may not read it sees an empty one.
    init(unit: String) throws(Fault) {
        var journal: OpaquePointer?
        var result = sd_journal_open(&journal, Int32(SD_JOURNAL_LOCAL_ONLY))
        guard result >= 0, let journal else { throw JournalHandle.fault(result) }
        for match in ["_SYSTEMD_UNIT=\(unit)", nil, "UNIT=\(unit)", "_PID=1"] where result >= 0 {
            if let match {
                result = sd_journal_add_match(journal, match, match.utf8.count)
            } else {
                result = sd_journal_add_disjunction(journal)
            }
        }
        guard result >= 0 else {
            sd_journal_close(journal)
            throw JournalHandle.fault(result)
        }
        self.journal = journal
    }

    deinit { sd_journal_close(journal) }

    /// What becomes readable when there may be more entries.
    func descriptor() throws(Fault) -> Int32 {
        let descriptor = sd_journal_get_fd(journal)
        guard descriptor >= 0 else { throw JournalHandle.fault(descriptor) }
        return descriptor
    }

    /// Takes note that the descriptor was readable.
    func process() { sd_journal_process(journal) }

    /// Moves so that the next entry is the one `count` before the end, or the first that is to come.
    func seek(beforeEnd count: Int) throws(Fault) {
        try check(sd_journal_seek_tail(journal))
        let moved = sd_journal_previous_skip(journal, UInt64(count) + 1)
        try check(moved)
        if moved < count + 1 { try check(sd_journal_seek_head(journal)) }
    }

    /// Moves so that the next entry is the first one that is not older.
    func seek(since instant: Timestamp) throws(Fault) {
        try check(sd_journal_seek_realtime_usec(journal, UInt64(clamping: instant.microseconds)))
    }

    /// Moves so that the next entry is the first one after that with `cursor`, or after its time when it is
    /// there no more. Throws when the text is no cursor.
    func seek(after cursor: String) throws(Fault) {
        guard sd_journal_seek_cursor(journal, cursor) >= 0 else {
            throw Fault(.invalid, doing: "read the journal", "'\(cursor)' is no cursor", field: "cursor")
        }
        let moved = sd_journal_next(journal)
        try check(moved)
        guard moved > 0 else { return }
        if sd_journal_test_cursor(journal, cursor) == 0 { try check(sd_journal_previous(journal)) }
    }

    /// Moves on, and reads the entry there; nil at the end.
    func next() throws(Fault) -> JournalEntry? {
        let moved = sd_journal_next(journal)
        try check(moved)
        guard moved > 0 else { return nil }
        var microseconds: UInt64 = 0
        try check(sd_journal_get_realtime_usec(journal, &microseconds))
        var cursor: UnsafeMutablePointer<CChar>?
        try check(sd_journal_get_cursor(journal, &cursor))
        defer { free(cursor) }
        return JournalEntry(
            cursor: cursor.map { String(cString: $0) } ?? "",
            at: Timestamp(microseconds: Int64(clamping: microseconds)),
            priority: field("PRIORITY").flatMap { Int($0) } ?? JournalEntry.usualPriority,
            message: field("MESSAGE") ?? "", pid: field("_PID").flatMap { Int32($0) })
    }

    private func field(_ name: String) -> String? {
        var data: UnsafeRawPointer?
        var count = 0
        guard sd_journal_get_data(journal, name, &data, &count) >= 0, let data else { return nil }
        let bytes = UnsafeRawBufferPointer(start: data, count: count).dropFirst(name.utf8.count + 1)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func check(_ result: Int32) throws(Fault) {
        if result < 0 { throw JournalHandle.fault(result) }
    }

    private static func fault(_ result: Int32) -> Fault {
        Fault(.unavailable, doing: "read the journal", String(cString: strerror(-result)))
    }
}
