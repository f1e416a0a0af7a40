import Kernel

/// What was found of one part of the installation: a line of `GET /api/admin/check`.
public struct Finding: Codable, Sendable, Equatable {
    /// How it is, from the best to the worst.
    public enum Status: String, Codable, Sendable, CaseIterable, Comparable {
        /// As it is meant to be.
        case ok
        /// It works, and somebody is to look at it by day.
        case warning
        /// It does not do what it is for, or will not for long.
        case failed

        public static func < (left: Status, right: Status) -> Bool { left.rank < right.rank }

        private var rank: Int { self == .ok ? 0 : self == .warning ? 1 : 2 }
    }

    /// What was looked at, such as `partitions`; `runbooks/check.md` explains each.
    public var check: String
    public var status: Status
    /// What was seen, on one line.
    public var seen: String
    /// What to do; absent when it is ok, and when it was not looked at, for want of something that failed.
    public var remedy: String?
    /// The brands that it is about, the first hundred; empty when it is about none.
    public var brands: [Slug]

    /// Brands that one finding lists.
    public static let maximumBrands = 100

    public init(check: String, status: Status, seen: String, remedy: String? = nil, brands: [Slug] = []) {
        self.check = check
        self.status = status
        self.seen = seen
        self.remedy = remedy
        self.brands = Array(brands.prefix(Finding.maximumBrands))
    }
}

/// The answer of `GET /api/admin/check`: how the whole installation is.
public struct CheckView: Codable, Sendable, Equatable {
    /// When the look at it began.
    public var checkedAt: Timestamp
    /// The worst of the findings.
    public var status: Finding.Status
    public var findings: [Finding]

    public init(checkedAt: Timestamp, findings: [Finding]) {
        self.checkedAt = checkedAt
        status = findings.map(\.status).max() ?? .ok
        self.findings = findings
    }
}
