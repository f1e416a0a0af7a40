import Backup
import Contract
import Foundation
import Kernel
import Workflow
import Testing

@testable import ControlPlane

@Suite("Drills, which restore a backup beside its brand", .serialized)
struct DrillTests {
    @Test("a drill passes, and its receipt is signed; one cell that is another one fails it, and is told")
    func drill() async throws {
        try await TestPlane.with { test in
            let slug = try await test.brandWithProducts()
            try await test.done(.post, "/backups", slug)
            try await test.done(.post, "/backups/verify", slug)
            var receipt = try await test.receipt(slug)
            #expect(receipt.isPassed && receipt.isVerified == true)
            let said = try JSONDecoder().decode(BackupStatement.self, from: Data(receipt.statement.utf8))
            #expect(said.tables.first { $0.name == "product" }?.rows == 3)
            #expect(try await test.finding("backup drills").status == .ok)

            let id = try await test.begin(.post, "/backups/verify", slug)
            let point = "brand.verify.restore.afterJournal:\(slug)"
            Failpoint.arm(point, .halt)
            try await test.settle(id)
            #expect(Failpoint.disarm(point) == 1)
            let flipped = try await test.foundations.brands.run(
                """
                update \(identifier: ScratchSchemaStore.drill(slug)).product set price = price + 0.01
                where product_id = 'p2'
                """)
            #expect(flipped.affected == 1)
            let ended = try await test.settle(id)
            #expect(ended.state == .failed && ended.error?.contains("product has other rows") == true)
            receipt = try await test.receipt(slug)
            #expect(!receipt.isPassed && receipt.isVerified == true && receipt.id == id)
            #expect(try await test.finding("backup drills").status == .failed)
            let text = try await test.metrics()
            #expect(text.contains("constintel_backup_drills_failed 1"))
            #expect(try await test.inventory(of: [slug]).lines.allSatisfy { !$0.hasPrefix("beside") })
        }
    }

    @Test(
        "a drill makes no file of its brand, which the edge may not know any more, and keeps none of its own"
    )
    func files() async throws {
        try await TestPlane.with { test in
            let slug = try await test.brandWithProducts()
            try await test.done(.post, "/backups", slug)
            let files = InstanceFiles(
                layout: test.foundations.layout, places: test.foundations.places, keys: test.foundations.keys)
            try files.remove(slug)
            try await test.done(.post, "/backups/verify", slug)
            #expect(try await test.receipt(slug).isPassed)
            let left = try await test.inventory(of: [slug]).lines.filter { $0.hasPrefix("file") }
            #expect(left == [])
        }
    }

    @Test("a receipt that somebody has changed does not hold")
    func forgedReceipt() async throws {
        try await TestPlane.with { test in
            let slug = try await test.brandWithProducts()
            try await test.done(.post, "/backups", slug)
            try await test.done(.post, "/backups/verify", slug)
            try await test.asOwner {
                try await $0.run(
                    """
                    update backup_receipt set statement = replace(statement, '"rows":3', '"rows":4')
                    """)
            }
            #expect(try await test.receipt(slug).isVerified == false)
        }
    }

    @Test("a backup of another brand fails the drill, and a restore of it changes nothing")
    func damage() async throws {
        try await TestPlane.with { test in
            let (slug, other) = (try await test.brandWithProducts(), try await test.brandWithProducts())
            for brand in [slug, other] { try await test.done(.post, "/backups", brand) }
            let base = test.foundations.layout.backups
            let own = "\(base)/brands/\(slug)"

            // What the repository gives is another brand's, under this one's names.
            try FileManager.default.moveItem(atPath: own, toPath: "\(own).aside")
            try FileManager.default.copyItem(atPath: "\(base)/brands/\(other)", toPath: own)
            let newest = try await BackupRepository("brands/\(slug)", test.backupSettings).snapshots()
            try await test.foundations.control.run(
                """
                update backup set snapshot = \(newest.last?.id ?? "") || 'x' from brand
                where brand.id = brand_id and slug = \(other)
                """)
            try await test.foundations.control.run(
                """
                update backup set snapshot = \(newest.last?.id ?? "") from brand
                where brand.id = brand_id and slug = \(slug)
                """)
            var ended = try await test.settle(test.begin(.post, "/backups/verify", slug))
            #expect(ended.state == .failed && ended.error?.contains("another brand") == true, "\(ended)")
            // And a restore of it changes nothing.
            let before = try await test.inventory(of: [slug])
            ended = try await test.settle(
                test.begin(.post, "/restore", slug, BackupRestore(confirm: slug.text)))
            #expect(ended.state == .failed && ended.error?.contains("another brand") == true)
            #expect(try await test.inventory(of: [slug]).difference(from: before) == [])
        }
    }

    @Test("a byte that has flipped in the repository fails the drill, and is told by its receipt")
    func rot() async throws {
        try await TestPlane.with { test in
            let slug = try await test.brandWithProducts()
            try await test.done(.post, "/backups", slug)
            let data = "\(test.foundations.layout.backups)/brands/\(slug)/data"
            let packs = (FileManager.default.subpaths(atPath: data) ?? []).map { "\(data)/\($0)" }
            var flipped = 0
            for pack in packs {
                guard var bytes = FileManager.default.contents(atPath: pack), bytes.count > 1000 else {
                    continue
                }
                bytes[200] ^= 1
                try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: pack)
                try bytes.write(to: URL(fileURLWithPath: pack))
                flipped += 1
            }
            #expect(flipped > 0)
            let ended = try await test.settle(test.begin(.post, "/backups/verify", slug))
            #expect(ended.state == .failed, "\(ended)")
            let receipt = try await test.receipt(slug)
            #expect(!receipt.isPassed && receipt.failure?.hasPrefix("restic: ") == true, "\(receipt)")
            #expect(try await test.finding("backup drills").status == .failed)
        }
    }
}
