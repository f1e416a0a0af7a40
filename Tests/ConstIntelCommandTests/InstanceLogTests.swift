import Contract
import Foundation
import Kernel
import NIOCore
import Synchronization
import Testing

@testable import ConstIntelCommand

@Suite("constintel instance logs") struct InstanceLogTests {
    private static let path = "/api/admin/instances/demo/logs"

    private static func entry(_ number: Int, _ source: LogEntry.Source = .service) -> LogEntry {
        LogEntry(
            cursor: "c\(number)", at: Samples.moment, level: .warning, source: source,
            message: "line \(number)\u{1B}[2J")
    }

    @Test("a page is lines of time, level and text that cannot steer the terminal, and leads to the next")
    func page() async throws {
        let page = Page(items: [Self.entry(1), Self.entry(2, .supervisor)], nextCursor: "c2")
        try await TestService.run({ asked, _ in
            #expect(asked.call == "GET \(Self.path)")
            #expect(asked.query == ["limit=5", "since=2027-01-31T00%3A00%3A00Z"])
            return try Reply(page)
        }) { service in
            let arguments = ["instance", "logs", "demo", "-n", "5", "--since", "2027-01-31"]
            let outcome = await service.locally(arguments)
            #expect(outcome.status == 0, "\(outcome)")
            #expect(
                outcome.output == """
                    \(Samples.moment) warning   line 1\u{FFFD}[2J
                    \(Samples.moment) warning   supervisor: line 2\u{FFFD}[2J

                    """)
            #expect(outcome.error.contains("--cursor c2"))
        }
    }

    @Test("what is followed goes on behind the last line when the stream ends or breaks off, until refused")
    func follow() async throws {
        let asked = Mutex<[[String]]>([])
        try await TestService.run({ request, _ in
            let number = asked.withLock { asked in
                asked.append(request.query)
                return asked.count
            }
            guard number < 3 else { return .problem(404, "not-found", "there is no brand 'demo'") }
            let data = String(decoding: try JSONEncoder().encode(Self.entry(number)), as: UTF8.self)
            return .events { writer in
                try await writer.write(ByteBuffer(string: "id: c\(number)\nevent: log\ndata: \(data)\n\n"))
                if number == 1 { throw BrokenOff() }
                let end = "event: end\ndata: {\"reason\":\"the daemon leaves\"}\n\n"
                try await writer.write(ByteBuffer(string: ": waiting\n\n\(end)"))
            }
        }) { service in
            let outcome = await service.locally(["instance", "logs", "demo", "--follow", "--output", "json"])
            #expect(outcome.status == ExitStatus.failed.rawValue)
            #expect(outcome.error.contains("there is no brand 'demo'"))
            let lines = outcome.output.split(separator: "\n")
            let entries = try lines.map { try JSONDecoder().decode(LogEntry.self, from: Data($0.utf8)) }
            #expect(entries == [Self.entry(1), Self.entry(2)])
            #expect(
                asked.withLock { $0 } == [
                    ["follow=true"], ["follow=true", "cursor=c1"], ["follow=true", "cursor=c2"],
                ])
        }
    }

    @Test("a time ago is counted from now")
    func moments() throws {
        let now = Samples.moment
        #expect(try parseMoment("15m").instant(before: now) == now - .seconds(900))
        #expect(try parseMoment("2d").instant(before: now) == now - .seconds(172_800))
        let day = Timestamp(year: 2026, month: 1, day: 31)
        #expect(try parseMoment("2026-01-31").instant(before: now) == day)
    }

    private struct BrokenOff: Error {}
}
