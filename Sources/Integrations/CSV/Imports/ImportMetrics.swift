import CoreMetrics

/// What is measured of imports. An import that begins again counts its rows again.
package struct ImportMetrics: Sendable {
    /// What the names mean.
    package static let help = ["constintel_import_rows_total": "Rows of imported files that were read."]

    private let accepted = ImportMetrics.rows("accepted")
    private let duplicates = ImportMetrics.rows("duplicate")
    private let rejected = ImportMetrics.rows("rejected")

    private static func rows(_ outcome: String) -> Counter {
        Counter(label: "constintel_import_rows_total", dimensions: [("outcome", outcome)])
    }

    func add(_ counts: ImportRun.Counts, since earlier: ImportRun.Counts) {
        accepted.increment(by: counts.accepted - earlier.accepted)
        duplicates.increment(by: counts.duplicates - earlier.duplicates)
        rejected.increment(by: counts.rejected - earlier.rejected)
    }
}
