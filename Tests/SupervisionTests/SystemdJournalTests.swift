import Kernel
import Testing

@testable import Supervision

extension RealSystemd {
    @Suite("The journal of a unit", .timeLimit(.minutes(2)))
    struct JournalTests {}
}

extension RealSystemd.JournalTests {
    private static let speaker = """
        for line in sys.argv[1:]: print(line, flush=True)
        serve()
        """

    @Test("the last lines of a unit are its own and systemd's of it, the oldest first, with who wrote them")
    func last() async throws {
        try await withTemplate { test in
            var unit = test.python("a", RealSystemd.JournalTests.speaker)
            unit.arguments += ["one", "<3>two", "three é"]
            try await test.supervisor.start(unit)
            try await test.supervisor.start(test.python("b", "print('not mine', flush=True); serve()"))
            try await test.supervisor.awaitReady(unit.name)
            let service = "\(unit.name).service"
            let entries = try await untilEntries(5, of: service, test.journal)
            let pid = await test.supervisor.status(unit.name)?.pid
            #expect(entries.filter { $0.pid == pid }.map(\.message) == ["one", "two", "three é"])
            #expect(entries.filter { $0.pid == pid }.map(\.priority) == [6, 3, 6])
            #expect(entries.filter { $0.pid == 1 }.map { $0.message.prefix(8) } == ["Starting", "Started "])
            #expect(entries.map(\.at) == entries.map(\.at).sorted())
            #expect(try await test.journal.last(2, of: service) == entries.suffix(2))
            #expect(try await test.journal.last(0, of: service).isEmpty)
            #expect(try await test.journal.last(9, of: "constintel-no-such.service").isEmpty)
        }
    }

    /// The journal takes lines a moment after they are written.
    private func untilEntries(
        _ count: Int, of unit: String, _ journal: Journal
    ) async throws -> [JournalEntry] {
        while true {
            let entries = try await journal.last(100, of: unit)
            if entries.count >= count { return entries }
            await pollingPause()
        }
    }

    @Test("a follower reads what is there, what comes, and goes on after a cursor; it ends when cancelled")
    func follow() async throws {
        try await withTemplate { test in
            let service = "\(test.unit("a")).service"
            var unit = test.python("a", RealSystemd.JournalTests.speaker)
            unit.arguments += (1...150).map { "line \($0)" }
            // It begins before the unit has any entry.
            let all = test.journal.follow(service)
            let reading = Task {
                var lines: [JournalEntry] = []
                for try await entry in all {
                    if entry.message.hasPrefix("line") { lines.append(entry) }
                    if lines.count == 150 { break }
                }
                return lines
            }
            try await test.supervisor.start(unit)
            let lines = try await reading.value
            #expect(lines.map(\.message) == (1...150).map { "line \($0)" })
            var rest: [String] = []
            for try await entry in test.journal.follow(service, after: lines[99].cursor) {
                if entry.message.hasPrefix("line") { rest.append(entry.message) }
                if rest.count == 50 { break }
            }
            #expect(rest == (101...150).map { "line \($0)" })
            let endless = Task { for try await _ in test.journal.follow(service) {} }
            try await Task.sleep(for: .milliseconds(20))
            endless.cancel()
            try await endless.value
            let fault = await #expect(throws: Fault.self) {
                for try await _ in test.journal.follow(service, after: "nonsense") {}
            }
            #expect(fault?.field == "cursor")
        }
    }
}
