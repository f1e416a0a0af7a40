import Contract
import Foundation
import Kernel
import Testing

@testable import ConstIntelCommand

@Suite("The command that looks at the whole installation") struct CheckTests {
    private static let fine = Finding(check: "redis", status: .ok, seen: "Redis 7.0.15")
    private static let missing = Finding(
        check: "recovery passphrase", status: .warning, seen: "none", remedy: "make one")

    private func check(_ findings: [Finding], _ arguments: String...) async throws -> Outcome {
        let view = CheckView(checkedAt: Timestamp(microseconds: 0), findings: findings)
        let outcomes = Outcomes()
        try await TestService.run({ asked, _ in
            asked.call == "GET /api/admin/check" ? try Reply(view) : .problem(404, "not-found", "no")
        }) { service in
            await outcomes.put(await service.locally(["check"] + arguments))
        }
        return try #require(await outcomes.last)
    }

    @Test("a line for each finding, and what to do about those that are not ok")
    func lines() async throws {
        let partitions = Finding(
            check: "partitions", status: .failed, seen: "1 of 2 brands: acme: none for 2026_02",
            remedy: "constintel job run partitions", brands: [try Slug("acme")])
        let outcome = try await check([Self.fine, Self.missing, partitions])
        #expect(
            outcome.output == """
                CHECK                STATUS   SEEN
                redis                ok       Redis 7.0.15
                recovery passphrase  warning  none
                                              do: make one
                partitions           failed   1 of 2 brands: acme: none for 2026_02
                                              do: constintel job run partitions
                1 of 3 checks failed, 1 warning.

                """)
        #expect(outcome.status == 1)
    }

    @Test("warnings are no failure, and the last line says so")
    func warnings() async throws {
        let warned = try await check([Self.fine, Self.missing])
        #expect(warned.status == 0)
        #expect(warned.output.hasSuffix("Nothing has failed: 2 checks, 1 warning.\n"), "\(warned.output)")
        let fine = try await check([Self.fine])
        #expect(fine.status == 0 && fine.output.hasSuffix("Everything is ok: 1 checks.\n"), "\(fine.output)")
    }

    @Test("as JSON it is the service's answer, with the same exit status")
    func json() async throws {
        let failed = Finding(check: "redis", status: .failed, seen: "no answer within 5 s", remedy: "look")
        let outcome = try await check([failed], "--output", "json")
        let view = try JSONDecoder().decode(CheckView.self, from: Data(outcome.output.utf8))
        #expect(view.status == .failed && view.findings == [failed])
        #expect(outcome.status == 1)
    }
}

/// What runs of the command left behind.
private actor Outcomes {
    private(set) var last: Outcome?

    func put(_ outcome: Outcome) { last = outcome }
}
