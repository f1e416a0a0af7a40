import Contract
import Foundation
import Hummingbird
import Kernel
import NIOCore
import Synchronization
import Testing

@testable import ConstIntelCommand

private let id = Samples.operation().id
private let path = "/api/admin/operations/\(id)"

private func step(
    _ name: String, _ state: OperationView.Step.State, attempts: Int = 1, error: String? = nil
) -> OperationView.Step {
    .init(name: name, state: state, attempts: state == .pending ? 0 : attempts, error: error)
}

/// One server-sent event with `view`, as the control plane writes it.
private func event(_ view: OperationView) throws -> ByteBuffer {
    let data = String(decoding: try JSONEncoder().encode(view), as: UTF8.self)
    return ByteBuffer(string: "event: operation\ndata: \(data)\n\n")
}

private struct BrokenOff: Error {}

/// A daemon that answers each connection of a follower with what `connections` has for it, one after another.
private final class Daemon: Sendable {
    private let count = Mutex(0)
    private let connections: [@Sendable () throws -> Reply]

    init(_ connections: [@Sendable () throws -> Reply]) { self.connections = connections }

    @Sendable func answer(_ asked: Asked, _ service: TestService) async throws -> Reply {
        switch asked.path {
        case path: return try Reply(Samples.operation())
        case path + "/events":
            let index = count.withLock { count in
                defer { count += 1 }
                return count
            }
            return try connections[min(index, connections.count - 1)]()
        default: return .problem(404, "not-found", "there is no such operation")
        }
    }

    /// A stream of `views`; broken off after them, or ended.
    static func stream(_ views: OperationView..., breaksOff: Bool = false) -> @Sendable () throws -> Reply {
        {
            .events { writer in
                for view in views { try await writer.write(event(view)) }
                try await writer.write(ByteBuffer(string: ": waiting\n\n"))
                if breaksOff { throw BrokenOff() }
            }
        }
    }
}

@Suite("constintel operation watch") struct WatchTests {
    private static let begun = Samples.operation(
        .running, steps: [step("remember", .done), step("awaitReady", .running), step("tell", .pending)])
    private static let done = Samples.operation(
        .done, steps: [step("remember", .done), step("awaitReady", .done, attempts: 2), step("tell", .done)])

