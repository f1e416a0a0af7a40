import Contract
import Foundation
import Kernel
import Testing

@testable import ConstIntelCommand

@Suite("Commands that look into a brand and at the service") struct InspectionTests {
    private static let id = "0198c5f2-8b7a-7c3e-9d0a-0242ac120002"

    @Test(
        "each asks for what it is for, at the instance with the brand's token",
        arguments: [
            (["work", "list", "--brand", "demo"], "/b/demo/api/operations", #"{"items":[]}"#, "STATE"),
            (
                ["work", "rejections", id, "--brand", "demo"], "/b/demo/api/operations/\(id)/rejections",
                #"{"items":[{"row":7,"reason":"no total","fields":["a@b.c",""]}]}"#, "no total"
            ),
            (
                ["events", "show", id, "--brand", "demo"], "/b/demo/api/events/\(id)",
                #"{"id":"\#(id)","type":"purchase","eventId":"e-1"}"#, "purchase"
            ),
            (
                ["profiles", "decisions", "--brand", "demo"], "/b/demo/api/identity/decisions",
                #"{"items":[{"sequence":1,"kind":"block","reason":"a placeholder"}]}"#, "a placeholder"
            ),
            (
                ["brand", "health", "demo"], "/b/demo/api/monitoring/health",
                #"{"status":"ok","checks":{"redis":"ok"}}"#, "redis   ok"
            ),
            (
                ["openapi", "--brand", "demo"], "/b/demo/api/openapi.yaml", "openapi: 3.1.1\n",
                "openapi: 3.1.1\n"
            ),
            (
                ["tracker", "demo", "--key", "ci_pub_demo_8fK2"], "/b/demo/constintel-tracker.js",
                "// a script", #"/b/demo/constintel-tracker.js" data-key="ci_pub_demo_8fK2"></script>"#
            ),
        ])
    func ofInstance(arguments: [String], path: String, body: String, shown: String) async throws {
        let answer: @Sendable (Asked, TestService) throws -> Reply = { asked, service in
            switch asked.call {
            case "POST /api/auth/brand-token": try service.brandToken()
            case "GET \(path)" where asked.token == "brand-token": Reply(body)
            default: .problem(404, "not-found", "nothing is there")
            }
        }
        try await TestService.run(answer) { service in
            let outcome = await service.locally(arguments)
            #expect(outcome.status == 0, "\(outcome)")
            #expect(outcome.output.contains(shown), "\(outcome)")
        }
    }

    @Test("a brand that is not well is a failure")
    func degraded() async throws {
        let answer: @Sendable (Asked, TestService) throws -> Reply = { asked, service in
            asked.call == "POST /api/auth/brand-token"
                ? try service.brandToken()
                : Reply(#"{"status":"degraded","checks":{"disk":"is full"}}"#)
        }
        try await TestService.run(answer) { service in
            let outcome = await service.locally("brand", "health", "demo")
            #expect(outcome.status == 1 && outcome.output.contains("is full"), "\(outcome)")
        }
    }

    @Test("the service's description and measurements are printed as they are, and a token by itself")
    func ofControlPlane() async throws {
        let answer: @Sendable (Asked, TestService) throws -> Reply = { asked, service in
            switch asked.call {
            case "GET /api/admin/openapi.yaml": Reply("openapi: 3.1.1\ninfo: {}\n")
            case "GET /metrics": Reply("up 1\n")
            case "POST /api/auth/brand-token": try service.brandToken()
            default: .problem(404, "not-found", "nothing is there")
            }
        }
        try await TestService.run(answer) { service in
            #expect(await service.locally("openapi").output == "openapi: 3.1.1\ninfo: {}\n")
            #expect(await service.locally("platform", "metrics").output == "up 1\n")
            let token = await service.locally("brand", "token", "demo")
            #expect(token.output == "brand-token\n" && token.error.contains("/b/demo"), "\(token)")
        }
    }
}
