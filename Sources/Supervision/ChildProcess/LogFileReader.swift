import Contract
import FoundationEssentials
import Glibc
import Kernel

/// One unit's log as it is in its file and in the old one beside it.
///
/// A place is an offset and a digest of what is before it: after the file was emptied, the same digest finds
/// the place in the old file, and a place that is in neither is lost.
actor LogFileReader: UnitLogReader {
    /// How often the file is looked at while there is nothing new.
    static let period = Duration.milliseconds(250)
    /// A line with more is cut in parts.
    static let longestLine = 32 << 10

    private let path: String
    private let clock: any Clock<Duration>
    private let start: LogStart
    private var place: LogPlace?
    /// Whether the place is the beginning of the old file, which looks like that of the present one.
    private var isBeforeAll = false
    /// When the line before was written: what a line without a time of its own counts as.
    private var lastInstant: Timestamp?

    init(_ path: String, from start: LogStart, clock: any Clock<Duration>) {
        self.path = path
        self.start = start
        self.clock = clock
    }

    func next(_ count: Int, within limit: Duration) async throws -> [LogEntry] {
        let waited = clock.stopwatch()
        while true {
            let entries = try read(count)
            if !entries.isEmpty { return entries }
            let rest = limit - waited()
            guard rest > .zero, !Task.isCancelled else { return [] }
            do { try await clock.sleep(for: min(rest, LogFileReader.period)) } catch { return [] }
        }
    }
}

/// How far a log has been read.
struct LogPlace: Sendable, Equatable {
    /// Bytes before a place that tell it from the same offset of another file.
    static let anchorBytes: Int64 = 64

    var offset: Int64
    var anchor: String

    init(offset: Int64, after bytes: some Collection<UInt8>) {
        self.offset = offset
        var digest = StableDigest()
        digest.add([String(decoding: bytes, as: UTF8.self)])
        anchor = digest.text
    }

    /// Reads a cursor; nil when the text is none.
    init?(_ cursor: String) {
        let parts = cursor.split(separator: "-")
        guard parts.count == 2, let offset = Int64(parts[0]), offset >= 0, parts[1].count == 16 else {
            return nil
        }
        self.offset = offset
        anchor = String(parts[1])
    }

    var cursor: String { "\(offset)-\(anchor)" }
}

// MARK: - Reading

extension LogFileReader {
    private func read(_ count: Int) throws -> [LogEntry] {
        let (old, present) = (LogFileBytes(LogFile.old(path)), LogFileBytes(path))
        guard let present else { return [] }
        let place: LogPlace
        if let known = self.place { place = known } else { place = try first(old, present) }
        self.place = place
        if !isBeforeAll, present.has(place) {
            return entries(of: present, from: place, count, isOld: false)
        }
        var found: [LogEntry] = []
        if let old {
            let known = old.has(place) ? place : LogPlace(offset: 0, after: [])
            found = entries(of: old, from: known, count, isOld: true)
        }
        guard found.count < count else { return found }
        return found
            + entries(of: present, from: LogPlace(offset: 0, after: []), count - found.count, isOld: false)
    }

    /// The lines from `place` on; the last one of an old file may lack its end.
    private func entries(
        of file: LogFileBytes, from place: LogPlace, _ count: Int, isOld: Bool
    ) -> [LogEntry] {
        var entries: [LogEntry] = []
        var offset = place.offset
        while entries.count < count {
            let bytes = file.bytes(at: offset, LogFileReader.longestLine)
            guard !bytes.isEmpty else { break }
            var rest = bytes[...]
            while entries.count < count, let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let line = rest[..<end]
                rest = rest[(end + 1)...]
                offset += Int64(line.count + 1)
                append(line, of: file, endingAt: offset, to: &entries)
            }
            if rest.count < bytes.count { continue }
            guard isOld || bytes.count == LogFileReader.longestLine else { break }
            offset += Int64(bytes.count)
            append(bytes[...], of: file, endingAt: offset, to: &entries)
        }
        if offset != place.offset { (self.place, isBeforeAll) = (file.place(at: offset), false) }
        return entries
    }

    private func append(
        _ line: ArraySlice<UInt8>, of file: LogFileBytes, endingAt offset: Int64, to entries: inout [LogEntry]
    ) {
        guard !line.isEmpty else { return }
        let text = LogLine(String(decoding: line, as: UTF8.self))
        let at = text.at ?? lastInstant ?? file.modified
        lastInstant = at
        entries.append(
            LogEntry(
                cursor: file.place(at: offset).cursor, at: at, level: text.level ?? .info,
                source: text.logger == LogLine.supervisor ? .supervisor : .service, message: text.message))
    }
}

// MARK: - Beginning

extension LogFileReader {
    /// Where the reading begins. A place in the old file is one that the present file does not have.
    private func first(_ old: LogFileBytes?, _ present: LogFileBytes) throws(Fault) -> LogPlace {
        switch start {
        case .after(let cursor):
            guard let place = LogPlace(cursor) else {
                throw Fault(.invalid, doing: "read the log", "'\(cursor)' is no cursor", field: "cursor")
            }
            return place
        case .last(let count):
            let (offset, found) = present.offset(ofLast: count)
            guard found < count, let old else { return present.place(at: offset) }
            return begin(old, at: old.offset(ofLast: count - found).offset)
        case .since(let instant):
            if let old, let oldest = present.instant(from: 0), instant < oldest {
                return begin(old, at: old.offset(since: instant))
            }
            return present.place(at: present.offset(since: instant))
        }
    }

    private func begin(_ old: LogFileBytes, at offset: Int64) -> LogPlace {
        isBeforeAll = offset == 0
        return old.place(at: offset)
    }
}
