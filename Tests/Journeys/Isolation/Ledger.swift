/// What was tried, and what of it was not refused.
struct Ledger: Sendable {
    /// How often what was tried, by its kind.
    private(set) var tried: [String: Int] = [:]
    /// Each thing that should have been refused, and what came instead.
    private(set) var breaches: [String] = []

    /// Notes one try; `answer` is what came instead of a refusal.
    mutating func note(_ kind: String, _ what: String, breach answer: String?) {
        tried[kind, default: 0] += 1
        if let answer { breaches.append("\(kind): \(what.prefix(200)) → \(answer.prefix(200))") }
    }

    static func += (left: inout Ledger, right: Ledger) {
        left.tried.merge(right.tried, uniquingKeysWith: +)
        left.breaches += right.breaches
    }

    /// How many tries there were.
    var count: Int { tried.values.reduce(0, +) }

    /// `1,234 tries: select 300, update 200, …`
    var summary: String {
        let kinds = tried.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.key) \($0.value)" }
        return "\(count) tries, \(breaches.count) not refused: \(kinds.joined(separator: ", "))"
    }

    /// The first breaches, to be shown.
    var shown: String { breaches.prefix(12).joined(separator: "\n") }
}
