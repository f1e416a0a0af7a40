import Kernel

/// A backup of a brand: an item of `GET /api/admin/brands/:slug/backups`.
public struct BackupView: Codable, Sendable, Equatable {
    /// What became of restoring it somewhere else and comparing.
    public struct Drill: Codable, Sendable, Equatable {
        public var at: Timestamp
        public var isPassed: Bool
        /// Why it was not; absent when it was.
        public var failure: String?

        public init(at: Timestamp, isPassed: Bool, failure: String? = nil) {
            self.at = at
            self.isPassed = isPassed
            self.failure = failure
        }
    }

    /// The operation that wrote it.
    public var id: OperationID
    /// The moment that it shows the brand as of.
    public var takenAt: Timestamp
    public var writtenAt: Timestamp
    public var rows: Int64
    /// Bytes of the archive, before compression.
    public var bytes: Int64
    /// Bytes that the repository had to add for it.
    public var addedBytes: Int64
    /// What the brand had then.
    public var events: Int64
    public var profiles: Int64
    public var orders: Int64
    /// By currency, as decimal strings.
    public var revenue: [String: String]
    /// The last drill with it; absent before the first.
    public var drill: Drill?

    public init(
        id: OperationID, takenAt: Timestamp, writtenAt: Timestamp, rows: Int64, bytes: Int64,
        addedBytes: Int64, events: Int64, profiles: Int64, orders: Int64, revenue: [String: String],
        drill: Drill? = nil
    ) {
        self.id = id
        self.takenAt = takenAt
        self.writtenAt = writtenAt
        self.rows = rows
        self.bytes = bytes
        self.addedBytes = addedBytes
        self.events = events
        self.profiles = profiles
        self.orders = orders
        self.revenue = revenue
        self.drill = drill
    }
}

/// `POST /api/admin/brands/:slug/restore`.
public struct BackupRestore: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case backup, discardLater, confirm, keepDays
    }

    /// A backup's id; the newest when absent.
    public var backup: OperationID?
    /// Whether events and decisions that came after the backup are given up. False when absent: they are
    /// brought into what is restored.
    public var discardLater: Bool?
    /// The slug once more.
    public var confirm: String
    /// How long the former state is kept: 1 to 365 days, 30 when absent.
    public var keepDays: Int?

    public init(
        backup: OperationID? = nil, discardLater: Bool? = nil, confirm: String, keepDays: Int? = nil
    ) {
        self.backup = backup
        self.discardLater = discardLater
        self.confirm = confirm
        self.keepDays = keepDays
    }
}

/// `POST /api/admin/brands/:slug/clone`.
public struct BrandClone: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case slug, name, backup
    }

    /// The new brand's slug.
    public var slug: String
    /// The slug where absent.
    public var name: String?
    /// A backup's id; the newest when absent.
    public var backup: OperationID?

    public init(slug: String, name: String? = nil, backup: OperationID? = nil) {
        self.slug = slug
        self.name = name
        self.backup = backup
    }
}

/// What a drill has found, signed: `GET /api/admin/brands/:slug/backups/receipt`.
public struct BackupReceiptView: Codable, Sendable, Equatable {
    /// The operation of the drill.
    public var id: OperationID
    public var backup: OperationID
    public var at: Timestamp
    public var isPassed: Bool
    /// What is wrong with the backup; absent when nothing is.
    public var failure: String?
    /// A `BackupStatement` as JSON: the text that is signed.
    public var statement: String
    /// Ed25519, in Base64URL.
    public var signature: String
    /// The public key, in Base64URL, and whether it verifies the signature.
    public var key: String?
    public var isVerified: Bool?

    public init(
        id: OperationID, backup: OperationID, at: Timestamp, isPassed: Bool, failure: String?,
        statement: String, signature: String
    ) {
        self.id = id
        self.backup = backup
        self.at = at
        self.isPassed = isPassed
        self.failure = failure
        self.statement = statement
        self.signature = signature
    }
}

/// What a receipt says.
public struct BackupStatement: Codable, Sendable, Equatable {
    /// A table that was compared.
    public struct Table: Codable, Sendable, Equatable {
        public var name: String
        public var rows: Int64
        public var sha256: String

        public init(name: String, rows: Int64, sha256: String) {
            self.name = name
            self.rows = rows
            self.sha256 = sha256
        }
    }

    public var brand: String
    public var backup: String
    /// The moment that the backup shows; absent when it could not be read.
    public var takenAt: Timestamp?
    public var at: Timestamp
    public var release: String
    public var isPassed: Bool
    public var failure: String?
    public var tables: [Table]
    /// Events that were folded anew without a difference.
    public var eventsFolded: Int64?

    public init(
        brand: String, backup: String, takenAt: Timestamp?, at: Timestamp, release: String, isPassed: Bool,
        failure: String?, tables: [Table], eventsFolded: Int64?
    ) {
        self.brand = brand
        self.backup = backup
        self.takenAt = takenAt
        self.at = at
        self.release = release
        self.isPassed = isPassed
        self.failure = failure
        self.tables = tables
        self.eventsFolded = eventsFolded
    }
}

/// `POST /api/admin/brands/:slug/backups/verify`.
public struct BackupChoice: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case backup
    }

    /// A backup's id; the newest when absent.
    public var backup: OperationID?

    public init(backup: OperationID? = nil) { self.backup = backup }
}

/// The answer of `POST /api/admin/platform/recover`.
public struct PlatformRecovered: Codable, Sendable, Equatable {
    /// The moment that the control plane's backup shows.
    public var takenAt: Timestamp
    /// Brands that are being recovered, each by an operation `brand.recover`.
    public var brands: [String]

    public init(takenAt: Timestamp, brands: [String]) {
        self.takenAt = takenAt
        self.brands = brands
    }
}
