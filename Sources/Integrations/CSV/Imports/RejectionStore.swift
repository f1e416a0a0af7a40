import Contract
import Events
import Postgres

/// The rows of imported files that were not taken.
public struct RejectionStore: Sendable {
    private let database: PostgresPool

    public init(database: PostgresPool) { self.database = database }

    func add(_ rows: [RejectedRow], to operation: OperationID) async throws {
        let fields = try rows.map { try JSONB(encoding: $0.fields) }
        try await database.run(
            """
            insert into import_rejection (operation_id, row_number, reason, fields)
            select \(operation), * from unnest(\(rows.map(\.row)), \(rows.map(\.reason)), \(fields))
            on conflict (operation_id, row_number) do nothing
            """)
    }

    func clear(_ operation: OperationID) async throws {
        try await database.run("delete from import_rejection where operation_id = \(operation)")
    }

    /// The rejected rows of an import behind row `row`, in order.
    public func list(of operation: OperationID, behind row: Int64, limit: Int) async throws -> [RejectedRow] {
        try await database.run(
            """
            select row_number, reason, fields from import_rejection
            where operation_id = \(operation) and row_number > \(row) order by row_number limit \(limit)
            """
        ).decode((Int64, String, JSONB).self).map {
            RejectedRow(row: $0, reason: $1, fields: try $2.decode([String].self))
        }
    }
}
