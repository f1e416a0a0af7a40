import Contract
import Foundation
import Kernel
import Postgres
import Synchronization
import Testing

@testable import ControlPlane

@Suite("Jobs that are done again and again")
struct JobTests {
    @Test("partitions are made for every brand; one that fails is told, and keeps no other from its own")
    func partitions() async throws {
        try await TestPlane.with { test in
            let slugs = [try TestPlane.slug(), try TestPlane.slug()].sorted()
            for slug in slugs { try await test.provision(slug) }
            let month = test.clock.now().description.prefix(7).replacing("-", with: "_")
            for slug in slugs { try await test.drop("customer_raw_event_\(month)", of: slug) }
            var job = try await test.run("partitions")
            #expect(job.counts == ["brands": 2, "failed": 0] && job.error == nil)
            for slug in slugs { #expect(try await test.has("customer_raw_event_\(month)", of: slug)) }

            try await test.drop("customer_raw_event_\(month)", of: slugs[1])
            try await test.foundations.brands.run(
                "alter function \(identifier: slugs[0].schemaName).ensure_event_partitions rename to other")
            job = try await test.run("partitions")
            #expect(job.error?.hasPrefix("1 of 2 brands failed") == true, "\(job)")
            #expect(try await test.has("customer_raw_event_\(month)", of: slugs[1]))
            let listed = try await test.call(.get, "/api/admin/jobs").decode(Page<JobView>.self).items
            #expect(listed.first { $0.name == "partitions" } == job)
        }
    }

    @Test("what is due is run once, and again when its time has passed, also after a clock was set back")
    func due() async throws {
        try await TestPlane.with { test in
            let ran = Counter()
            let jobs = Jobs(
                all: [Job(name: "count", summary: "counts", every: .seconds(60)) { ["runs": ran.next()] }],
                store: JobStore(pool: test.foundations.control), clock: test.clock, logger: TestPlane.silent)
            try await jobs.runDue()
            try await jobs.runDue()
            #expect(try await jobs.list()[0].counts == ["runs": 1])
            test.clock.advance(by: .seconds(61))
            try await jobs.runDue()
            #expect(try await jobs.list()[0].counts == ["runs": 2])
            test.clock.advance(by: .seconds(-3600))
            try await jobs.runDue()
            #expect(try await jobs.list()[0].counts == ["runs": 3])
        }
    }

    @Test("a job may take longer than its transaction may lie idle")
    func long() async throws {
        try await TestPlane.with { test in
            let control = test.foundations.control
            try await control.transaction { transaction in
                try await transaction.run("set local idle_in_transaction_session_timeout = '200ms'")
                let slept = try await transaction.held(sign: .milliseconds(40)) {
                    try await control.run("select pg_sleep(0.7)").count
                }
                #expect(slept == 1)
                try await transaction.run("select 1")
            }
        }
    }

    @Test("an unknown job is 404 with the names there are; a plan runs nothing")
    func requests() async throws {
        try await TestPlane.with { test in
            let unknown = try await test.call(.post, "/api/admin/jobs/other/run")
            #expect(unknown.status == 404)
            #expect(
                try unknown.problem.detail.contains(
                    "partitions, purge, trials, housekeeping, metrics, retention, backups, drills, formers"))
            let plan = try await test.call(.post, "/api/admin/jobs/purge/run?plan=true")
            #expect(try plan.decode(OperationPlan.self).steps.count == 1)
            let listed = try await test.call(.get, "/api/admin/jobs").decode(Page<JobView>.self).items
            #expect(
                listed.map(\.name)
                    == [
                        "partitions", "purge", "trials", "housekeeping", "metrics", "retention", "backups",
                        "drills", "formers",
                    ])
            #expect(listed.allSatisfy { $0.startedAt == nil })
        }
    }
}

private final class Counter: Sendable {
    private let value = Mutex(0)

    func next() -> Int {
        value.withLock {
            $0 += 1
            return $0
        }
    }
}

extension TestPlane {
    /// Runs a job now.
    func run(_ job: String) async throws -> JobView {
        let answer = try await call(.post, "/api/admin/jobs/\(job)/run")
        #expect(answer.status == 200)
        return try answer.decode(JobView.self)
    }

    fileprivate func drop(_ table: String, of slug: Slug) async throws {
        try await foundations.brands.run(
            "drop table \(identifier: slug.schemaName).\(identifier: table)")
        #expect(try await !has(table, of: slug))
    }

    fileprivate func has(_ table: String, of slug: Slug) async throws -> Bool {
        let rows = try await foundations.brands.run(
            "select 1 from pg_tables where schemaname = \(slug.schemaName) and tablename = \(table)")
        return !rows.isEmpty
    }
}
