import Kernel
import Postgres
import TestSupport
import Testing

/// One right too many, given on purpose in PostgreSQL and taken back.
struct PostgresBreaches {
    let neighbours: Neighbours
    let proof: PostgresIsolation

    /// Expects that the proof finds each of them, and nothing once it is taken back.
    func areNoticed() async throws {
        let (brand, other) = (neighbours.brands[0], neighbours.brands[1])
        let (me, owner) = ("\"\(brand.role)\"", "\"\(other.slug.ownerRole)\"")
        let table = "\"\(other.schema)\".customer_profile"
        let sequence = "\"\(other.schema)\".identity_decision_sequence_seq"
        for (grant, revoke, words) in [
            (
                "grant select (lifetime_value) on \(table) to \(me)", "revoke all on \(table) from \(me)",
                "SELECT"
            ),
            ("grant delete on \(table) to public", "revoke delete on \(table) from public", "DELETE"),
            (
                "grant usage on sequence \(sequence) to \(me)",
                "revoke all on sequence \(sequence) from \(me)", "nextval"
            ),
            (
                "grant usage on schema \"\(other.schema)\" to \(me)",
                "revoke usage on schema \"\(other.schema)\" from \(me)", "select null::"
            ),
            ("grant \(owner) to \(me)", "revoke \(owner) from \(me)", "drop table"),
            ("grant pg_read_all_data to \(me)", "revoke pg_read_all_data from \(me)", "select"),
            (
                "grant pg_signal_backend to \(me)", "revoke pg_signal_backend from \(me)",
                "pg_terminate_backend"
            ),
            (
                "grant connect on database constintel_control to \(me)",
                "revoke connect on database constintel_control from \(me)", "constintel_control"
            ),
            (
                "grant create on schema \"\(brand.schema)\" to \(me)",
                "revoke create on schema \"\(brand.schema)\" from \(me)", "CREATE"
            ),
            (
                "grant update on \"\(brand.schema)\".api_key to \(me)",
                "revoke update on \"\(brand.schema)\".api_key from \(me)", "api_key"
            ),
            ("alter role \(me) createrole", "alter role \(me) nocreaterole", "create role"),
            (
                "grant execute on function lo_create(oid) to public",
                "revoke execute on function lo_create(oid) from public", "lo_create"
            ),
        ] {
            let superuser = try await neighbours.superuser()
            try await superuser.run(SQL(raw: grant))
            let noticed = await Result { try await proof.tryEverything(as: [brand]) }
            try await superuser.run(SQL(raw: revoke))
            await superuser.close()
            let found = try noticed.get().breaches
            print("isolation in PostgreSQL, with '\(grant)': \(found.count) breaches noticed")
            #expect(found.contains { $0.contains(words) }, "'\(grant)' is not noticed: \(found.prefix(5))")
        }
        let again = try await proof.tryEverything(as: [brand])
        #expect(again.breaches.isEmpty, "\(again.shown)")
    }
}

/// One right too many for a user, a token or a key, and taken back.
struct HTTPBreaches {
    let neighbours: Neighbours
    let proof: HTTPIsolation

    /// Expects that the proof finds each of them, and nothing once it is taken back.
    func areNoticed() async throws {
        let (brand, other) = (neighbours.brands[0], neighbours.brands[1])
        let control = try await neighbours.superuser("constintel_control")
        // Writes of who does not lead are refused by triggers.
        try await control.run("set session_replication_role = replica")
        let user = "brand_owner-\(brand.email)"
        var token = ""
        for (name, change) in [
            ("the owner is an operator", "role = 'operator', brand_id = null"),
            (
                "the owner is the other's",
                "brand_id = (select id from brand where slug = '\(other.slug)')"
            ),
        ] {
            try await control.run(SQL(raw: "update \"user\" set \(change) where email = '\(user)'"))
            let noticed = await Result {
                try await proof.tryEverything(as: brand, on: other, reading: true)
            }
            token = try await Neighbours.brandToken(
                other.slug.text, for: brand.accessTokens[0].value, of: neighbours.installation)
            try await control.run(
                """
                update "user" set role = 'brand_owner',
                    brand_id = (select id from brand where slug = \(brand.slug.text)) where email = \(user)
                """)
            try expect(noticed.get(), name)
        }
        await control.close()
        for (name, credential) in [
            ("a token of the other's audience", token), ("one of its keys", other.credentials[0].value),
        ] {
            var mighty = brand
            mighty.credentials = [(name, credential)]
            try expect(await proof.tryEverything(as: mighty, on: other, reading: true), name)
        }
        let again = try await proof.tryEverything(as: brand, on: other, reading: true)
        #expect(again.breaches.isEmpty, "\(again.shown)")
    }

    private func expect(_ ledger: Ledger, _ name: String) {
        print("isolation over HTTP, when \(name): \(ledger.breaches.count) breaches noticed")
        #expect(ledger.breaches.contains { $0.contains("with the other's data") }, "\(name) is not noticed")
    }
}
