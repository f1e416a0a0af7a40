import ConstIntelCommand
import Contract
import Foundation
import Kernel
import Synchronization
import Testing

/// Answers an import: a token, the upload, two polls, then the end.
private final class Imports: Sendable {
    private let polls = Mutex(0)
    let state: OperationView.State
    let counts: [String: Int64]
    /// Polls that meet an instance that is being restarted.
    let away: ClosedRange<Int>?
    let tokenLife: Int

    init(
        _ state: OperationView.State = .done, counts: [String: Int64], away: ClosedRange<Int>? = nil,
        tokenLife: Int = 300
    ) {
        self.state = state
        self.counts = counts
        self.away = away
        self.tokenLife = tokenLife
    }

    @Sendable func answer(_ asked: Asked, _ service: TestService) async throws -> Reply {
        switch asked.call {
        case "POST /api/auth/brand-token":
            return try service.brandToken(expiresIn: tokenLife)
        case "POST /b/demo/api/integrations/csv":
            return try Reply(operation(.pending, done: 0), status: 202)
        case "GET /b/demo/api/operations/\(Self.id)":
            let poll = polls.withLock { polls in
                polls += 1
                return polls
            }
            if away?.contains(poll) == true { return Reply("<html>", status: 502) }
            return try Reply(operation(poll < 3 ? .running : state, done: Int64(poll)))
        case "GET /b/demo/api/operations/\(Self.id)/rejections":
            return try Reply(
                Page(
                    items: [RejectedRow(row: 7, reason: "total is not a number: 'x\u{1B}'")], nextCursor: "n")
            )
        default:
            return .problem(404, "not-found", "nothing is there")
        }
    }

    static let id = OperationID(UUIDv7(high: 0x0198_0000_0000_7000, low: 0x8000_0000_0000_0001))

    private func operation(_ state: OperationView.State, done: Int64) -> OperationView {
        let now = Timestamp(microseconds: 1_700_000_000_000_000)
        return OperationView(
            id: Self.id, kind: "events.import", subject: "orders.csv", state: state, step: "rows",
            progress: .init(done: done, total: 3, unit: "rows"),
            error: state == .failed ? "the file is not text" : nil, counts: state.isFinal ? counts : nil,
            createdAt: now, updatedAt: now)
    }
}

@Suite struct ImportTests {
    private let clean: [String: Int64] = ["rows": 69_659, "accepted": 69_659, "duplicates": 0, "rejected": 0]

    private func file(_ service: TestService, _ bytes: Data) throws -> String {
        let path = "\(service.state)/orders.csv"
        try bytes.write(to: URL(fileURLWithPath: path))
        return path
    }

    @Test("a file arrives byte for byte, with its format in the query and the brand's token")
    func upload() async throws {
        try await TestService.run(Imports(counts: clean).answer) { service in
            let bytes = Data((0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
            let outcome = await service.locally(
                "events", "import", try file(service, bytes), "--brand", "demo", "--map", "total=dollar_value"
            )
            #expect(outcome.status == 0, "\(outcome)")
            #expect(
                outcome.output
                    == "Imported orders.csv into 'demo': 69,659 rows, 69,659 accepted, 0 duplicates, "
                    + "0 rejected.\n"
            )
            #expect(outcome.error.isEmpty)
            let upload = try #require(service.asked.first { $0.path.hasSuffix("/csv") })
            #expect(Data(upload.body) == bytes)
            #expect(upload.contentType == "text/csv")
            #expect(upload.token == "brand-token")
            #expect(
                upload.query == ["map=total%3Adollar_value", "fileName=orders.csv"])
        }
    }

    @Test("a file is sent while it is read: its beginning arrives before its end is written")
    func streaming() async throws {
        try await TestService.run(Imports(counts: clean).answer) { service in
            let pipe = "\(service.state)/pipe"
            #expect(mkfifo(pipe, 0o600) == 0)
            let writer = FileHandle(fileDescriptor: open(pipe, O_RDWR | O_CLOEXEC), closeOnDealloc: true)
            async let outcome = service.locally(
                "events", "import", pipe, "--brand", "demo", "--map", "total=1")
            try writer.write(contentsOf: Data("beginning\n".utf8))
            for await size in service.arrivals {
                #expect(size == 10)
                break
            }
            try writer.write(contentsOf: Data("end\n".utf8))
            try writer.close()
            #expect(await outcome.status == 0)
            let upload = try #require(service.asked.first { $0.path.hasSuffix("/csv") })
            #expect(String(decoding: upload.body, as: UTF8.self) == "beginning\nend\n")
        }
    }

