import ConstIntelCommand
import Contract
import Foundation
import Kernel
import Testing

@Suite("constintel brand refold") struct RefoldTests {
    private static let id = OperationID(UUIDv7(high: 0x0198_0000_0000_7000, low: 0x8000_0000_0000_0002))

    private static let differences: [RefoldReport.Difference] = [
        .init(
            kind: "placement", count: 1_200,
            samples: (1...20).map { "event \($0) is placed on none, should be on email a@b.com" }),
        .init(kind: "brand totals", count: 1, samples: ["the brand has 1 events and 1 profiles"]),
    ]

    /// Answers with an operation that ends at the first poll.
    private func answer(
        _ differences: [RefoldReport.Difference], state: OperationView.State = .done
    ) -> @Sendable (Asked, TestService) async throws -> Reply {
        { asked, service in
            func operation(_ state: OperationView.State, _ result: RefoldReport?) -> OperationView {
                let now = Timestamp(microseconds: 1_700_000_000_000_000)
                return OperationView(
                    id: Self.id, kind: "identity.refold", subject: "demo", state: state,
                    error: state == .failed ? "the process ended" : nil, result: result, createdAt: now,
                    updatedAt: now)
            }
            switch asked.call {
            case "POST /api/auth/brand-token": return try service.brandToken()
            case "POST /b/demo/api/identity/refold": return try Reply(operation(.pending, nil), status: 202)
            case "GET /b/demo/api/operations/\(Self.id)":
                let isApplied = service.asked.contains { $0.json?["apply"]?.text == "true" }
                let report = RefoldReport(
                    applied: isApplied, events: 69_659, identifiers: 5, decisions: 0,
                    differences: differences)
                return try Reply(operation(state, state == .done ? report : nil))
            default: return .problem(404, "not-found", "nothing is there")
            }
        }
    }

    @Test("a plan without a difference says so")
    func healthy() async throws {
        try await TestService.run(answer([])) { service in
            let outcome = await service.locally("brand", "refold", "demo", "--plan")
            #expect(outcome.status == 0, "\(outcome)")
            #expect(
                outcome.output
                    == "'demo' is as it should be: 69,659 events, 5 identifiers, 0 decisions.\n")
            let asked = try #require(service.asked.first { $0.path.hasSuffix("/refold") })
            #expect(asked.json?["apply"]?.text == "false" && asked.token == "brand-token")
        }
    }

    @Test("differences are a table, and the exit status of a plan tells of them")
    func differences() async throws {
        try await TestService.run(answer(Self.differences)) { service in
            let outcome = await service.locally("brand", "refold", "demo", "--plan")
            #expect(outcome.status == 1, "\(outcome)")
            let lines = outcome.output.split(separator: "\n")
            #expect(lines.count == 7, "\(outcome.output)")
            #expect(
                lines[1] == "placement     1,200  event 1 is placed on none, should be on email a@b.com")
            #expect(lines[4].hasSuffix("  and 1,197 more"))
            #expect(
                lines[6]
                    == "Found 1,201 differences of 'demo': 69,659 events, 5 identifiers, 0 decisions.")
        }
    }

    @Test("what was put right is no failure, and JSON is the operation itself")
    func applied() async throws {
        try await TestService.run(answer(Self.differences)) { service in
            let outcome = await service.locally(
                "brand", "refold", "demo", "--apply", "--output", "json")
            #expect(outcome.status == 0, "\(outcome)")
            let shown = try JSONDecoder().decode(OperationView.self, from: Data(outcome.output.utf8))
            #expect(shown.result?.applied == true && shown.result?.differences == Self.differences)
        }
    }

    @Test("one that failed says why, and neither or both of the flags is wrong usage")
    func refused() async throws {
        try await TestService.run(answer([], state: .failed)) { service in
            let failed = await service.locally("brand", "refold", "demo", "--apply")
            #expect(failed.status == 1 && failed.error.contains("the process ended"), "\(failed)")
            let asked = service.asked.count
            #expect(await service.locally("brand", "refold", "demo").status == 64)
            #expect(await service.locally("brand", "refold", "demo", "--plan", "--apply").status == 64)
            #expect(service.asked.count == asked)
        }
    }
}
