import Contract
import Foundation
import Kernel
import Sealing
import Testing

@testable import DataPlane

@Suite("A brand that is suspended or deleted", .timeLimit(.minutes(5)))
struct SuspensionTests {
    private let event = #"{"eventId":"e1","type":"purchase","properties":{"total":"1"}}"#

    @Test("its keys and users are refused with the reason, whatever they send, and go on once it is resumed")
    func suspended() async throws {
        try await TestInstance.serving { instance in
            let calls: [(String, String, String, [String: String])] = [
                ("POST", "/api/events", event, [:]),
                ("POST", "/api/events/batch", #"{"events":[\#(event)]}"#, [:]),
                ("POST", "/api/events/batch", event, ["Content-Type": "application/x-ndjson"]),
                ("POST", "/api/integrations/csv?map=total:1", "total\n1", [:]),
                ("GET", "/api/profiles", "", [:]), ("GET", "/api/monitoring/stats", "", [:]),
                ("POST", "/api/identity/refold", "", [:]),
            ]
            try await instance.project("suspended", reason: "the invoice of May is not paid")
            try await instance.eventually(refused: true)
            let before = try await instance.footprint()
            let callers = try [instance.key, instance.token(.brandOwner), instance.token(.brandUser)]
            for (method, path, body, headers) in calls {
                for caller in callers {
                    try await instance.call(method, path, Array(body.utf8), headers: headers, key: caller)
                        .expectProblem(
                            403, .forbidden, nil, "suspended: the invoice of May is not paid", path)
                }
            }
            try await instance.call("GET", "/api/profiles", key: "ci_live_x")
                .expectProblem(401, .unauthenticated)
            #expect(try await instance.footprint() == before)
            try await instance.project("active", reason: nil)
            try await instance.eventually(refused: false)
            for (_, path, body, headers) in calls.prefix(3) {
                let answer = try await instance.post(path, body, headers: headers)
                #expect(answer.status == 202, "\(path) \(answer.text)")
            }
            try await instance.drained()
            #expect(try await instance.stats().orders == 1)
        }
    }

    @Test("administrators and operators go on with it")
    func staff() async throws {
        try await TestInstance.serving { instance in
            for status in ["suspended", "deleted"] {
                try await instance.project(status, reason: nil)
                try await instance.eventually(refused: true)
                for role in [UserRole.admin, .operator] {
                    let answer = try await instance.call(
                        "GET", "/api/monitoring/stats", key: instance.token(role))
                    #expect(answer.status == 200, "\(role) \(answer.text)")
                }
            }
        }
    }

    @Test("what was accepted before is committed all the same")
    func accepted() async throws {
        try await TestInstance.serving { instance in
            try await instance.brand.holdingLease {
                #expect(try await instance.post("/api/events", event).status == 202)
                try await instance.project("suspended", reason: nil)
                try await instance.eventually(refused: true)
            }
            try await instance.drained()
            let stats = try await instance.call(
                "GET", "/api/monitoring/stats", key: instance.token(.admin)
            ).json(StatsView.self)
            #expect(stats.orders == 1)
        }
    }

    @Test("a deleted one says so, and a suspended one without a reason says only that")
    func words() async throws {
        try await TestInstance.serving { instance in
            try await instance.project("suspended", reason: nil)
            try await instance.eventually(refused: true)
            let path = "/api/monitoring/stats"
            let suspended = try await instance.call("GET", path)
            #expect(try suspended.json(Problem.self).detail.hasSuffix("the brand is suspended"))
            try await instance.project("deleted", reason: "unpaid")
            try await eventually("it says deleted", within: .seconds(10)) {
                try await instance.call("GET", path).text.contains("the brand was deleted")
            }
            for caller in try [instance.key, instance.token(.brandOwner)] {
                try await instance.post("/api/events", event, key: caller)
                    .expectProblem(403, .forbidden, nil, "the brand was deleted")
            }
        }
    }
}

extension TestInstance {
    /// Projects a status, as the control plane would.
    fileprivate func project(_ status: String, reason: String?) async throws {
        try await brand.database.run(
            """
            update brand_state set status = \(status), status_reason = \(reason), revision = revision + 1
            """)
    }

    /// Waits until the instance has followed its projection.
    fileprivate func eventually(refused: Bool) async throws {
        try await DataPlaneTests.eventually("refused: \(refused)", within: .seconds(10)) {
            (try await call("GET", "/api/monitoring/stats").status == 403) == refused
        }
    }

    fileprivate func token(_ role: UserRole) throws -> String {
        let now = SystemWallClock().now()
        return try signer.sign(
            TokenClaims(
                sub: UUIDv7(at: now).description, aud: "brand:\(brand.slug)", role: role.rawValue, iat: now,
                lifetime: .seconds(300)))
    }
}
