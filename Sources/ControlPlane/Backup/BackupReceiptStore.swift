import Contract
import Foundation
import Kernel
import Postgres
import Sealing

/// The table `backup_receipt`: what drills have found.
struct BackupReceiptStore: Sendable {
    let pool: PostgresPool
    let clock: any WallClock

    /// What a drill has found, with the signature of what it says.
    struct Receipt: Sendable {
        let id: UUIDv7
        let backup: UUIDv7?
        /// What is wrong with the backup; nil when nothing is.
        let failure: String?
        let statement: String
        let signature: [UInt8]
    }

    /// Keeps a receipt; one that is kept already stays.
    func insert(_ receipt: Receipt, of slug: Slug) async throws {
        try await pool.run(
            """
            insert into backup_receipt
                (id, brand_id, backup_id, at, is_passed, failure, statement, signature)
            select \(receipt.id), brand.id, \(receipt.backup), \(clock.now()), \(receipt.failure == nil),
                \(receipt.failure), \(receipt.statement), \(receipt.signature)
            from brand where slug = \(slug)
            on conflict (id) do nothing
            """)
    }

    /// When each brand's backups were last tried.
    func newest() async throws -> [Slug: Timestamp] {
        let rows = try await pool.run(
            """
            select slug, max(at) from backup_receipt join brand on brand.id = brand_id group by slug
            """
        ).decode((Slug, Timestamp).self)
        return Dictionary(uniqueKeysWithValues: rows.map { ($0.0, $0.1) })
    }

    /// The newest receipt of a brand.
    func newest(of slug: Slug) async throws -> BackupReceiptView? {
        try await pool.run(
            """
            select backup_receipt.id, backup_id, at, is_passed, failure, statement, signature
            from backup_receipt join brand on brand.id = brand_id
            where slug = \(slug) order by at desc, backup_receipt.id desc limit 1
            """
        ).first.map { row in
            let (id, backup, at, isPassed, failure, statement, signature) = try row.decode(
                (UUIDv7, UUIDv7, Timestamp, Bool, String?, String, [UInt8]).self)
            return BackupReceiptView(
                id: OperationID(id), backup: OperationID(backup), at: at, isPassed: isPassed,
                failure: failure, statement: statement, signature: Base64URL.encode(signature))
        }
    }
}