    @Test("each step is a line as it happens, and the end is the exit status")
    func success() async throws {
        try await TestService.run(Daemon([Daemon.stream(Self.begun, Self.begun, Self.done)]).answer) {
            service in
            let outcome = await service.locally("operation", "watch", "\(id)")
            #expect(outcome.status == 0, "\(outcome)")
            #expect(
                outcome.output == """
                    \(Samples.moment)  done     remember
                    \(Samples.moment)  running  awaitReady
                    \(Samples.moment)  done     awaitReady, try 2
                    \(Samples.moment)  done     tell
                    instance.upgrade of 'demo' is done.

                    """)
            #expect(outcome.error.isEmpty)
        }
    }

    @Test("on a terminal a line shows how far it is, and is gone at the end")
    func terminal() async throws {
        try await TestService.run(Daemon([Daemon.stream(Self.begun, Self.done)]).answer) { service in
            let outcome = await service.locally("operation", "watch", "\(id)", terminal: true)
            #expect(outcome.error.contains("instance.upgrade demo (awaitReady)"))
            #expect(outcome.error.contains("2 of 4 steps"))
            #expect(outcome.error.hasSuffix("\r\u{1B}[K"))
        }
    }

    @Test("what is taken back is told the last step first, and is a failure with the reason")
    func unwound() async throws {
        let unwinding = Samples.operation(
            .unwinding, steps: [step("a", .done), step("b", .undoing, attempts: 2, error: "no disk")])
        let failed = Samples.operation(
            .failed, steps: [step("a", .undone, attempts: 2), step("b", .undone, attempts: 2)])
        try await TestService.run(Daemon([Daemon.stream(unwinding, failed)]).answer) { service in
            let outcome = await service.locally("operation", "watch", "\(id)")
            #expect(outcome.status == ExitStatus.failed.rawValue)
            let lines = outcome.output.split(separator: "\n").map {
                $0.dropFirst("\(Samples.moment)  ".count)
            }
            #expect(
                lines == [
                    "undoing  b, try 2: no disk", "done     a", "undone   b, try 2", "undone   a, try 2",
                ])
            #expect(
                outcome.error
                    == "Error: could not finish instance.upgrade of 'demo': it did not become ready, at the "
                    + "step 'awaitReady'\n")
        }
    }

    @Test("it goes on when the daemon breaks off, is away for a while and comes back, and repeats nothing")
    func reconnects() async throws {
        let daemon = Daemon([
            Daemon.stream(Self.begun, breaksOff: true),
            { .problem(503, "unavailable", "the daemon is away") },
            { .problem(502, "unavailable", "the daemon is away") },
            Daemon.stream(Self.begun),
            Daemon.stream(Self.done),
        ])
        try await TestService.run(daemon.answer) { service in
            let outcome = await service.locally("operation", "watch", "\(id)")
            #expect(outcome.status == 0, "\(outcome)")
            #expect(outcome.output.split(separator: "\n").count == 5, "\(outcome.output)")
            #expect(outcome.error.hasPrefix("The service is away: "))
            #expect(outcome.error.hasSuffix(" Waiting for it.\nThe service is back.\n"))
            #expect(outcome.error.split(separator: "\n").count == 2)
            #expect(service.asked.count { $0.path == path + "/events" } == 5)
        }
    }

    @Test("a daemon that is silent on an open connection is taken for one that is away")
    func silent() async throws {
        let daemon = Daemon([
            { .events { _ in try await Task.sleep(for: .seconds(60)) } }, Daemon.stream(Self.done),
        ])
        try await TestService.run(daemon.answer) { test in
            let written = Written()
            let surroundings = Surroundings(
                environment: ["CONSTINTEL_HOME": test.state], streams: written.streams(terminal: false),
                pollInterval: .milliseconds(1))
            let options = try ServiceOptions.parse([])
            try await Surroundings.$current.withValue(surroundings) {
                try await Service.with(options) { service in
                    let watcher = OperationWatcher(service: service, silence: .milliseconds(50))
                    let ended = try await watcher.watch(id) { _ in }
                    #expect(ended.state == .done)
                }
            }
            #expect(written.error.contains("the service fell silent"))
        }
    }

    @Test("as JSON each change is the operation on one line")
    func json() async throws {
        try await TestService.run(Daemon([Daemon.stream(Self.begun, Self.done)]).answer) { service in
            let outcome = await service.locally("operation", "watch", "\(id)", "--output", "json")
            let views = try outcome.output.split(separator: "\n").map {
                try JSONDecoder().decode(OperationView.self, from: Data($0.utf8))
            }
            #expect(views.map(\.state) == [.running, .done])
            #expect(views.last?.steps == Self.done.steps)
        }
    }

    @Test("an operation that is not there is refused at once, and so is a service that is not there")
    func missing() async throws {
        try await TestService.run({ _, _ in .problem(404, "not-found", "there is no such operation") }) {
            service in
            let outcome = await service.locally("operation", "watch", "\(id)")
            #expect(outcome.status == 1 && outcome.error.contains("there is no such operation"), "\(outcome)")
            #expect(service.asked.count == 1)
        }
        let nowhere = await constintel(
            ["operation", "watch", "\(id)"], environment: ["CONSTINTEL_HOME": "/nonexistent"])
        #expect(nowhere.status == ExitStatus.unreachable.rawValue, "\(nowhere)")
    }
}

@Suite("Steering operations") struct SteeringTests {
    private func answering(
        first: OperationView, last: OperationView
    ) -> @Sendable (Asked, TestService) async throws -> Reply {
        { asked, _ in
            switch asked.call {
            case "POST \(path)/retry", "POST \(path)/unwind": try Reply(first)
            case "GET \(path)": try Reply(last)
            default: .problem(404, "not-found", "nothing is there")
            }
        }
    }

    @Test("operations are listed by subject and state")
    func list() async throws {
        try await TestService.run({ _, _ in try Reply(Page(items: [Samples.operation(.stuck)])) }) {
            service in
            let outcome = await service.locally(
                "operation", "list", "--subject", "demo", "--state", "stuck", "--limit", "5")
            #expect(outcome.output.contains("instance.upgrade  demo     stuck  awaitReady"))
            #expect(service.asked.map(\.query) == [["subject=demo", "state=stuck", "limit=5"]])
            #expect(await service.locally("operation", "list", "--state", "odd").error.contains("unwinding"))
        }
    }

