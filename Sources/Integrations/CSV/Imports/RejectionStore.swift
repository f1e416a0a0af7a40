import Contract
import Postgres

/// The rows of imported files that were not taken.
public struct RejectionStore: Sendable {
    /// How many are kept of one import; all are counted.
    public static let maximumKept = 1000

    private let database: PostgresPool

    public init(database: PostgresPool) { self.database = database }

    func add(_ rows: [RejectedRow], to operation: OperationID) async throws {
        try await database.run(
            """
            insert into import_rejection (operation_id, row_number, reason)
            select \(operation), * from unnest(\(rows.map(\.row)), \(rows.map(\.reason)))
            on conflict (operation_id, row_number) do nothing
            """)
    }

    /// The rejected rows of an import behind row `row`, in order.
    public func list(of operation: OperationID, behind row: Int64, limit: Int) async throws -> [RejectedRow] {
        try await database.run(
            """
            select row_number, reason from import_rejection
            where operation_id = \(operation) and row_number > \(row) order by row_number limit \(limit)
            """
        ).decode((Int64, String).self).map { RejectedRow(row: $0, reason: $1) }
    }
}
