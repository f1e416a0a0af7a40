import Contract
import Foundation
import Kernel
import Postgres
import TestSupport
import Testing

@testable import ControlPlane

/// Two real daemons over one installation, and what becomes of an operation when the lead passes.
@Suite("The hand-over between daemons")
struct HandOverTests {
    private static let rename = Scenario.Call(.patch, "") { _ in BrandChange(name: "Other") }

    @Test("a leader that is killed is followed by who stands by, in a later term; the instance goes on")
    func killed() async throws {
        try await HandOver.with { handOver in
            try await handOver.leader.destroy()
            try await handOver.site.serving(handOver.standby)
            #expect(try await handOver.term() > handOver.firstTerm)
            try await handOver.expectSound()
        }
    }

    @Test("a leader whose session is ended leaves at once with status 75, and the other leads")
    func sessionEnded() async throws {
        try await HandOver.with { handOver in
            let ended = try await handOver.site.control.run(
                """
                select count(pg_terminate_backend(pid)) from pg_locks join pg_stat_activity using (pid)
                where locktype = 'advisory' and pg_locks.database = (
                    select oid from pg_database where datname = current_database())
                """)[0].decode(Int.self)
            #expect(ended == 1)
            #expect(try await handOver.leader.ending() == .exited(75))
            #expect(handOver.leader.output.contains("leaving at once: the lead is lost"))
            try await handOver.site.serving(handOver.standby)
            try await handOver.expectSound()
        }
    }

    @Test("an operation of a leader that freezes is ended by the next one, and the thawed one leaves")
    func frozen() async throws {
        try await HandOver.with(failpoints: { ["brand.update.change.afterEffect:\($0)=stop"] }) { handOver in
            let id = try await handOver.begin(Self.rename)
            try await handOver.site.serving(handOver.standby)
            let operation = try await handOver.site.settle(id)
            #expect(operation.state == .done)
            #expect(operation.heldBy?.hasSuffix(" pid \(handOver.standby.id)") == true)
            let written = try await handOver.rowVersions()
            handOver.leader.signal(SIGCONT)
            #expect(try await handOver.leader.ending() == .exited(75))
            #expect(try await handOver.rowVersions() == written, "the former leader has written")
            try await handOver.expectSound()
        }
    }

    @Test("a former leader that does not notice is refused by the control database")
    func unaware() async throws {
        try await refused(Self.rename, at: "brand.update.change") { try await $0.expectSound() }
    }

    @Test("a former leader that does not notice is refused by the brands' database")
    func unawareOfBrands() async throws {
        let request = Scenario.Call(.post, "/plan") { _ in PlanChange(plan: "pro") }
        // What a role may do is written whatever it was before.
        try await refused(request, at: "brand.changePlan.limitConnections")
    }

    /// Freezes a leader before the step `step`, and has it go on when another has ended the operation.
    private func refused(
        _ request: Scenario.Call, at step: String,
        _ afterwards: (HandOver) async throws -> Void = { _ in }
    ) async throws {
        let failpoints = { (slug: Slug) in
            ["\(step).beforeEffect:\(slug)=stop", "leadership.leave=halt"]
        }
        try await HandOver.with(failpoints: failpoints) { handOver in
            let id = try await handOver.begin(request)
            try await handOver.site.serving(handOver.standby)
            #expect(try await handOver.site.settle(id).state == .done)
            let written = try await handOver.rowVersions()
            handOver.leader.signal(SIGCONT)
            try await eventually("the former leader is refused: \(handOver.leader.output)") {
                // It tried the step, and then found that the journal had moved on or would not be written.
                let isOver = ["left an operation", "has been turned round"].contains {
                    handOver.leader.output.contains($0)
                }
                return isOver && handOver.leader.output.contains("this daemon does not lead")
            }
            #expect(handOver.leader.end == nil, "it leaves only when it notices")
            #expect(try await handOver.rowVersions() == written, "the former leader has written")
            try await afterwards(handOver)
        }
    }
}

/// A leader, a standby, and a brand that they serve.
private struct HandOver {
    let site: AttachedSite
    let leader: DaemonProcess
    let standby: DaemonProcess
    let slug: Slug
    /// The brand's process.
    let process: Int32
    let firstTerm: Int64

    /// Runs `body` with a leader in which failpoints are armed for the brand.
    static func with(
        failpoints: (Slug) -> [String] = { _ in [] }, _ body: (HandOver) async throws -> Void
    ) async throws {
        try await AttachedSite.with(leadSeconds: 3) { site in
            let slug = try TestPlane.slug()
            let leader = try await site.start(failpoints: failpoints(slug))
            try await site.perform([Scenario.provision], slug)
            let standby = try await site.launch()
            try await eventually("the second daemon stands by: \(standby.output)") {
                standby.output.contains("standing by: ")
            }
            let processes = site.instances(of: slug)
            try #require(processes.count == 1)
            let term = try await site.control.run("select term from leadership")[0].decode(Int64.self)
            try await body(
                HandOver(
                    site: site, leader: leader, standby: standby, slug: slug, process: processes[0],
                    firstTerm: term))
        }
    }

    /// Asks for an operation in which the leader freezes; it may freeze before it has answered.
    func begin(_ request: Scenario.Call) async throws -> OperationID {
        async let answer = try? site.send(request, slug)
        try await eventually("the leader freezes: \(leader.output)") { leader.isFrozen }
        let found = try await site.control.run(
            "select id from operation where subject = \(slug) order by id desc limit 1")
        let id = OperationID(try found[0].decode(UUIDv7.self))
        _ = await answer
        return id
    }

    func term() async throws -> Int64 {
        try await site.control.run("select term from leadership")[0].decode(Int64.self)
    }

    /// Another version of a row means that somebody has written it, be it with the same values.
    func rowVersions() async throws -> [String] {
        let journal = try await site.control.run(
            """
            select xmin::text from brand where slug = \(slug)
            union all (select xmin::text from operation where subject = \(slug) order by id)
            union all (select s.xmin::text from operation_step s join operation o on o.id = s.operation_id
                where o.subject = \(slug) order by o.id, s.ordinal)
            """)
        let projected = try await site.brands.run(
            """
            select xmin::text from \(identifier: slug.schemaName).brand_state
            union all (select xmin::text from pg_authid where rolname = \(slug.runtimeRole))
            """)
        return try (Array(journal) + Array(projected)).map { try $0.decode(0, as: String.self) }
    }

    /// The brand is served by its first process, and the new leader can change it.
    func expectSound() async throws {
        #expect(site.instances(of: slug) == [process])
        let rename = Scenario.Call(.patch, "") { _ in BrandChange(name: "Third") }
        try await site.perform([rename], slug)
        #expect(try await site.view(slug)?.name == "Third")
        _ = try await site.inventory(of: [slug])
        #expect(site.instances(of: slug) == [process])
    }
}

extension DaemonProcess {
    /// Stopped by a signal, as the kernel shows it.
    fileprivate var isFrozen: Bool {
        let text = (try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8)) ?? ""
        return text.contains(") T ")
    }
}
