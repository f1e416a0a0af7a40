import Kernel
import Postgres
import TestSupport
import Testing

@testable import ControlPlane

@Suite("Sessions that take too much")
struct RunawayTests {
    @Test("of transactions that last long the oldest stay, whatever time-outs a session has set aside")
    func durations() async throws {
        try await TestPlane.with { test in
            let (slug, other) = (try TestPlane.slug(), try TestPlane.slug())
            for slug in [slug, other] { try await test.provision(slug, plan: "pro") }
            let idle = try await test.connect(as: slug)
            let sessions = try await test.openTransactions(3, as: slug)
            let alone = try await test.openTransactions(1, as: other)
            let watch = test.watch(.init(transaction: .zero, long: 2, longest: .seconds(3600)))
            #expect(try await watch.pass().map(\.role) == [slug.runtimeRole])
            #expect(await test.survivors(sessions) == [true, true, false])
            #expect(await test.survivors(alone + [idle]) == [true, true])
            #expect(try await watch.pass().isEmpty)
            #expect(try await test.watch(.init()).pass().isEmpty)
            let strict = test.watch(.init(transaction: .zero, long: 2, longest: .zero))
            let ended = try await strict.pass()
            #expect(ended.map(\.role).sorted() == [slug, slug, other].map(\.runtimeRole).sorted())
            #expect(ended.allSatisfy { $0.excess == .duration })
            #expect(await test.survivors(Array(sessions.prefix(2)) + alone) == [false, false, false])
            for session in sessions + alone + [idle] { await session.close() }
        }
    }

    @Test("one that collects locks is ended, however short it is, and who holds a few is not")
    func locks() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug, plan: "pro")
            let sessions = try await test.openTransactions(2, as: slug)
            for number in 0..<60 {
                try await sessions[0].run("create temporary table \(identifier: "t\(number)") (id int)")
            }
            let ended = try await test.watch(.init(locks: 50)).pass()
            #expect(ended.map(\.excess) == [.locks] && ended.map(\.role) == [slug.runtimeRole])
            #expect(await test.survivors(sessions) == [false, true])
            for session in sessions { await session.close() }
        }
    }

    @Test("the bounds leave room for what an instance gives itself")
    func bounds() {
        let bounds = RunawayStore.Bounds()
        // A re-fold's statements have an hour, and its idle times ten minutes.
        #expect(bounds.longest > .seconds(3600 + 600) && bounds.long == 2)
        // Every other one has a minute for a statement and half of one between two.
        #expect(bounds.transaction > .seconds(60 + 30))
    }
}

extension TestPlane {
    fileprivate func watch(_ bounds: RunawayStore.Bounds) -> RunawayWatch {
        RunawayWatch(
            store: RunawayStore(pool: foundations.brands), bounds: bounds, clock: ContinuousClock(),
            logger: TestPlane.silent)
    }

    /// Sessions of the brand's role in transactions that were begun one after the other, without time-outs.
    fileprivate func openTransactions(_ count: Int, as slug: Slug) async throws -> [PostgresConnection] {
        var sessions: [PostgresConnection] = []
        for _ in 0..<count {
            let session = try await connect(as: slug)
            for setting in ["statement_timeout", "idle_in_transaction_session_timeout"] {
                try await session.run("set \(raw: setting) = 0")
            }
            try await session.run("begin")
            try await session.run("select 1 from brand_state")
            sessions.append(session)
        }
        return sessions
    }

    /// Which of these can still be asked something.
    fileprivate func survivors(_ sessions: [PostgresConnection]) async -> [Bool] {
        var alive: [Bool] = []
        for session in sessions { alive.append((try? await session.run("select 1")) != nil) }
        return alive
    }
}
