import Kernel
import Logging
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Workflow

@Suite("Leadership")
struct LeadershipTests {
    @Test("of two, one leads and the other waits; released, the lead passes to the other, in a later term")
    func inTurn() async throws {
        try await TwoDatabases.with { installation in
            let first = try await installation.stand("first").acquire()
            #expect(first.term == 1)
            let (told, logger) = installation.toldLogger()
            async let waiting = installation.stand("second", logger: logger).acquire()
            try await told.first { $0.contains("standing by: first leads, in term 1") }
            try await installation.write(first)
            await first.release()
            let second = try await waiting
            #expect(second.term == 2)
            try await installation.write(second)
            try await installation.expectRefusals(first)
            await second.release()
        }
    }

    @Test("a leader whose connection is ended loses, and says so")
    func terminated() async throws {
        try await TwoDatabases.with { installation in
            let lead = try await installation.stand("first").acquire()
            try await installation.endSessions()
            await #expect(throws: LeadLost.self) { try await lead.keep() }
        }
    }

    @Test("a leader that shows no sign is superseded by the server's time-out, and can write nothing more")
    func silent() async throws {
        try await TwoDatabases.with { installation in
            // To the server, a leader that never gets to its heartbeat is a frozen one.
            let frozen = try await installation.stand("first").acquire()
            let next = try await installation.stand("second").acquire()
            try await installation.expectRefusals(frozen)
            try await installation.write(next)
            let lost = await #expect(throws: LeadLost.self) { try await frozen.keep() }
            #expect(lost?.reason.isEmpty == false)
            await next.release()
        }
    }

    @Test("what a frozen leader has begun and not committed is ended before the next one leads")
    func openTransaction() async throws {
        try await TwoDatabases.with { installation in
            let frozen = try await installation.stand("first").acquire()
            let connections = try await installation.connect(frozen)
            // At once: what stands still for long the server ends by itself.
            try await connections[0].run(all: ["begin", TwoDatabases.change])
            try await connections[1].run(all: ["begin", TwoDatabases.check])
            let next = try await installation.stand("second").acquire()
            for connection in connections {
                let error = await #expect(throws: PostgresError.self) { try await connection.run("commit") }
                #expect(error?.isConnectionFailure == true, "its transaction is over")
            }
            #expect(try await installation.changes() == 0)
            try await installation.write(next)
            await next.release()
        }
    }

    @Test("a leader finds out that another's term has begun, though its connection lives")
    func superseded() async throws {
        try await TwoDatabases.with { installation in
            let lead = try await installation.stand("first").acquire()
            try await installation.administrator("update leadership set term = 7, holder = 'another'")
            let lost = await #expect(throws: LeadLost.self) { try await lead.keep() }
            #expect(lost?.reason == "another leads, in term 7")
            await lead.release()
        }
    }

    @Test("where no other can be, a lead whose connection was lost is taken up again in its term")
    func alone() async throws {
        try await TwoDatabases.with { installation in
            let (told, logger) = installation.toldLogger()
            let lead = try await installation.stand("only", isAlone: true, logger: logger).acquire()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await lead.keep() }
                try await installation.endSessions()
                try await told.first { $0.contains("leading again") }
                try await installation.write(lead)
                #expect(try await installation.term() == lead.term)
                group.cancelAll()
            }
            await lead.release()
        }
    }

    @Test("a term is later than what either database knows, as after one of them was restored")
    func restored() async throws {
        try await TwoDatabases.with { installation in
            let lead = try await installation.stand("first").acquire()
            await lead.release()
            try await installation.administrator("update leadership set term = 0")
            let next = try await installation.stand("second").acquire()
            #expect(next.term == 2)
            try await installation.write(next)
            try await installation.expectRefusals(lead)
            await next.release()
        }
    }

    @Test("a session without a term writes nothing, and a brand's role does not see who leads")
    func strangers() async throws {
        try await TwoDatabases.with { installation in
            let lead = try await installation.stand("first").acquire()
            let stranger = try await installation.connect([:])
            for (connection, statement) in zip(stranger, [TwoDatabases.change, TwoDatabases.check]) {
                let error = await #expect(throws: PostgresError.self) { try await connection.run(statement) }
                #expect(error?.sqlState == "CI001")
                #expect(error?.fault(doing: "write").detail == "this daemon does not lead any more")
            }
            try await stranger[1].run("create role \(identifier: installation.role)")
            try await stranger[1].run("set role \(identifier: installation.role)")
            for statement: SQL in [TwoDatabases.check, "select term from constintel.leadership"] {
                let error = await #expect(throws: PostgresError.self) {
                    try await stranger[1].run(statement)
                }
                #expect(error?.sqlState == "42501")
            }
            try await stranger[1].run("reset role")
            try await stranger[1].run("drop role \(identifier: installation.role)")
            for connection in stranger { await connection.close() }
            await lead.release()
        }
    }
}
