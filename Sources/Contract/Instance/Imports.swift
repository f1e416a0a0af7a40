import Kernel

/// A row of an imported file that was not taken, and why. Rows count from 1, the header included.
public struct RejectedRow: Codable, Sendable, Equatable {
    public var row: Int64
    public var reason: String
    /// What stands in the row, column by column.
    public var fields: [String]

    public init(row: Int64, reason: String, fields: [String] = []) {
        self.row = row
        self.reason = reason
        self.fields = fields
    }
}

/// What an import would make of a file, by its beginning. Nothing has been taken.
public struct ImportPreview: Codable, Sendable, Equatable {
    /// One column of the file; they count from 1.
    public struct Column: Codable, Sendable, Equatable {
        public var number: Int
        /// What the header calls it; nil where there is none.
        public var name: String?
        /// What it becomes; nil where it is not taken.
        public var target: String?
        /// What some rows have in it.
        public var samples: [String]

        public init(number: Int, name: String?, target: String?, samples: [String]) {
            self.number = number
            self.name = name
            self.target = target
            self.samples = samples
        }
    }

    /// One row: what it becomes by target, or why it would be rejected.
    public struct Row: Codable, Sendable, Equatable {
        public var row: Int64
        public var values: [String: String]?
        public var reason: String?

        public init(row: Int64, values: [String: String]?, reason: String?) {
            self.row = row
            self.values = values
            self.reason = reason
        }
    }

    public var encoding: String
    public var delimiter: String
    public var header: Bool
    public var columns: [Column]
    /// The mapping as the parameters `map` of an import: what was asked for, or else what is suggested.
    public var map: [String]
    /// Whether nobody asked for the mapping.
    public var isSuggested: Bool
    /// Why a file could not be imported with this mapping.
    public var problem: String?
    public var rows: [Row]

    public init(
        format: (encoding: String, delimiter: String, header: Bool), columns: [Column],
        map: (parameters: [String], isSuggested: Bool), problem: String?, rows: [Row]
    ) {
        (encoding, delimiter, header) = format
        self.columns = columns
        (self.map, isSuggested) = map
        self.problem = problem
        self.rows = rows
    }
}

/// Names the ids of uploads.
public enum UploadSubject {}
/// The id of an upload; an import of it has the same.
public typealias UploadID = TypedID<UploadSubject>

/// A file that is being sent in pieces.
public struct Upload: Codable, Sendable, Equatable {
    public var id: UploadID
    /// Bytes of the whole file.
    public var length: Int64
    /// Bytes that are here and durable: where the next piece begins.
    public var received: Int64
    /// What the sender keeps with it, such as `filename`.
    public var metadata: [String: String]
    public var createdAt: Timestamp
    /// When it is thrown away unless more of it comes.
    public var expiresAt: Timestamp

    public init(
        id: UploadID, length: Int64, received: Int64 = 0, metadata: [String: String], createdAt: Timestamp,
        expiresAt: Timestamp
    ) {
        self.id = id
        self.length = length
        self.received = received
        self.metadata = metadata
        self.createdAt = createdAt
        self.expiresAt = expiresAt
    }

    /// Whether all of it is here.
    public var isWhole: Bool { received == length }
}