    @Test("rejected rows are shown with their reasons, and the status tells of them")
    func rejections() async throws {
        let counts: [String: Int64] = ["rows": 9, "accepted": 6, "duplicates": 1, "rejected": 2]
        try await TestService.run(Imports(counts: counts).answer) { service in
            let path = try file(service, Data("x".utf8))
            let outcome = await service.locally(
                "events", "import", path, "--brand", "demo", "--map", "total=1", "--output", "json")
            #expect(outcome.status == ExitStatus.rejections.rawValue)
            let answer = try JSONDecoder().decode(OperationView.self, from: Data(outcome.output.utf8))
            #expect(answer.counts == counts)
            #expect(outcome.error == "ROW  REASON\n  7  total is not a number: 'x\u{FFFD}'\nand 1 more\n")
        }
    }

    @Test("an import that fails says why, and its status is a failure even with rejected rows")
    func failure() async throws {
        try await TestService.run(Imports(.failed, counts: ["rejected": 1]).answer) { service in
            let path = try file(service, Data("x".utf8))
            let outcome = await service.locally(
                "events", "import", path, "--brand", "demo", "--map", "total=1")
            #expect(outcome.status == ExitStatus.failed.rawValue)
            #expect(outcome.output.isEmpty)
            #expect(
                outcome.error.hasSuffix(
                    ": the file is not text, at the step 'rows'\n"
                ))
        }
    }

    @Test("an upload that is refused at its beginning is not sent to its end, and the refusal is told")
    func earlyRefusal() async throws {
        let answer: @Sendable (Asked, TestService) throws -> Reply = { asked, service in
            asked.path == "/api/auth/brand-token"
                ? try service.brandToken()
                : .problem(422, "invalid", "no column is mapped to 'total'", field: "map")
        }
        try await TestService.run(readsUploads: false, answer) { service in
            let path = try file(service, Data(repeating: 0x61, count: 8_000_000))
            let outcome = await service.locally(
                "events", "import", path, "--brand", "demo", "--map", "total=1")
            #expect(outcome.status == ExitStatus.failed.rawValue, "\(outcome)")
            #expect(outcome.error.hasSuffix(": no column is mapped to 'total' (map)\n"), "\(outcome)")
        }
    }

    @Test("an instance that is restarted meanwhile is waited for")
    func restart() async throws {
        try await TestService.run(Imports(counts: clean, away: 1...20).answer) { service in
            let path = try file(service, Data("x".utf8))
            let outcome = await service.locally(
                "events", "import", path, "--brand", "demo", "--map", "total=1")
            #expect(outcome.status == 0, "\(outcome)")
        }
    }

    @Test("a brand's token that ends meanwhile is asked for again")
    func tokenEnds() async throws {
        try await TestService.run(Imports(counts: clean, tokenLife: 0).answer) { service in
            let path = try file(service, Data("x".utf8))
            let outcome = await service.locally(
                "events", "import", path, "--brand", "demo", "--map", "total=1")
            #expect(outcome.status == 0, "\(outcome)")
            #expect(service.asked.count { $0.path == "/api/auth/brand-token" } > 3)
        }
    }

    @Test("progress of both parts is drawn on a terminal, and gone before the result")
    func progress() async throws {
        try await TestService.run(Imports(counts: clean).answer) { service in
            let path = try file(service, Data(repeating: 0x61, count: 1000))
            let outcome = await service.locally(
                "events", "import", path, "--brand", "demo", "--map", "total=1", terminal: true)
            #expect(outcome.status == 0, "\(outcome)")
            #expect(outcome.error.contains("uploading orders.csv"))
            #expect(outcome.error.contains("100%  1.0 kB of 1.0 kB"))
            #expect(outcome.error.contains("events.import orders.csv (rows)"))
            #expect(outcome.error.contains("3 of 3 rows"))
            #expect(outcome.error.hasSuffix("\r\u{1B}[K"))
        }
    }

    @Test("a file that is not there, and a directory, are refused before anything is sent")
    func noFile() async throws {
        try await TestService.run(Imports(counts: clean).answer) { service in
            for (path, reason) in [("/nonexistent/x.csv", "No such file"), (service.state, "is a directory")]
            {
                let outcome = await service.locally(
                    "events", "import", path, "--brand", "demo", "--map", "total=1")
                #expect(outcome.status == ExitStatus.failed.rawValue)
                #expect(outcome.error.contains(reason))
            }
            #expect(service.asked.isEmpty)
        }
    }
}
