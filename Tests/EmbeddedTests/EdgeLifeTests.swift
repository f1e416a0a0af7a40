import Glibc
import Kernel
import Supervision
import Testing

@testable import Embedded

@Suite("The edge's life", .timeLimit(.minutes(5)))
struct EdgeLifeTests {
    @Test("a killed edge, workers and all, serves again")
    func killed() async throws {
        try await Edge.with { edge in
            try await edge.supervisor.killAndAwait("nginx")
            #expect(try edge.get("/b/acme/x").status == 200)
        }
    }

    @Test("an edge whose supervisor was killed keeps serving and is adopted; its own port is no obstacle")
    func adopted() async throws {
        let directory = try TestDirectory()
        let state = try StateDirectory(path: "\(directory.path)/s")
        let services = try makeServices(over: state)
        var first: Int32?
        try await runningUntilKilled(makeSupervisor(over: state)) { supervisor in
            try await services.startEdge(under: supervisor)
            first = await supervisor.status("nginx")?.pid
        }
        try await running(makeSupervisor(over: state)) { supervisor in
            try await services.startEdge(under: supervisor)
            #expect(await supervisor.status("nginx")?.pid == first)
        }
    }

    @Test("an edge whose address has changed is replaced")
    func moved() async throws {
        let directory = try TestDirectory()
        let state = try StateDirectory(path: "\(directory.path)/s")
        try await runningUntilKilled(makeSupervisor(over: state)) { supervisor in
            try await makeServices(over: state).startEdge(under: supervisor)
        }
        try await running(makeSupervisor(over: state)) { supervisor in
            let address = try freeAddress()
            try await makeServices(over: state, edge: address).startEdge(under: supervisor)
            #expect(try HTTPExchange("GET", "/b/nobody/x", to: address).status == 404)
        }
    }

    @Test("a port that somebody else uses is a sentence that names it and its setting")
    func portInUse() async throws {
        let directory = try TestDirectory()
        let state = try StateDirectory(path: "\(directory.path)/s")
        let listener = try Listener()
        try await running(makeSupervisor(over: state)) { supervisor in
            let services = try makeServices(over: state, edge: listener.address)
            let fault = await #expect(throws: Fault.self) { try await services.startEdge(under: supervisor) }
            #expect(fault?.code == .conflict && fault?.field == "CONSTINTEL_EDGE")
            #expect(fault?.description.contains("\(listener.address)") == true)
        }
    }

    @Test("all three start from nothing and stop without a trace")
    func everything() async throws {
        let directory = try TestDirectory()
        let state = try StateDirectory(path: "\(directory.path)/s")
        let address = try freeAddress()
        try await running(makeSupervisor(over: state)) { supervisor in
            let connections = try await makeServices(over: state, edge: address).start(under: supervisor)
            #expect(try await connections.postgres.query("select 1", in: directory) == "1\n")
            #expect(await supervisor.statuses().keys.sorted() == ["nginx", "postgres", "redis"])
        }
        #expect(try await makeSupervisor(over: state).leftovers().isEmpty)
        try address.checkItIsFree()
    }
}
