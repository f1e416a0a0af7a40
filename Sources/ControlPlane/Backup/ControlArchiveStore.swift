import Backup
import Contract
import Kernel
import Postgres

/// The rows that the control database has of one brand, as a backup holds them.
struct ControlArchiveStore: Sendable {
    let pool: PostgresPool

    /// The tables, which of their columns names the brand, and their order.
    private static let archived = [
        ("brand", "id", "id"), ("instance", "brand_id", "brand_id"), ("api_key", "brand_id", "public_id"),
        ("\"user\"", "brand_id", "id"), ("brand_settings_version", "brand_id", "version"),
        ("brand_metrics", "brand_id", "date"), ("brand_metrics_run", "brand_id", "brand_id"),
    ]

    /// All of them as of one moment, each in pieces.
    func tables(
        of brand: BrandID
    ) async throws -> [(table: BackupManifest.Table, content: [BackupManifest.Content])] {
        try await pool.transaction(.snapshot) { transaction in
            var found: [(BackupManifest.Table, [BackupManifest.Content])] = []
            for (name, key, order) in ControlArchiveStore.archived {
                let columns = try await transaction.run(
                    """
                    select attname::text from pg_attribute
                    where attrelid = \(name)::regclass and attnum > 0 and not attisdropped order by attnum
                    """
                ).map { try $0.decode(0, as: String.self) }
                let list = columns.map { "\"\($0)\"" }.joined(separator: ", ")
                var cutter = PieceCutter()
                var content: [BackupManifest.Content] = []
                try await transaction.copyOut(
                    "copy (select \(list) from \(name) where \(key) = '\(brand)' order by \(order)) to stdout"
                ) { content += cutter.add($0) }
                if let rest = cutter.end() { content.append(rest) }
                found.append(
                    (.init(name: name.replacing("\"", with: ""), columns: columns), content))
            }
            return found
        }
    }
}
