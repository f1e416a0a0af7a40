import Contract
import Kernel
import Postgres
import Sealing

/// The table `user`.
struct UserStore: Sendable {
    let pool: PostgresPool
    let clock: any WallClock

    /// Adds a user.
    ///
    /// - Throws: `Fault.conflict` when the address is taken, `Fault.invalid` when there is no such brand.
    func insert(
        _ user: UserSpecification, _ hash: PasswordHash, in transaction: PostgresTransaction
    ) async throws -> User {
        let now = clock.now()
        let id = UserID(at: now)
        var brand: BrandID?
        if let slug = user.brand {
            brand = try await transaction.run("select id from brand where slug = \(slug)").first?
                .decode(0, as: BrandID.self)
            guard brand != nil else {
                throw Fault(
                    .invalid, doing: UserSpecification.doing, "there is no such brand", field: "brand")
            }
            if let brand { try await requireRoom(brand, in: transaction) }
        }
        do {
            try await transaction.run(
                """
                insert into "user" (id, email, password_hash, role, brand_id, created_at, updated_at)
                values (\(id), \(user.email), \(hash.text), \(user.role.rawValue), \(brand), \(now), \(now))
                """)
        } catch let error as PostgresError where error.constraint == "user_email_key" {
            throw Fault(
                .conflict, doing: UserSpecification.doing, "a user has this address already", field: "email",
                cause: error)
        }
        return User(
            id: id, email: user.email, role: user.role, brand: user.brand, lastLogin: nil, createdAt: now)
    }

    /// Locks the brand's instance until the transaction ends, so that two requests at once do not both take
    /// the last place.
    private func requireRoom(_ brand: BrandID, in transaction: PostgresTransaction) async throws {
        try await transaction.run("select 1 from instance where brand_id = \(brand) for update")
        let rows = try await transaction.run(
            """
            select plan.name, (limits->>'users')::bigint
            from brand join plan on plan.name = brand.plan
            where brand.id = \(brand)
                and (limits->>'users')::bigint <= (select count(*) from "user" where brand_id = \(brand))
            """)
        if let (plan, limit) = try rows.first?.decode((String, Int64).self) {
            throw Fault(
                .limited, doing: UserSpecification.doing,
                "the plan '\(plan)' allows \(limit) users, and the brand has as many")
        }
    }

    /// The user of this id, or nil.
    func user(_ id: UserID) async throws -> User? {
        try await pool.run(UserStore.columns + " where \"user\".id = \(id)").first.map(decode)
    }

    /// A page of users by id, which is by their creation.
    func list(after cursor: UserID?, limit: Int) async throws -> [User] {
        let condition: SQL = """
             where (\(cursor)::uuid is null or "user".id > \(cursor)) order by "user".id limit \(limit)
            """
        return try await pool.run(UserStore.columns + condition).map(decode)
    }

    /// The id and the stored password of the user with this address, or nil.
    func credentials(_ email: String) async throws -> (UserID, String)? {
        try await pool.run(
            """
            select id, password_hash from "user" where email = \(email)
            """
        ).first?.decode((UserID, String).self)
    }

    /// Notes a login; a hash that is given replaces the stored one.
    func noteLogin(_ id: UserID, newHash: PasswordHash?) async throws {
        try await pool.run(
            """
            update "user" set last_login = \(clock.now()),
                password_hash = coalesce(\(newHash?.text)::text, password_hash)
            where id = \(id)
            """)
    }

    private static let columns: SQL = """
        select "user".id, email, role, brand.slug, last_login, "user".created_at
        from "user" left join brand on brand.id = brand_id
        """

    private func decode(_ row: PostgresRow) throws -> User {
        let (id, email, role, brand, lastLogin, createdAt) = try row.decode(
            (UserID, String, String, String?, Timestamp?, Timestamp).self)
        guard let role = UserRole(rawValue: role) else {
            throw Fault(.internal, doing: "read user \(id)", "the role '\(role)' is unknown here")
        }
        return User(
            id: id, email: email, role: role, brand: brand, lastLogin: lastLogin, createdAt: createdAt)
    }
}
