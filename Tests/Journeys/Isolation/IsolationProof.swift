import Kernel
import Postgres
import TestSupport
import Testing

/// Nothing of one brand, and nothing of the control plane, is reached by another brand's role, key or token.
/// Each layer's proof is then shown to notice one right too many.
@Suite("Brands are isolated", .serialized, .timeLimit(.minutes(10)))
struct IsolationProof {
    @Test("in PostgreSQL: whatever the live catalog shows is refused, and one grant too many is noticed")
    func postgres() async throws {
        try await Neighbours.with { neighbours in
            let proof = PostgresIsolation(neighbours: neighbours)
            let ledger = try await proof.tryEverything(as: neighbours.brands)
            print("isolation in PostgreSQL: \(ledger.summary)")
            #expect(ledger.breaches.isEmpty, "\(ledger.shown)")
            #expect(ledger.count > 10_000)
            let looking = try await proof.tryEverything(as: neighbours.brands, mayLook: true)
            let unlooked = looking.breaches.filter { !$0.contains("has USAGE on schema") }
            print("isolation in PostgreSQL, all schemas in sight: \(looking.summary)")
            #expect(unlooked.isEmpty, "\(unlooked.prefix(12).joined(separator: "\n"))")
            try await PostgresBreaches(neighbours: neighbours, proof: proof).areNoticed()
        }
    }

    @Test("in PostgreSQL: what everybody may has no effect on another brand")
    func everybody() async throws {
        try await Neighbours.with { try await EverybodysRights(neighbours: $0).haveNoEffect() }
    }

    @Test("in Redis: every command on others' keys is refused, and one right too many is noticed")
    func redis() async throws {
        try await Neighbours.with { neighbours in
            let proof = RedisIsolation(neighbours: neighbours)
            let ledger = try await proof.tryEverything(as: neighbours.brands)
            print("isolation in Redis: \(ledger.summary)")
            #expect(ledger.breaches.isEmpty, "\(ledger.shown)")
            #expect(ledger.count > 3000)
            let brand = neighbours.brands[0]
            let administrator = try neighbours.redis(as: nil)
            for (right, back) in [
                (["+scan"], ["-scan"]), (["+keys"], ["-keys"]), (["+client|list"], ["-client|list"]),
                (["+eval"], ["-eval"]), (["+publish", "allchannels"], ["-publish", "resetchannels"]),
                (["~ci:{birch}:*"], ["resetkeys", "~\(brand.slug.redisPrefix)*"]),
                (["~*"], ["resetkeys", "~\(brand.slug.redisPrefix)*"]),
            ] {
                func change(_ rules: [String]) async throws {
                    let words = ["ACL", "SETUSER", brand.slug.redisUser] + rules
                    _ = try await administrator.send(words.map { Array($0.utf8) })
                }
                try await change(right)
                let noticed = try await proof.tryEverything(as: [brand])
                try await change(back)
                print("isolation in Redis, with \(right): \(noticed.breaches.count) breaches noticed")
                #expect(!noticed.breaches.isEmpty, "\(right) is not noticed")
            }
            let again = try await proof.tryEverything(as: [brand])
            #expect(again.breaches.isEmpty, "\(again.shown)")
            await administrator.close()
        }
    }

    @Test("over HTTP: every operation on others' paths and ids is refused, and one right too many is noticed")
    func http() async throws {
        try await Neighbours.with { neighbours in
            let proof = try HTTPIsolation(neighbours)
            var ledger = Ledger()
            for (index, brand) in neighbours.brands.enumerated() {
                let next = neighbours.brands[(index + 1) % neighbours.brands.count]
                ledger += try await proof.tryEverything(as: brand, on: next)
            }
            print("isolation over HTTP: \(ledger.summary)")
            #expect(ledger.breaches.isEmpty, "\(ledger.shown)")
            #expect(ledger.count > 3000)
            for brand in neighbours.brands {
                let still = try await neighbours.installation.http(
                    "GET", "/b/\(brand.slug)/api/profiles",
                    headers: [("Authorization", "Bearer \(brand.credentials[0].value)")])
                #expect(still.status == 200, "\(brand.slug)'s own key works on")
            }
            try await HTTPBreaches(neighbours: neighbours, proof: proof).areNoticed()
        }
    }
}
