import Kernel

/// Names the ids of brands.
public enum BrandSubject {}
/// A brand's id; people and wires use its slug.
public typealias BrandID = TypedID<BrandSubject>

/// `POST /api/admin/brands`: a brand to provision. Answers 202 with an `OperationView`.
public struct BrandDraft: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case slug, name, domain, industry, country, timeZone, currency, plan
    }

    public var slug: String
    /// The display name; the slug when absent.
    public var name: String?
    public var domain: String?
    public var industry: String?
    /// ISO 3166-1 alpha-2, for phone numbers without a country code. Default `US`.
    public var country: String?
    /// An IANA name, for reports. Default `UTC`.
    public var timeZone: String?
    /// ISO 4217, what revenue is counted in. Default `USD`.
    public var currency: String?
    /// `free`, `pro` or `enterprise`. Default `free`.
    public var plan: String?

    public init(
        slug: String, name: String? = nil, domain: String? = nil, industry: String? = nil,
        country: String? = nil, timeZone: String? = nil, currency: String? = nil, plan: String? = nil
    ) {
        self.slug = slug
        self.name = name
        self.domain = domain
        self.industry = industry
        self.country = country
        self.timeZone = timeZone
        self.currency = currency
        self.plan = plan
    }
}

/// A brand as administrators see it.
public struct BrandView: Codable, Sendable {
    /// What is meant to be: `provisioning` until it first is; `deleted` while it can still be undeleted.
    public enum Status: String, Codable, Sendable, CaseIterable {
        case provisioning, trial, active, suspended, deleted
    }

    /// The brand's data plane process: what is meant, and what was last seen of it.
    public struct Instance: Codable, Sendable {
        /// `running` or `stopped`; absent before there is an instance.
        public var intent: String?
        /// `starting`, `ready`, `stopping`, `stopped`, `failed`, or `unknown`.
        public var state: String
        /// Which placement of the brand may write.
        public var generation: Int64
        public var pid: Int32?
        public var restarts: Int
        /// The release that serves the brand; absent for the daemon's own.
        public var release: String?
        public var previousRelease: String?
        /// Why the daemon leaves the instance alone; absent when it does not.
        public var pausedReason: String?
        /// Why the daemon is waiting before it tries again to bring the brand to what is meant.
        public var quarantine: Quarantine?

        public init(
            intent: String? = nil, state: String, generation: Int64, pid: Int32? = nil, restarts: Int = 0,
            release: String? = nil, previousRelease: String? = nil, pausedReason: String? = nil,
            quarantine: Quarantine? = nil
        ) {
            self.intent = intent
            self.state = state
            self.generation = generation
            self.pid = pid
            self.restarts = restarts
            self.release = release
            self.previousRelease = previousRelease
            self.pausedReason = pausedReason
            self.quarantine = quarantine
        }
    }

    /// A brand that kept failing is left alone for a while, longer each time.
    public struct Quarantine: Codable, Sendable, Equatable {
        /// Failed attempts in a row.
        public var failures: Int
        /// Why the last one failed.
        public var reason: String
        /// When the next one comes.
        public var until: Timestamp

        public init(failures: Int, reason: String, until: Timestamp) {
            self.failures = failures
            self.reason = reason
            self.until = until
        }
    }

    public var id: BrandID
    public var slug: Slug
    public var name: String
    public var domain: String?
    public var industry: String?
    public var country: String
    public var timeZone: String
    public var currency: String
    public var plan: String
    public var status: Status
    /// Why it is suspended.
    public var statusReason: String?
    /// When its trial ends or has ended; absent where there was none, or it lasts for ever.
    public var trialEndsAt: Timestamp?
    /// When a deleted brand's data goes for good.
    public var purgeAfter: Timestamp?
    public var instance: Instance
    public var onboardingCompleted: Bool
    public var createdAt: Timestamp
    public var updatedAt: Timestamp

    public init(
        id: BrandID, slug: Slug, name: String, domain: String?, industry: String?, country: String,
        timeZone: String, currency: String, plan: String, status: Status,
        statusReason: String? = nil, trialEndsAt: Timestamp? = nil, purgeAfter: Timestamp? = nil,
        instance: Instance,
        onboardingCompleted: Bool, createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.slug = slug
        self.name = name
        self.domain = domain
        self.industry = industry
        self.country = country
        self.timeZone = timeZone
        self.currency = currency
        self.plan = plan
        self.status = status
        self.statusReason = statusReason
        self.trialEndsAt = trialEndsAt
        self.purgeAfter = purgeAfter
        self.instance = instance
        self.onboardingCompleted = onboardingCompleted
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}
