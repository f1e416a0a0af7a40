import Contract
import Kernel
import Sealing
import TenantSchema

/// Whether every brand has its place in the brands database and in Redis, and just the rights that it should.
struct BrandChecks: Sendable {
    let fleet: FleetCheckStore
    let tenants: TenantCheckStore
    let streamUsers: StreamUsers
    let keys: PlatformKeys
    let clock: any WallClock

    /// How long a change of what is projected may take to be written.
    static let projectionTime = Duration.seconds(15)
    /// Users that Redis is asked about at once.
    private static let pageSize = 100

    var all: [Check] {
        [
            Check(
                name: "schemas", needs: [.controlDatabase, .brandsDatabase],
                remedy: "'constintel audit --subject <brand>', then a restore; runbooks/check.md"
            ) {
                try await schemas()
            },
            Check(
                name: "roles", needs: [.controlDatabase, .brandsDatabase],
                remedy: "put the role right in psql; runbooks/check.md"
            ) {
                let brands = try await fleet.settledBrands()
                let bySlug = Dictionary(uniqueKeysWithValues: brands.map { ($0.slug, $0) })
                let troubles = try await tenants.roles(of: brands).flatMap { role in
                    bySlug[role.slug].map { BrandChecks.troubles(role, of: $0) } ?? []
                }
                return Seen(troubles, among: brands.count, "brand")
            },
            Check(
                name: "grants", needs: [.controlDatabase, .brandsDatabase],
                remedy: "grant or revoke in psql as the owner role; runbooks/check.md"
            ) {
                let brands = try await fleet.settledBrands()
                let troubles = try await tenants.oddRights(in: brands).map { right in
                    Trouble.failed(right.slug, right.text + (right.isThere ? " is too much" : " is missing"))
                }
                return Seen(troubles, among: brands.count, "brand")
            },
            Check(
                name: "redis users", needs: [.controlDatabase, .redis],
                remedy: "the reconciler makes them again within seconds; else runbooks/quarantine.md"
            ) {
                try await users()
            },
            Check(
                name: "partitions", needs: [.controlDatabase, .brandsDatabase],
                remedy: "constintel job run partitions; runbooks/jobs.md, 'When one did not run'"
            ) {
                try await partitions()
            },
            Check(
                name: "projections", needs: [.controlDatabase, .brandsDatabase],
                remedy: "constintel instance restart <brand>; runbooks/quarantine.md"
            ) {
                try await projections()
            },
        ]
    }
}

extension BrandChecks {
    private func schemas() async throws -> Seen {
        let brands = try await fleet.settledBrands()
        let schemas = try await tenants.schemas(of: brands)
        let states = try await tenants.states(of: brands)
        let troubles = brands.flatMap { brand -> [Trouble] in
            let slug = brand.slug
            guard let schema = schemas[slug], schema.isThere else { return [.failed(slug, "no schema")] }
            var troubles: [Trouble] = []
            if !schema.isMarked { troubles.append(.failed(slug, "the schema has no mark of this brand")) }
            if !schema.isOwned { troubles.append(.failed(slug, "the schema is not \(slug.ownerRole)'s")) }
            if !schema.missingTables.isEmpty {
                troubles.append(.failed(slug, "no \(schema.missingTables.joined(separator: ", no "))"))
            }
            guard let state = states[slug] else { return troubles }
            if state.schemaVersion != TenantSchema.version {
                let version = state.schemaVersion.map { "\($0)" } ?? "unknown"
                troubles.append(.failed(slug, "version \(version) instead of \(TenantSchema.version)"))
            }
            if state.generation != brand.generation {
                let generation = state.generation.map { "\($0)" } ?? "no generation"
                troubles.append(
                    .failed(slug, "its lease is for \(generation) and the brand's is \(brand.generation)"))
            }
            return troubles
        }
        return Seen(troubles, among: brands.count, "brand")
    }

