import Contract
import Foundation
import Kernel
import Postgres
import Testing
import Workflow

@testable import ControlPlane

@Suite("Clones of brands") struct CloneTests {
    @Test("a clone that goes on keeps the backups and the master key that it needs, and takes no use over")
    func inFlight() async throws {
        try await TestPlane.with { test in
            let (source, slug) = (try TestPlane.slug(), try TestPlane.slug())
            try await test.perform([Scenario.provision], source)
            try await test.foundations.brands.run(
                """
                insert into \(identifier: source.schemaName).event_meter (quarter, events, test_events)
                values (now(), 7, 0)
                """)
            try await test.perform([Scenario.backUp], source)
            let begun = try await test.call(
                .post, "/api/admin/brands/\(source)/clone", BrandClone(slug: slug.text))
            let clone = try begun.decode(OperationView.self).id

            #expect(try await test.call(.post, "/api/admin/platform/master-key/rotate").status == 200)
            #expect(
                test.foundations.keys.sealer.formerKeyIds.count == 1, "the clone may have sealed under it")
            try await test.foundations.control.run(
                """
                update brand set status = 'deleted', status_before = 'active', purge_after = now()
                where slug = \(source)
                """)
            let purge = try await test.call(
                .post, "/api/admin/brands/\(source)/purge", BrandPurge(confirm: source.text))
            #expect(purge.status == 409)
            #expect(try purge.problem.detail.contains("brand.clone"))

            let ended = try await test.settle(clone)
            #expect(ended.state == .done, "\(ended.error ?? "")")
            try await test.plane.keyRotation.finishDue()
            #expect(test.foundations.keys.sealer.formerKeyIds == [])
            let used = try await test.foundations.brands.run(
                "select from \(identifier: slug.schemaName).event_meter")
            #expect(used.isEmpty, "the other's use of its plan")
        }
    }
}
