import Contract
import Kernel
import Synchronization

/// A row of the audit log.
struct AuditRow: Sendable {
    /// What a request's first row has as its outcome.
    static let begun = "begun"
    /// Who has no credentials, or none that are good.
    static let nobody = "nobody"

    let id: UUIDv7
    let at: Timestamp
    /// `local`, `user <id>`, `nobody`, or `constinteld` for what the daemon does by itself.
    var actor: String
    let origin: String
    let action: String
    var subject: String?
    var outcome = AuditRow.begun
    /// The row that this one is the outcome of.
    var begunBy: UUIDv7?
    var operation: OperationID?
    var requestID: String?
    var detail: String?

    /// The row that says how the request of this one has ended.
    func ended(
        _ id: UUIDv7, at: Timestamp, outcome: String, _ note: AuditNote.Content, operation: OperationID?
    ) -> AuditRow {
        AuditRow(
            id: id, at: at, actor: note.actor ?? actor, origin: origin, action: action,
            subject: note.subject ?? subject, outcome: outcome, begunBy: self.id,
            operation: operation ?? self.operation, requestID: requestID, detail: note.detail)
    }
}

/// What a route tells the audit log of the request that it answers, beside what the request itself shows.
///
/// Never a password, a key, a token or a body.
final class AuditNote: Sendable {
    /// What has been told.
    struct Content: Sendable {
        /// Who it was, where the route has found out.
        var actor: String?
        var subject: String?
        var detail: String?
        /// What it has done besides, each to be told under its own subject.
        var others: [(action: String, subject: String, detail: String)] = []
    }

    /// The note of the request that this task answers; nil where none is recorded.
    @TaskLocal static var current: AuditNote?

    fileprivate let state = Mutex(Content())

    var content: Content { state.withLock { $0 } }

    /// Adds to the note of the present request; what is nil stays as it was.
    static func add(actor: String? = nil, subject: String? = nil, detail: String? = nil) {
        current?.state.withLock { content in
            content.actor = actor ?? content.actor
            content.subject = subject ?? content.subject
            content.detail = detail ?? content.detail
        }
    }
}

extension AuditNote {
    /// Adds a row of its own for something that the present request has done.
    static func add(action: String, subject: String, detail: String) {
        current?.state.withLock { $0.others.append((action, subject, AuditText.detail(detail))) }
    }
}

/// Makes text fit for the log, whoever sent it.
enum AuditText {
    /// Characters of a detail.
    static let maximumDetail = 500
    /// Characters of one segment of a path.
    static let maximumSegment = 64

    /// Characters of a word: a longer one is a token, and is not shown.
    static let maximumWord = 40

    /// `text` on one line, cut, and without what looks like a key or a token.
    static func detail(_ text: String) -> String {
        var clean = ""
        var word = ""
        func flush() {
            let isSecret = word.hasPrefix("ci_") || word.hasPrefix("eyJ") || word.count > maximumWord
            clean += isSecret ? "…" : word
            word = ""
        }
        for scalar in text.unicodeScalars.prefix(maximumDetail) {
            if scalar == "_" || scalar == "-" || scalar.properties.isAlphabetic
                || scalar.properties.numericType != nil
            {
                word.unicodeScalars.append(scalar)
            } else {
                flush()
                let isControl = scalar.properties.generalCategory == .control
                clean.unicodeScalars.append(isControl ? " " : scalar)
            }
        }
        flush()
        return clean
    }

    /// A path as it was sent; a segment that is no slug, id or word of ours is shown as `*`, since it may be
    /// a key in the wrong place.
    static func path(_ path: String) -> String {
        path.split(separator: "/").map { segment in
            let isPlain =
                segment.utf8.count <= maximumSegment
                && segment.utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") }
            return isPlain ? "/\(segment)" : "/*"
        }.joined()
    }
}
