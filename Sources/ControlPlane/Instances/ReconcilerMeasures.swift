import CoreMetrics

extension Reconciler {
    /// What is measured of the reconciler.
    struct Measures: Sendable {
        /// What the names mean.
        static let help = [
            "constintel_reconcile_pass_duration_seconds": "Looks at all brands that came to their end.",
            "constintel_reconcile_failures_total": "Looks that failed, and attempts at one brand that did.",
            "constintel_reconcile_corrections_total": "What was not as it is meant to be and was set right.",
            "constintel_reconcile_quarantined_brands":
                "Brands that keep failing and are left alone for a while.",
        ]

        /// What can be set right.
        enum Correction: String, CaseIterable {
            case user, connections, projection, revision, files, marker, start, stop
        }

        let passes = Timer(label: "constintel_reconcile_pass_duration_seconds")
        let failedPasses = Counter(
            label: "constintel_reconcile_failures_total", dimensions: [("scope", "pass")])
        let failedBrands = Counter(
            label: "constintel_reconcile_failures_total", dimensions: [("scope", "brand")])
        let quarantined = Gauge(label: "constintel_reconcile_quarantined_brands")
        private let corrections = Dictionary(
            uniqueKeysWithValues: Correction.allCases.map { kind in
                (
                    kind,
                    Counter(
                        label: "constintel_reconcile_corrections_total",
                        dimensions: [("kind", kind.rawValue)])
                )
            })

        func corrected(_ kind: Correction) { corrections[kind]?.increment() }
    }
}
