import Kernel

/// `POST /api/admin/brands/:slug/suspend` and `…/instance/pause`: why, as others will read it.
public struct ReasonBody: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case reason
    }

    public var reason: String

    public init(reason: String) { self.reason = reason }
}

/// `POST /api/admin/brands/:slug/plan`.
public struct PlanChange: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case plan, acceptOver
    }

    /// A plan's name, such as `free`, `pro` or `enterprise`.
    public var plan: String
    /// Whether to change also where the brand uses more than the plan allows: it keeps what it has, but for
    /// raw events older than the plan keeps them, and gets no more. False when absent.
    public var acceptOver: Bool?

    public init(plan: String, acceptOver: Bool? = nil) {
        self.plan = plan
        self.acceptOver = acceptOver
    }
}

/// `DELETE /api/admin/brands/:slug`. The brand can be undeleted until the grace period has passed.
public struct BrandDeletion: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case graceDays
    }

    /// 0 to 365; 30 when absent.
    public var graceDays: Int?

    public init(graceDays: Int? = nil) { self.graceDays = graceDays }
}

/// `POST /api/admin/brands/:slug/purge`: ends a deleted brand's grace period now.
public struct BrandPurge: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case confirm
    }

    /// The slug once more, since this cannot be taken back.
    public var confirm: String

    public init(confirm: String) { self.confirm = confirm }
}

/// `POST /api/admin/brands/:slug/instance/upgrade`.
public struct ReleaseChange: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case release
    }

    /// A release that is installed, or `current` for the daemon's own.
    public var release: String

    public init(release: String) { self.release = release }
}

/// A release of the instance program that brands can be served by: `GET /api/admin/releases`.
public struct ReleaseView: Codable, Sendable, Equatable {
    public var name: String
    /// Brands whose instances are meant to run it.
    public var brands: Int

    public init(name: String, brands: Int) {
        self.name = name
        self.brands = brands
    }
}

/// One line of the audit log: `GET /api/admin/audit`.
public struct AuditEntry: Codable, Sendable {
    public var id: UUIDv7
    public var at: Timestamp
    /// `local`, `user <id>`, or `constinteld` for what the daemon does by itself.
    public var actor: String
    /// The client's address, or `operator socket`.
    public var origin: String
    /// `POST /api/admin/brands`, or an operation's kind.
    public var action: String
    /// The brand's slug, where it is about one.
    public var subject: String?
    /// The status that was answered, or an operation's final state; `begun` when the daemon died before.
    public var outcome: String
    public var operation: OperationID?
    public var requestId: String?
    /// Why it was refused or failed.
    public var detail: String?

    public init(
        id: UUIDv7, at: Timestamp, actor: String, origin: String, action: String, subject: String?,
        outcome: String, operation: OperationID?, requestId: String?, detail: String?
    ) {
        self.id = id
        self.at = at
        self.actor = actor
        self.origin = origin
        self.action = action
        self.subject = subject
        self.outcome = outcome
        self.operation = operation
        self.requestId = requestId
        self.detail = detail
    }
}
