import Contract
import Foundation
import Testing

@testable import ConstIntelCommand

@Suite("Commands about dead letters") struct DeadLetterCommandTests {
    @Test("a replay of all goes on, request after request, until none is left")
    func sweep() async throws {
        let answer: @Sendable (Asked, TestService) throws -> Reply = { asked, service in
            guard asked.call == "POST /b/demo/api/dead-letters/replay" else {
                return try service.brandToken()
            }
            let selection = try JSONDecoder().decode(DeadLetterSelection.self, from: Data(asked.body))
            #expect(selection.reason == "defect")
            switch selection.after {
            case nil: return Reply(#"{"count":9000,"after":"7-0","left":500}"#)
            case "7-0":
                #expect(selection.atMost == 500)
                return Reply(#"{"count":400,"left":0}"#)
            default: return .problem(400, "invalid", "unexpected")
            }
        }
        try await TestService.run(answer) { service in
            let outcome = await service.locally(
                "dead-letters", "replay", "--reason", "defect", "--brand", "demo")
            #expect(outcome.status == 0 && outcome.output == "9,400 dead letters replayed.\n", "\(outcome)")
            #expect(outcome.error.contains("500 are left"))
        }
    }

    @Test("one is replayed as a file says, and discarded only when somebody says so")
    func one() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).json")
        try Data(#"{"type":"search"}"#.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let answer: @Sendable (Asked, TestService) throws -> Reply = { asked, service in
            switch asked.call {
            case "POST /b/demo/api/dead-letters/7-0/replay":
                #expect(String(decoding: asked.body, as: UTF8.self) == #"{"event":{"type":"search"}}"#)
                return Reply(#"{"count":1,"left":0}"#)
            case "DELETE /b/demo/api/dead-letters/7-0": return Reply("")
            default: return try service.brandToken()
            }
        }
        try await TestService.run(answer) { service in
            let replayed = await service.locally(
                "dead-letters", "replay", "7-0", "--event", file.path, "--brand", "demo")
            #expect(replayed.output == "1 dead letter replayed.\n", "\(replayed)")
            let asked = await service.locally("dead-letters", "discard", "7-0", "--brand", "demo")
            #expect(asked.status != 0 && asked.error.contains("--yes"), "\(asked)")
            let gone = await service.locally("dead-letters", "discard", "7-0", "--brand", "demo", "--yes")
            #expect(gone.output == "1 dead letter discarded.\n", "\(gone)")
        }
    }
}