    @Test("an operation is shown with who asked, who holds it, and each of its steps")
    func show() async throws {
        let view = Samples.operation(
            .stuck, steps: [step("remember", .done), step("change", .undoing, attempts: 9, error: "no disk")])
        try await TestService.run(answering(first: view, last: view)) { service in
            let output = await service.locally("operation", "show", "\(id)").output
            #expect(
                output.contains("runbook   runbooks/instance-stuck.md\nasked by  local\nheld by   host 7\n"))
            #expect(
                output.hasSuffix(
                    """

                    STEP      STATE    TRIES  PROGRESS, OR LAST ERROR
                    remember  done         1  
                    change    undoing      9  no disk

                    """), "\(output)")
        }
    }

    @Test("a retry waits for the end, which is its exit status")
    func retry() async throws {
        for (end, status) in [(OperationView.State.done, Int32(0)), (.stuck, 1)] {
            let last = Samples.operation(end, steps: [step("a", .done)])
            let first = Samples.operation(.running, steps: [step("a", .running, attempts: 9)])
            try await TestService.run(answering(first: first, last: last)) { service in
                let outcome = await service.locally("operation", "retry", "\(id)")
                #expect(outcome.status == status, "\(outcome)")
                let asked = try #require(service.asked.first)
                #expect(asked.call == "POST \(path)/retry" && asked.body.isEmpty)
                #expect(asked.idempotencyKey.flatMap { UUIDv7($0) } != nil)
            }
        }
    }

    @Test("what was to be taken back and is, is no failure; what was to go on and is taken back, is one")
    func takenBack() async throws {
        let last = Samples.operation(.failed, steps: [step("a", .undone), step("b", .pending)])
        let back = Samples.operation(.unwinding, steps: [step("a", .undoing), step("b", .pending)])
        let forth = Samples.operation(.running, steps: [step("a", .running), step("b", .pending)])
        for (verb, first, status) in [
            ("unwind", back, Int32(0)), ("retry", back, 0), ("unwind", forth, 0), ("retry", forth, 1),
        ] {
            try await TestService.run(answering(first: first, last: last)) { service in
                let outcome = await service.locally("operation", verb, "\(id)")
                #expect(outcome.status == status, "\(verb): \(outcome)")
                #expect(outcome.error.contains("has been taken back") == (status == 0))
            }
        }
    }

    @Test("an unwinding that is not one is a failure, and so is a refusal, in the service's words")
    func refused() async throws {
        let last = Samples.operation(.done, steps: [step("a", .done)])
        let stuck = Samples.operation(.stuck, steps: [step("a", .undoing)])
        try await TestService.run(answering(first: last, last: stuck)) { service in
            let outcome = await service.locally("operation", "unwind", "\(id)", "--no-wait")
            #expect(outcome.status == 0 && service.asked.count == 1)
        }
        try await TestService.run(answering(first: stuck, last: stuck)) { service in
            #expect(await service.locally("operation", "unwind", "\(id)").status == 1)
        }
        try await TestService.run({ _, _ in .problem(409, "conflict", "the step 'drop' cannot be undone") }) {
            service in
            let outcome = await service.locally("operation", "unwind", "\(id)")
            #expect(
                outcome.error
                    == "Error: could not unwind the operation \(id): the step 'drop' cannot be undone\n")
        }
    }
}

@Suite struct ServerSentEventTests {
    private static let text =
        ": hello\n\nevent: operation\ndata: {\"a\":1}\n\ndata:two\r\ndata: lines\r\n\r\nid: 7\nretry: 1\n\n"
        + "data\n\nevent: unfinished\ndata: x\n"
    private static let events: [ServerSentEvent] = [
        .init(name: "operation", data: "{\"a\":1}"), .init(name: "message", data: "two\nlines"),
        .init(name: "message", data: ""),
    ]

    @Test("events are the same however the stream is cut", arguments: [1, 2, 3, 7, 1000])
    func cuts(size: Int) throws {
        var parser = ServerSentEventParser()
        var found: [ServerSentEvent] = []
        let bytes = Array(Self.text.utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            found += try parser.feed(bytes[start..<min(start + size, bytes.count)])
        }
        #expect(found == Self.events)
    }

    @Test("an event without an end is refused before it fills the memory")
    func endless() throws {
        var parser = ServerSentEventParser()
        let piece = [UInt8](repeating: 0x61, count: 1 << 16)
        #expect(throws: Fault.self) { for _ in 0..<17 { _ = try parser.feed(piece) } }
    }
}
