import Contract
import Kernel
import Postgres

/// The table of an instance's own long work.
public struct OperationStore: Sendable {
    private let database: PostgresPool

    public init(database: PostgresPool) { self.database = database }

    /// Work that was accepted and is not ended, with what it needs.
    public struct Open: Sendable {
        public let id: OperationID
        public let kind: String
        public let subject: String
        /// The work's own input, JSON.
        public let input: JSONB
        public let createdAt: Timestamp

        public init(id: OperationID, kind: String, subject: String, input: JSONB, createdAt: Timestamp) {
            self.id = id
            self.kind = kind
            self.subject = subject
            self.input = input
            self.createdAt = createdAt
        }
    }

    /// Accepts work. When this returns, it will be done, whatever crashes.
    public func create(_ operation: Open) async throws {
        try await database.run(
            """
            insert into operation (id, kind, subject, state, input, created_at, updated_at)
            values (\(operation.id), \(operation.kind), \(operation.subject), 'pending', \(operation.input),
                    \(operation.createdAt), \(operation.createdAt))
            """)
    }

    /// Whether there is work that is not ended.
    public func isAnyOpen() async throws -> Bool {
        let open = try await database.run(
            "select 1 from operation where state in ('pending', 'running') limit 1")
        return !open.isEmpty
    }

    /// How much work is in each state.
    public func counts() async throws -> [String: Int64] {
        let found = try await database.run("select state, count(*) from operation group by state")
            .decode((String, Int64).self)
        var counts = OperationView.State.allCases.reduce(into: [String: Int64]()) { $0[$1.rawValue] = 0 }
        for (state, count) in found { counts[state] = count }
        return counts
    }

    /// All work of `kind` that is not ended, oldest first.
    public func open(kind: String) async throws -> [Open] {
        try await database.run(
            """
            select id, kind, subject, input, created_at from operation
            where state in ('pending', 'running') and kind = \(kind) order by created_at, id limit 100
            """
        ).decode((OperationID, String, String, JSONB, Timestamp).self).map {
            Open(id: $0, kind: $1, subject: $2, input: $3, createdAt: $4)
        }
    }

    /// Says how far the work has come.
    public func advance(
        _ id: OperationID, to progress: OperationView.Progress, counts: [String: Int64]
    ) async throws {
        try await database.run(
            """
            update operation
            set state = 'running', progress = \(try JSONB(encoding: progress)),
                counts = \(try JSONB(encoding: counts)), updated_at = now()
            where id = \(id)
            """)
    }

    /// Ends the work.
    public func finish(
        _ id: OperationID, as state: OperationView.State, counts: [String: Int64], error: String? = nil
    ) async throws {
        try await database.run(
            """
            update operation
            set state = \(state.rawValue), counts = \(try JSONB(encoding: counts)), error = \(error),
                updated_at = now()
            where id = \(id)
            """)
    }

    /// One piece of work; nil when there is none of this id.
    public func show(_ id: OperationID) async throws -> OperationView? {
        try await views("where id = \(id)").first
    }

    /// What a piece of work was given; nil when there is none of this id.
    public func input(of id: OperationID) async throws -> JSONB? {
        try await database.run("select input from operation where id = \(id)").first?.decode(JSONB.self)
    }

    /// The newest work first; at most `limit`, behind `cursor`.
    public func list(behind cursor: PageCursor?, limit: Int) async throws -> [OperationView] {
        var condition: SQL = ""
        if let cursor { condition = "where (created_at, id) < (\(cursor.instant), \(cursor.id))" }
        return try await views(condition + " order by created_at desc, id desc limit \(limit)")
    }

    private func views(_ rest: SQL) async throws -> [OperationView] {
        let rows = try await database.run(
            """
            select id, kind, subject, state, progress, counts, result, error, created_at, updated_at
            from operation
            """ + " " + rest)
        return try rows.map { row in
            let (id, kind, subject, state, progress, counts, result, error, createdAt, updatedAt) =
                try row.decode(
                    (
                        OperationID, String, String, String, JSONB?, JSONB?, JSONB?, String?, Timestamp,
                        Timestamp
                    ).self)
            return OperationView(
                id: id, kind: kind, subject: subject, state: OperationView.State(rawValue: state) ?? .failed,
                progress: try progress?.decode(OperationView.Progress.self), error: error,
                counts: try counts?.decode([String: Int64].self),
                result: try result?.decode(RefoldReport.self), createdAt: createdAt, updatedAt: updatedAt)
        }
    }
}
