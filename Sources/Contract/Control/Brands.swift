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
    /// What is meant to be, as the brief names it, and `provisioning` until it first is.
    public enum Status: String, Codable, Sendable, CaseIterable {
        case provisioning, trial, active, suspended
    }

    /// The brand's data plane process, as last observed.
    public struct Instance: Codable, Sendable {
        /// `starting`, `ready`, `stopped`, `failed`, or `unknown`.
        public var state: String
        /// Which placement of the brand may write.
        public var generation: Int64
        public var pid: Int32?
        public var restarts: Int

        public init(state: String, generation: Int64, pid: Int32?, restarts: Int) {
            self.state = state
            self.generation = generation
            self.pid = pid
            self.restarts = restarts
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
    public var instance: Instance
    public var onboardingCompleted: Bool
    public var createdAt: Timestamp
    public var updatedAt: Timestamp

    public init(
        id: BrandID, slug: Slug, name: String, domain: String?, industry: String?, country: String,
        timeZone: String, currency: String, plan: String, status: Status, instance: Instance,
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
        self.instance = instance
        self.onboardingCompleted = onboardingCompleted
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}
