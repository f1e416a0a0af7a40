import Contract
import Kernel
import Postgres

/// What the control database counts of a brand.
struct UsageStore: Sendable {
    let pool: PostgresPool

    /// The brand's users, and its keys that are neither revoked, expired nor replaced.
    func counts(_ brand: BrandID, at instant: Timestamp) async throws -> (users: Int, keys: Int) {
        let rows = try await pool.run(
            """
            select (select count(*) from "user" where brand_id = \(brand)),
                (select count(*) from api_key where brand_id = \(brand)
                    and \(KeyStore.counts(at: instant)))
            """)
        let (users, keys) = try rows[0].decode((Int64, Int64).self)
        return (Int(users), Int(keys))
    }
}
