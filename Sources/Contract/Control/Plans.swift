import Kernel

/// What a brand may use, by its plan. What is absent is not limited.
public struct PlanLimits: Codable, Sendable, Equatable {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case eventsPerSecond, eventsPerMonth, profiles, users, streamEntries, connections, apiKeys
        case retentionDays, backupHours, backupKeepDays, idleSeconds, memoryMegabytes, cpuPercent, tasks,
            ioWeight, features
    }

    /// Events that intake accepts in a second, on average; ten seconds' worth may come at once.
    public var eventsPerSecond: Int
    /// Events in a month of the brand's time zone, each counted once; as many again by test keys.
    public var eventsPerMonth: Int?
    /// Profiles, at which intake accepts nothing more.
    public var profiles: Int?
    /// The brand's own users.
    public var users: Int?
    /// Entries accepted and not committed, beyond which intake answers 503.
    public var streamEntries: Int
    /// Database connections that the instance may hold.
    public var connections: Int
    /// Keys that are neither revoked nor expired.
    public var apiKeys: Int
    /// How long raw events are kept; for ever when absent.
    public var retentionDays: Int?
    /// How often the brand is backed up; never by itself when absent.
    public var backupHours: Int?
    /// How long backups are kept, the newest one in any case; 30 days when absent.
    public var backupKeepDays: Int?
    /// How long the instance stays awake when nobody asks, where the service manager can wake it; for ever
    /// when absent.
    public var idleSeconds: Int?
    /// What the instance's processes may take of the machine, where the supervisor can limit it.
    public var memoryMegabytes: Int?
    /// Hundredths of one core.
    public var cpuPercent: Int?
    /// Processes and threads.
    public var tasks: Int?
    /// 1 to 10,000, as `IOWeight=` of systemd.resource-control(5); 100 is everybody's.
    public var ioWeight: Int?
    /// What may be switched on; everything when absent.
    public var features: [String]?

    public init(eventsPerSecond: Int, streamEntries: Int, connections: Int, apiKeys: Int) {
        self.eventsPerSecond = eventsPerSecond
        self.streamEntries = streamEntries
        self.connections = connections
        self.apiKeys = apiKeys
    }
}

/// `PUT /api/admin/plans/:name`: a plan, whole.
public struct PlanDraft: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case initialStatus, trialDays, limits, version
    }

    /// What a brand of the plan is once it is provisioned: `trial` or `active`.
    public var initialStatus: BrandView.Status
    /// How long a trial lasts; for ever when absent.
    public var trialDays: Int?
    public var limits: PlanLimits
    /// The version that was read and is changed; absent for a new plan.
    public var version: Int?

    public init(
        initialStatus: BrandView.Status, trialDays: Int? = nil, limits: PlanLimits, version: Int? = nil
    ) {
        self.initialStatus = initialStatus
        self.trialDays = trialDays
        self.limits = limits
        self.version = version
    }

    /// A mistyped name of a limit would otherwise lift it.
    public init(from decoder: any Decoder) throws {
        let body = try decoder.container(keyedBy: CodingKeys.self)
        let named = try body.nestedContainer(keyedBy: AnyKey.self, forKey: .limits)
        for key in named.allKeys where PlanLimits.CodingKeys(stringValue: key.stringValue) == nil {
            let names = PlanLimits.CodingKeys.allCases.map(\.stringValue).joined(separator: ", ")
            throw DecodingError.dataCorruptedError(
                forKey: key, in: named, debugDescription: "there is no such limit; the limits are \(names)")
        }
        initialStatus = try body.decode(BrandView.Status.self, forKey: .initialStatus)
        trialDays = try body.decodeIfPresent(Int.self, forKey: .trialDays)
        limits = try body.decode(PlanLimits.self, forKey: .limits)
        version = try body.decodeIfPresent(Int.self, forKey: .version)
    }

    private struct AnyKey: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}

/// A plan: `GET /api/admin/plans`.
public struct PlanView: Codable, Sendable, Equatable {
    public var name: String
    public var initialStatus: BrandView.Status
    public var trialDays: Int?
    public var limits: PlanLimits
    /// Rises with every change.
    public var version: Int
    /// Whether it was changed since it was installed, so that a new release leaves it as it is.
    public var isEdited: Bool
    /// Brands that have it.
    public var brands: Int

    public init(
        name: String, initialStatus: BrandView.Status, trialDays: Int?, limits: PlanLimits, version: Int,
        isEdited: Bool, brands: Int
    ) {
        self.name = name
        self.initialStatus = initialStatus
        self.trialDays = trialDays
        self.limits = limits
        self.version = version
        self.isEdited = isEdited
        self.brands = brands
    }
}

/// `POST /api/admin/brands/:slug/trial`.
public struct TrialChange: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case days
    }

    /// How many days from now the trial is to last, 1 to 365.
    public var days: Int

    public init(days: Int) { self.days = days }
}
