import Kernel
import Postgres
import Sealing

/// All secrets of the control database that are sealed under the master key, to be sealed under another.
struct SealedStore: Sendable {
    let pool: PostgresPool

    /// Both secrets of one instance.
    struct Secrets: Sendable {
        let slug: Slug
        let postgres: SealedSecret
        let redis: SealedSecret
    }

    /// Has the keys to itself until the transaction ends: whoever else would rotate one waits.
    func hold(in transaction: PostgresTransaction) async throws {
        try await transaction.run("select pg_advisory_xact_lock(hashtext('constintel platform keys'))")
    }

    /// Instances after `cursor` with a secret that is not under the key `keyId`, by slug.
    func notUnder(_ keyId: String, after cursor: String, limit: Int) async throws -> [Secrets] {
        try await pool.run(
            """
            select slug, sealed_postgres_password, sealed_redis_password
            from instance join brand on brand.id = brand_id
            where slug > \(cursor) and (split_part(sealed_postgres_password, '.', 2) <> \(keyId)
                or split_part(sealed_redis_password, '.', 2) <> \(keyId))
            order by slug limit \(limit)
            """
        ).map { row in
            let (slug, postgres, redis) = try row.decode((Slug, String, String).self)
            return Secrets(
                slug: slug, postgres: SealedSecret(text: postgres), redis: SealedSecret(text: redis))
        }
    }

    /// Instances with a secret that is not under the key `keyId`.
    func countNotUnder(_ keyId: String) async throws -> Int {
        let rows = try await pool.run(
            """
            select count(*)::int from instance
            where split_part(sealed_postgres_password, '.', 2) <> \(keyId)
                or split_part(sealed_redis_password, '.', 2) <> \(keyId)
            """)
        return try rows[0].decode(Int.self)
    }

    /// - Throws: `Fault.conflict` when a secret is sealed under a key that `sealer` has not: nothing would
    ///   start.
    func requireOpened(by sealer: Sealer) async throws {
        let known = [sealer.keyId] + sealer.formerKeyIds
        let found = try await pool.run(
            """
            select split_part(sealed_postgres_password, '.', 2) from instance
            where split_part(sealed_postgres_password, '.', 2) <> all(\(known)) limit 1
            """
        ).first?.decode(String.self)
        guard let found else { return }
        throw Fault(
            .conflict, doing: "use the master key",
            "the brands' secrets are sealed under the key \(found), and this one is \(sealer.keyId): bring "
                + "that back, from a copy or by 'constintel platform recover-master-key'")
    }

    /// Puts `sealed` in the place of `former`, unless that has changed meanwhile.
    func replace(_ former: Secrets, by sealed: Secrets) async throws {
        try await pool.run(
            """
            update instance set sealed_postgres_password = \(sealed.postgres.text),
                sealed_redis_password = \(sealed.redis.text)
            from brand where brand.id = brand_id and slug = \(former.slug)
                and sealed_postgres_password = \(former.postgres.text)
                and sealed_redis_password = \(former.redis.text)
            """)
    }

    /// The brands that are being provisioned now: one may have sealed a secret that is not stored yet.
    func beingProvisioned() async throws -> [String] {
        try await pool.run(
            """
            select subject from operation where kind in ('brand.provision', 'brand.clone')
                and state in ('pending', 'running', 'unwinding', 'stuck') order by subject limit 100
            """
        ).map { try $0.decode(0, as: String.self) }
    }

    /// Brands after `cursor` that were provisioned and are not deleted, by slug.
    func living(after cursor: String, limit: Int) async throws -> [Slug] {
        try await pool.run(
            """
            select slug from brand
            where slug > \(cursor) and status not in ('provisioning', 'deleted')
            order by slug limit \(limit)
            """
        ).map { try $0.decode(0, as: Slug.self) }
    }

    /// Makes every brand's projection one to be written again.
    func raiseRevisions() async throws {
        try await pool.run("update instance set revision = revision + 1")
    }
}
