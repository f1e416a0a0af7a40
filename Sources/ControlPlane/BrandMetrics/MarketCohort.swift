import Foundation

/// Which brands a market's percentiles may be over, so that no brand can be read off, neither from one
/// publication nor from two.
///
/// One publication hides a brand among at least `minimum`: of five values or more, the quartiles never take
/// the largest or the smallest into account, and they are rounded to two significant digits.
///
/// Two publications would give a brand away by what changed when it alone came or went. So brands come and
/// go in company: between any two publications of a market, however far apart, those that one has and the
/// other has not are none or at least `minimum`, either way round. Hence:
/// - Who is new waits until `minimum` are, and then all of them come in.
/// - Who has left (deleted, or in another industry) cannot be counted any more; if they are fewer than
///   `minimum`, so many others are left out with them, chosen by lot, that it is `minimum`. Those may come
///   back as newcomers do, where their coming back does not give away who has not.
/// - Where that leaves fewer than `minimum`, or comes too near to any earlier publication, nothing is
///   published.
///
/// What this does not hide: a brand in a market where somebody controls all the others, and knows what each
/// of them came to.
enum MarketCohort {
    /// How many brands hide each other.
    static let minimum = 5

    /// The brands of the next publication; nil when nothing may be published.
    ///
    /// - Parameters:
    ///   - eligible: who was in the market for the whole month.
    ///   - earlier: the cohorts of all publications of this market, the last one last.
    static func next<ID: Hashable & Comparable>(
        eligible: Set<ID>, after earlier: [Set<ID>], using random: inout some RandomNumberGenerator
    ) -> Set<ID>? {
        guard let last = earlier.last else { return eligible.count >= minimum ? eligible : nil }
        var kept = last.intersection(eligible)
        let left = last.count - kept.count
        if left > 0, left < minimum {
            // Sorted, so that the same lots choose the same brands.
            kept.subtract(kept.sorted().shuffled(using: &random).prefix(minimum - left))
        }
        let new = eligible.subtracting(last)
        // Who was in it before may be what gives another away by coming back.
        let newest = earlier.reduce(new) { $0.subtracting($1) }
        let candidates = [new, newest, []].filter { $0.isEmpty || $0.count >= minimum }.map(kept.union)
        return candidates.first { cohort in
            cohort.count >= minimum && earlier.allSatisfy { isApart(cohort, from: $0) }
        }
    }

    /// Whether the difference of two cohorts hides each brand in it.
    static func isApart<ID>(_ one: Set<ID>, from other: Set<ID>) -> Bool {
        [one.subtracting(other).count, other.subtracting(one).count].allSatisfy { $0 == 0 || $0 >= minimum }
    }
}

/// A figure's quarters over several brands.
struct Quartiles: Sendable, Equatable {
    let p25: Double
    let p50: Double
    let p75: Double

    /// Between the two values next to the place, in proportion (the seventh of Hyndman and Fan's "Sample
    /// Quantiles in Statistical Packages", PostgreSQL's `percentile_cont`). Of at least five values the first
    /// and the last have no weight in it.
    ///
    /// - Returns: nil for fewer than `MarketCohort.minimum` values.
    init?(of values: [Double]) {
        guard values.count >= MarketCohort.minimum else { return nil }
        let sorted = values.sorted()
        func quantile(_ part: Double) -> Double {
            let place = part * Double(sorted.count - 1)
            let below = Int(place)
            let above = min(below + 1, sorted.count - 1)
            return sorted[below] + (sorted[above] - sorted[below]) * (place - Double(below))
        }
        (p25, p50, p75) = (quantile(0.25), quantile(0.5), quantile(0.75))
    }

    /// `value` as a decimal of two significant digits: `1200`, `0.034`.
    static func rounded(_ value: Double) -> String {
        let scientific = String(format: "%.1e", value)
        guard value.isFinite, let mark = scientific.firstIndex(of: "e"),
            let exponent = Int(scientific[scientific.index(after: mark)...]), value != 0
        else { return "0" }
        let sign = value < 0 ? "-" : ""
        let digits = scientific[..<mark].filter(\.isNumber)
        if exponent >= 1 { return sign + digits + String(repeating: "0", count: exponent - 1) }
        let text =
            exponent == 0
            ? "\(digits.prefix(1)).\(digits.suffix(1))"
            : "0." + String(repeating: "0", count: -exponent - 1) + digits
        return sign + (text.hasSuffix(".0") ? String(text.dropLast(2)) : text)
    }
}
