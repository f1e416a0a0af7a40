import Contract
import Foundation
import Kernel
import Testing

@testable import DataPlane

@Suite("Following an instance's long work", .timeLimit(.minutes(2)))
struct OperationEventTests {
    @Test("an import is followed as events that end with its final state")
    func follows() async throws {
        try await TestInstance.serving { instance in
            let rows = (1...50).map { "\($0),2026-01-31,9.99\n" }.joined()
            let asked = try await instance.post(
                "/api/integrations/csv?map=loyalty_id:id&map=occurredAt:date&map=total:total",
                "id,date,total\n" + rows)
            let id = try asked.json(OperationView.self).id
            let answer = try await instance.call("GET", "/api/operations/\(id)/events")
            #expect(answer.headers["content-type"] == "text/event-stream")
            let events = answer.text.components(separatedBy: "\n\n")
                .filter { $0.hasPrefix("event: operation\n") }
            let states = try events.map { event in
                let data = try #require(event.components(separatedBy: "data: ").last)
                return try JSONDecoder().decode(OperationView.self, from: Data(data.utf8))
            }
            #expect(states.last?.state == .done && states.last?.counts?["accepted"] == 50)
            #expect(states.dropLast().allSatisfy { !$0.state.isFinal && $0.id == id })
        }
    }

    @Test("work that is not there is a 404, and who may not read events does not follow")
    func refusals() async throws {
        try await TestInstance.serving { instance in
            for id in ["x", "\(OperationID(at: SystemWallClock().now()))"] {
                let answer = try await instance.call("GET", "/api/operations/\(id)/events")
                answer.expectProblem(404, .notFound)
            }
            let open = try await instance.call("GET", "/api/operations/x/events", key: "")
            open.expectProblem(401, .unauthenticated)
        }
    }
}
