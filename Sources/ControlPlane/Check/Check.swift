import Contract
import Kernel

/// One thing of the installation that is looked at by itself. Looking changes nothing.
struct Check: Sendable {
    /// What has to answer before a look at much else is worth while.
    enum Part: String, Sendable {
        case controlDatabase = "the control database"
        case brandsDatabase = "the brands database"
        case redis = "Redis"
    }

    /// What is looked at, in the words of `runbooks/check.md`.
    let name: String
    /// The part whose answering this check is about; nil for all others.
    var probed: Part?
    /// Without these parts there is nothing to look at.
    var needs: [Part] = []
    /// What somebody does who finds it not ok.
    let remedy: String
    let look: @Sendable () async throws -> Seen

    /// What it has seen as it is told.
    func finding(_ seen: Seen) -> Finding {
        Finding(
            check: name, status: seen.status, seen: seen.text, remedy: seen.status == .ok ? nil : remedy,
            brands: seen.brands)
    }
}

/// What a check has seen: how bad it is, in one line, and which brands it is about.
struct Seen: Sendable {
    var status: Finding.Status
    var text: String
    var brands: [Slug] = []

    static func ok(_ text: String) -> Seen { Seen(status: .ok, text: text) }
    static func warning(_ text: String) -> Seen { Seen(status: .warning, text: text) }
    static func failed(_ text: String) -> Seen { Seen(status: .failed, text: text) }
}

/// Something that is wrong with one of many.
struct Trouble: Sendable {
    /// The brand, job, directory.
    let subject: String
    let status: Finding.Status
    let what: String

    static func warning(_ subject: some CustomStringConvertible, _ what: String) -> Trouble {
        Trouble(subject: "\(subject)", status: .warning, what: what)
    }

    static func failed(_ subject: some CustomStringConvertible, _ what: String) -> Trouble {
        Trouble(subject: "\(subject)", status: .failed, what: what)
    }
}

extension Seen {
    /// Subjects that a line names; `Seen.brands` has the others.
    private static let named = 3
    /// Characters that a line says of one subject.
    private static let wordsOfOne = 240

    /// What is wrong with some of `count` things, summed into one line that begins with the worst.
    init(_ troubles: [Trouble], among count: Int, _ noun: String) {
        let bySubject = Dictionary(grouping: troubles, by: \.subject).map { subject, all in
            Trouble(
                subject: subject, status: all.map(\.status).max() ?? .ok,
                what: String(all.map(\.what).joined(separator: ", ").prefix(Seen.wordsOfOne)))
        }.sorted { ($1.status, $0.subject) < ($0.status, $1.subject) }
        guard !bySubject.isEmpty else {
            self = .ok(counted(count, noun))
            return
        }
        let told = bySubject.prefix(Seen.named).map { "\($0.subject): \($0.what)" }.joined(separator: "; ")
        let share = "\(bySubject.count) of \(counted(count, noun))"
        let more = bySubject.count > Seen.named ? "; and \(bySubject.count - Seen.named) more" : ""
        self.init(
            status: bySubject[0].status, text: "\(share): \(told)\(more)",
            brands: noun == "brand" ? bySubject.compactMap { try? Slug($0.subject) } : [])
    }
}

/// `count` with its noun: `1 event`, `2 events`.
func counted(_ count: some BinaryInteger, _ noun: String) -> String {
    count == 1 ? "1 \(noun)" : "\(count) \(noun)s"
}

/// A number of bytes as people say it, such as `1.5 GB`.
func bytesInWords(_ bytes: UInt64) -> String {
    for (unit, size) in [("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20)] where bytes >= UInt64(size) {
        let tenths = bytes / UInt64(size / 10)
        return "\(tenths / 10).\(tenths % 10) \(unit)"
    }
    return "\(bytes / 1024) kB"
}
