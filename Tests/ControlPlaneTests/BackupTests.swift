import Backup
import Contract
import Foundation
import HTTPTypes
import Kernel
import Postgres
import Redis
import TenantSchema
import TestSupport
import Testing
import Workflow

@testable import ControlPlane

@Suite("Backups and restores of brands", .serialized)
struct BackupTests {
    @Test("every table of a brand is in its backups, or on the list of those that need not be")
    func tables() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            let found = try await test.foundations.brands.run(
                """
                select relname::text from pg_class where relnamespace = \(slug.schemaName)::regnamespace
                  and relkind in ('r', 'p') and not relispartition
                """
            ).map { try $0.decode(0, as: String.self) }
            let known = TenantSchema.archived.map(\.table) + TenantSchema.unarchived
            #expect(Set(found) == Set(known) && known.count == Set(known).count)
        }
    }

    @Test("every table of the control database is in its backups, or on the list of those that need not be")
    func controlTables() async throws {
        try await TestPlane.with { test in
            let found = try await test.foundations.control.run(
                "select tablename::text from pg_tables where schemaname = 'public'"
            ).map { try $0.decode(0, as: String.self) }
            let known = ControlTablesStore.archived.map(\.table) + ControlTablesStore.unarchived
            #expect(Set(found) == Set(known) && known.count == Set(known).count)
        }
    }

    @Test("an archive whose manifest is not the one that was written is neither tried, restored nor cloned")
    func otherManifest() async throws {
        try await TestPlane.with { test in
            let (slug, copy) = (try await test.brandWithProducts(), try TestPlane.slug())
            try await test.done(.post, "/backups", slug)
            // As if the repository gave an older archive of the brand in the place of this one.
            try await test.foundations.control.run(
                """
                update backup set manifest_hash = encode(sha256('older'), 'hex') from brand
                where brand.id = brand_id and slug = \(slug)
                """)
            let before = try await test.inventory(of: [slug])
            for id in [
                try await test.begin(.post, "/backups/verify", slug),
                try await test.begin(.post, "/restore", slug, BackupRestore(confirm: slug.text)),
                try await test.begin(.post, "/clone", slug, BrandClone(slug: copy.text)),
            ] {
                let ended = try await test.settle(id)
                #expect(ended.state == .failed, "\(ended)")
                #expect(ended.error?.contains("its manifest is not the one that was written") == true)
            }
            #expect(try await test.inventory(of: [slug]).difference(from: before) == [])
            #expect(try await test.inventory(copy) == [])
        }
    }

    @Test("a repository that is away, or goes away, fails a backup and a restore, and changes nothing")
    func away() async throws {
        try await TestPlane.with { test in
            let slug = try await test.brandWithProducts()
            try await test.done(.post, "/backups", slug)
            let before = try await test.inventory(of: [slug])
            let data = "\(test.foundations.layout.backups)/brands/\(slug)/data"
            try FileManager.default.moveItem(atPath: data, toPath: data + ".away")
            var ended = try await test.settle(
                test.begin(.post, "/restore", slug, BackupRestore(confirm: slug.text)))
            #expect(ended.state == .failed && ended.error?.contains("restic") == true, "\(ended)")
            try FileManager.default.moveItem(atPath: data + ".away", toPath: data)
            #expect(try await test.inventory(of: [slug]).difference(from: before) == [])
            try await test.done(.post, "/restore", slug, BackupRestore(confirm: slug.text))
            #expect(try await test.products(slug) == ["p1 1.00", "p2 2.00", "p3 3.00"])

            let password = test.foundations.keys.backupPasswordFile
            try Data("other".utf8).write(to: URL(fileURLWithPath: password))
            ended = try await test.settle(test.begin(.post, "/backups", slug))
            #expect(ended.state == .failed && ended.error?.contains("password is another one") == true)
            #expect(try await test.finding("backups").status == .warning)
        }
    }

    @Test("a backup that goes on is given up when it is unwound, and leaves nothing")
    func cancel() async throws {
        try await TestPlane.with { test in
            let slug = try await test.brandWithProducts()
            try await test.done(.post, "/backups", slug)
            let holder = try await test.holdingProducts(of: slug)
            let id = try await test.begin(.post, "/backups", slug)
            async let ended = test.settle(id)
            while try await test.call(.get, "/api/admin/operations/\(id)").decode(OperationView.self).step
                != "write"
            { try await Task.sleep(for: .milliseconds(20)) }
            let begun = ContinuousClock.now
            #expect(try await test.call(.post, "/api/admin/operations/\(id)/unwind").status == 200)
            #expect(try await ended.state == .failed)
            #expect(ContinuousClock.now - begun < .seconds(60))
            await holder.close()
            let list = try await test.call(.get, "/api/admin/brands/\(slug)/backups")
            #expect(try list.decode(Page<BackupView>.self).items.count == 1)
            let snapshots = try await BackupRepository("brands/\(slug)", test.backupSettings).snapshots()
            #expect(snapshots.count == 1)
        }
    }

    @Test("a backup has the stream as it was before the tables, and these as they are when none is held")
    func order() async throws {
        try await TestPlane.with { test in
            let slug = try await test.brandWithProducts()
            let stream = RedisStream(test.foundations.redis, key: slug.redisPrefix + "events")
            _ = try await stream.append([[("event", Array("waiting".utf8))]])
            let holder = try await test.holdingProducts(of: slug)
            let id = try await test.begin(.post, "/backups", slug)
            async let ended = test.settle(id)
            // As a partition is replaced: who has looked before sees neither the old rows nor the new ones.
            let products: SQL = "\(identifier: slug.schemaName).product"
            try await holder.run("create temporary table kept as select * from \(products)")
            let table = "\(slug.schemaName).product"
            while try await test.foundations.brands.run(
                "select from pg_locks where not granted and relation = to_regclass(\(table))"
            ).isEmpty { try await Task.sleep(for: .milliseconds(20)) }
            _ = try await test.foundations.redis.send("DEL", slug.redisPrefix + "events")
            try await holder.run("truncate \(products) cascade")
            try await holder.run("insert into \(products) select * from kept")
            try await holder.run("commit")
            await holder.close()
            #expect(try await ended.state == .done)
            try await test.foundations.brands.run("delete from \(products)")
            try await test.done(.post, "/restore", slug, BackupRestore(confirm: slug.text))
            #expect(try await test.products(slug) == ["p1 1.00", "p2 2.00", "p3 3.00"])
            #expect(try await stream.oldest(9, after: nil).count == 1)
        }
    }

    @Test("brands are due once in each of their periods, each at a moment of its own")
    func schedule() throws {
        let day = Timestamp(rfc3339: "2026-03-01T00:00:00Z")!
        var starts: Set<Int64> = []
        for number in 0..<200 {
            let schedule = BackupSchedule(slug: try Slug("brand-\(number)"), everyHours: 24)
            let start = schedule.periodStart(at: day)
            starts.insert(start.microseconds / 3_600_000_000)
            #expect(start <= day && day - start < .days(1))
            #expect(schedule.periodStart(at: start) == start)
            #expect(!schedule.isDue(at: day, last: start, since: start))
            #expect(schedule.isDue(at: day, last: start - .seconds(1), since: start - .days(9)))
            #expect(schedule.isDue(at: start + .days(1), last: start, since: start))
        }
        #expect(starts.count >= 20, "spread over the hours of a day: \(starts.count)")
        let fresh = BackupSchedule(slug: try Slug("fresh"), everyHours: 168)
        #expect(!fresh.isDue(at: day, last: nil, since: day - .seconds(3599)))
        #expect(fresh.isDue(at: day, last: nil, since: day - .seconds(3600)))
    }

    @Test("jobs begin what is due, tell what is overdue, and drop what is past its time")
    func jobs() async throws {
        try await TestPlane.with { test in
            let slug = try await test.brandWithProducts()
            try await test.foundations.control.run(
                "update plan set limits = limits || '{\"backupHours\": 24}'")
            #expect(try await test.run("backups").counts == ["brands": 0, "control": 0], "too young")
            test.clock.advance(by: .days(3))
            #expect(try await test.finding("backups").status == .failed)
            #expect(try await test.run("backups").counts == ["brands": 1, "control": 1])
            #expect(try await test.run("backups").counts["brands"] == 0, "it goes on")
            try await test.settleAll(slug)
            #expect(try await test.finding("backups").status == .ok)
            #expect(try await test.run("backups").counts["brands"] == 0)
            #expect(try await test.run("drills").counts == ["brands": 1])
            try await test.settleAll(slug)
            #expect(try await test.receipt(slug).isPassed)
            #expect(try await test.run("drills").counts == ["brands": 0])

            try await test.done(.post, "/restore", slug, BackupRestore(confirm: slug.text, keepDays: 2))
            #expect(try await test.run("formers").counts == ["schemas": 0])
            test.clock.advance(by: .days(3))
            #expect(try await test.run("formers").counts == ["schemas": 1])
            let back = try await test.call(.post, "/api/admin/brands/\(slug)/swap-back")
            #expect(back.status == 409)
            #expect(try await test.inventory(of: [slug]).lines.allSatisfy { !$0.hasPrefix("beside") })
        }
    }

    @Test("a new installation does not put its nothing on top of what a lost one has left")
    func foreignRepository() async throws {
        try await TestPlane.with { test in
            let slug = try await test.brandWithProducts()
            let control = BackupRepository("control", test.backupSettings)
            for repository in [control, BackupRepository("brands/\(slug)", test.backupSettings)] {
                try await repository.prepare()
                _ = try await repository.write(owner: "lost", tag: "operation=1") { pipe in
                    try await pipe.write([1, 2, 3])
                }
            }
            for path in ["/api/admin/platform/backups", "/api/admin/brands/\(slug)/backups"] {
                let begun = try await test.call(.post, path).decode(OperationView.self)
                let ended = try await test.settle(begun.id)
                #expect(ended.state == .failed && ended.error?.contains("are another's") == true, "\(ended)")
            }
            #expect(try await control.snapshots().count == 1)
        }
    }

    @Test("bad requests are refused with what was expected")
    func refusals() async throws {
        try await TestPlane.with { test in
            let slug = try await test.brandWithProducts()
            func refused(_ path: String, _ body: (any Encodable & Sendable)?) async throws -> (Int, String) {
                let answer = try await test.call(.post, "/api/admin/brands/\(slug)\(path)", body)
                return (answer.status, try answer.problem.field ?? "")
            }
            #expect(try await refused("/restore", BackupRestore(confirm: slug.text)) == (409, ""))
            #expect(try await refused("/backups/verify", nil) == (409, ""))
            #expect(try await refused("/swap-back", nil) == (409, ""))
            try await test.done(.post, "/backups", slug)
            #expect(try await refused("/restore", BackupRestore(confirm: "other")) == (400, "confirm"))
            #expect(
                try await refused("/restore", BackupRestore(confirm: slug.text, keepDays: 0))
                    == (400, "keepDays"))
            let unknown = BackupRestore(backup: OperationID(at: test.clock.now()), confirm: slug.text)
            #expect(try await refused("/restore", unknown) == (400, "backup"))
            let missing = try await test.call(.get, "/api/admin/brands/\(slug)/backups/receipt")
            #expect(missing.status == 404)
        }
    }
}
