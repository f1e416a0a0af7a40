import Contract
import Postgres

/// One comparison of what is stored with what was folded anew, and how the first becomes the second.
package struct RefoldCheck: Sendable {
    /// What differs, in a word or two.
    package let kind: String
    /// Selects a row for each difference.
    private let difference: SQL
    /// Makes a sentence of a row of `difference`.
    private let words: SQL
    /// What takes the difference away.
    private let corrections: [SQL]

    package init(_ kind: String, difference: SQL, words: SQL, corrections: [SQL]) {
        self.kind = kind
        self.difference = difference
        self.words = words
        self.corrections = corrections
    }

    /// What differs, and takes it away when `isApplied`; nil when nothing differs.
    package func run(
        isApplied: Bool, in transaction: PostgresTransaction
    ) async throws -> RefoldReport.Difference? {
        let rows = try await transaction.run(
            "with differing as materialized (" + difference + """
                ), shown as (select * from differing order by 1, 2 limit \(RefoldReport.maximumSamples))
                select (select count(*) from differing),
                """ + " " + words + " from shown order by 2")
        let found = try rows.decode((Int64, String).self)
        guard let first = found.first else { return nil }
        if isApplied { try await transaction.run(all: corrections) }
        return .init(kind: kind, count: first.0, samples: found.map(\.1))
    }
}

extension RefoldCheck {
    /// An identifier in words: `email a@b.com`.
    ///
    /// - Parameter column: an expression that gives its id.
    package static func identifier(_ column: SQL) -> SQL {
        "coalesce((select i.kind || ' ' || i.value from refold_identifier i where i.id = \(column)), "
            + "'identifier ' || \(column), 'none')"
    }

    /// A value in words; `none` for null.
    package static func value(_ expression: SQL) -> SQL { "coalesce((\(expression))::text, 'none')" }
}