    /// What is wrong with one of a brand's two roles.
    static func troubles(_ role: TenantCheckStore.Role, of brand: CheckedBrand) -> [Trouble] {
        let isRuntime = role.name == brand.slug.runtimeRole
        guard role.isThere else { return [.failed(brand.slug, "no role \(role.name)")] }
        var wrong: [String] = []
        if !role.isMarked { wrong.append("has no mark of this brand") }
        if role.isMighty { wrong.append("may do more than a brand's role needs") }
        if role.canLogIn != isRuntime { wrong.append(isRuntime ? "cannot log in" : "can log in") }
        if !role.memberships.isEmpty {
            wrong.append("is a member of \(role.memberships.joined(separator: ", "))")
        }
        if !role.owned.isEmpty { wrong.append("owns \(role.owned.joined(separator: ", "))") }
        let meant = isRuntime ? TenantStore.settings(of: brand.slug) : []
        let odd = Set(role.settings).symmetricDifference(meant).sorted()
        if !odd.isEmpty { wrong.append("has other settings than are meant (\(odd.joined(separator: ", ")))") }
        if isRuntime, !role.canConnect { wrong.append("cannot connect to the database") }
        let limit = TenantStore.limit(connections: brand.connections)
        if isRuntime, role.connections != limit {
            wrong.append("may have \(role.connections) connections instead of \(limit)")
        }
        return wrong.map { .failed(brand.slug, "\(role.name) \($0)") }
    }

    private func users() async throws -> Seen {
        let brands = try await fleet.settledBrands()
        var troubles: [Trouble] = []
        for start in stride(from: 0, to: brands.count, by: BrandChecks.pageSize) {
            let page = brands[start..<min(start + BrandChecks.pageSize, brands.count)]
            let found = try await streamUsers.definitions(of: page.map(\.slug))
            for brand in page {
                guard let user = found[brand.slug] ?? nil else {
                    troubles.append(.failed(brand.slug, "no user \(brand.slug.redisUser)"))
                    continue
                }
                let context = InstanceSecret.redisPassword.context(brand.slug)
                guard let password = try? keys.sealer.open(brand.redisPassword, for: context) else {
                    troubles.append(.failed(brand.slug, "its sealed password does not open"))
                    continue
                }
                if !user.isRight(brand.slug, password: password) {
                    troubles.append(
                        .failed(brand.slug, "\(brand.slug.redisUser) has other rights or another password"))
                }
            }
        }
        return Seen(troubles, among: brands.count, "brand")
    }

    /// The twelfth month ahead is made by the job's first run in a month, so only what it leaves is told.
    private func partitions() async throws -> Seen {
        let brands = try await fleet.settledBrands().filter { !$0.isDeleted }
        let missing = try await tenants.missingPartitions(of: brands)
        let states = try await tenants.states(of: brands)
        let soon = Set([clock.now(), clock.now() + .days(2)].map(BrandChecks.month))
        let isNew = BrandChecks.month(clock.now() - .days(2)) != BrandChecks.month(clock.now())
        let troubles = brands.flatMap { brand -> [Trouble] in
            var troubles: [Trouble] = []
            let months = missing[brand.slug] ?? []
            if !months.isEmpty, !(isNew && months.count == 1 && !soon.contains(months[0])) {
                let text = "none for \(months.joined(separator: ", "))"
                let isDue = !soon.isDisjoint(with: months)
                troubles.append(isDue ? .failed(brand.slug, text) : .warning(brand.slug, text))
            }
            if states[brand.slug]?.hasUnforeseenEvents == true {
                troubles.append(.warning(brand.slug, "events in customer_raw_event_default"))
            }
            return troubles
        }
        return Seen(troubles, among: brands.count, "brand")
    }

    /// The month of an instant in UTC as partitions' names have it.
    static func month(_ instant: Timestamp) -> String {
        String(instant.description.prefix(7)).replacing("-", with: "_")
    }

    private func projections() async throws -> Seen {
        let brands = try await fleet.settledBrands()
        let states = try await tenants.states(of: brands)
        let now = clock.now()
        let troubles = brands.compactMap { brand -> Trouble? in
            guard let state = states[brand.slug], now - brand.changedAt > BrandChecks.projectionTime else {
                return nil
            }
            guard state.revision == brand.revision else {
                let revision = state.revision.map { "revision \($0)" } ?? "nothing"
                return .failed(brand.slug, "its schema has \(revision), and meant is \(brand.revision)")
            }
            guard state.status == brand.status.rawValue else {
                return .failed(
                    brand.slug,
                    "its schema says \(state.status ?? "nothing"), and it is \(brand.status.rawValue)")
            }
            return nil
        }
        return Seen(troubles, among: brands.count, "brand")
    }
}
