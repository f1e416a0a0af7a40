import Contract
import Foundation
import HTTPTypes
import Kernel
import Sealing
import TestSupport
import Testing
import Web

@testable import ControlPlane

/// The control plane's `openapi.yaml`, held to its routes, its lists and its answers.
@Suite("The control plane's OpenAPI document")
struct OpenAPITests {
    private let document: OpenAPIDocument

    init() throws { document = try OpenAPIDocument(of: "ControlPlane") }

    @Test("it has every route, and nothing that is not a route")
    func routes() async throws {
        try await TestPlane.with { plane in
            let router = plane.plane.router(plane.plane.tokenAuthentication)
            let routes = Set(router.routes.map { "\($0.method) \($0.path)" })
            let operations = document.operations
            #expect(!routes.isEmpty)
            #expect(routes.subtracting(operations) == [], "routes that openapi.yaml does not describe")
            #expect(operations.subtracting(routes) == [], "openapi.yaml describes what is not a route")
        }
    }

    @Test("it is served as it is, to everybody")
    func served() async throws {
        try await TestPlane.with { plane in
            let answer = try await plane.call(.get, "/api/admin/openapi.yaml", token: "")
            #expect(answer.status == 200)
            #expect(answer.headers[.contentType] == "application/yaml")
            #expect(answer.body == document.bytes)
        }
    }

    @Test("its lists, limits and version are those of the code")
    func limits() throws {
        func texts(_ place: String) throws -> [String] { try document.texts(at: "components/\(place)") }
        #expect(try document.texts(at: "info/version") == [Release.current])
        #expect(try texts("schemas/Role/enum") == UserRole.allCases.map(\.rawValue))
        #expect(try texts("schemas/Scope/enum") == KeyScope.allCases.map(\.rawValue))
        #expect(
            try texts("schemas/Brand/properties/status/enum") == BrandView.Status.allCases.map(\.rawValue))
        #expect(
            try texts("schemas/OperationState/enum") == OperationView.State.allCases.map(\.rawValue))
        #expect(
            try texts("schemas/OperationStep/properties/state/enum")
                == OperationView.Step.State.allCases.map(\.rawValue))
        #expect(try texts("schemas/Problem/properties/code/enum") == Fault.Code.allCases.map(\.rawValue))
        #expect(try texts("schemas/Industry/enum") == Industry.allCases.map(\.rawValue))
        #expect(try texts("schemas/FindingStatus/enum") == Finding.Status.allCases.map(\.rawValue))
        let line = "schemas/LogEntry/properties"
        #expect(try texts("\(line)/level/enum") == LogEntry.Level.allCases.map(\.rawValue))
        #expect(try texts("\(line)/source/enum") == LogEntry.Source.allCases.map(\.rawValue))
        #expect(
            try texts("schemas/Platform/properties/environment/enum")
                == InstallationEnvironment.allCases.map(\.rawValue))
        let days = "schemas/BrandDeletion/properties/graceDays"
        #expect(try texts("\(days)/maximum") == ["\(Lifecycle.longestGraceDays)"])
        #expect(try texts("\(days)/default") == ["\(Lifecycle.graceDays)"])
        #expect(
            try Set(texts("schemas/Operation/properties/kind/enum"))
                == Set(Scenario.all.map(\.kind)))
        #expect(
            try document.names(at: "components/schemas/PlanLimits/properties")
                == Set(PlanLimits.CodingKeys.allCases.map(\.stringValue)))
        #expect(try texts("parameters/Limit/schema/maximum") == ["\(RequestLimits.pageItems)"])
        #expect(try texts("parameters/Limit/schema/default") == ["\(RequestLimits.defaultPageItems)"])
        #expect(try texts("parameters/Cursor/schema/maxLength") == ["\(RequestLimits.cursorBytes)"])
    }

    @Test(
        "its request bodies have the fields of the code's",
        arguments: [
            ("BrandDraft", BrandDraft.fields), ("BrandChange", BrandChange.fields),
            ("Reason", ReasonBody.fields), ("PlanChange", PlanChange.fields),
            ("BrandDeletion", BrandDeletion.fields), ("BrandPurge", BrandPurge.fields),
            ("ReleaseChange", ReleaseChange.fields), ("KeyDraft", KeyDraft.fields),
            ("UserDraft", UserDraft.fields), ("PlanDraft", PlanDraft.fields),
            ("TrialChange", TrialChange.fields),
            ("MetricsRecomputation", MetricsRecomputation.fields),
            ("PlatformClearing", PlatformClearing.fields), ("SettingsRevert", SettingsRevert.fields),
            ("TokenKeyRotation", TokenKeyRotation.fields),
        ])
    func bodies(schema: String, fields: [String]) throws {
        #expect(try document.names(at: "components/schemas/\(schema)/properties") == Set(fields))
    }

    @Test("whatever may be changed can be asked for its plan, and takes an Idempotency-Key")
    func changes() throws {
        let changes = document.operations.filter {
            !$0.hasPrefix("GET ") && $0.contains("/api/admin/")
        }
        #expect(changes.count > 10)
        for change in changes {
            let words = change.split(separator: " ").map(String.init)
            let parameters = try document.references(
                at: ["paths", words[1], words[0].lowercased(), "parameters"])
            #expect(parameters.contains("#/components/parameters/IdempotencyKey"), "\(change)")
            // Steering goes along the plan that the operation has.
            let isSteering = change.hasSuffix("/retry") || change.hasSuffix("/unwind")
            #expect(parameters.contains("#/components/parameters/Plan") == !isSteering, "\(change)")
        }
    }

    @Test("answers are what it says")
    func answers() async throws {
        try await TestPlane.with { plane in
            let slug = try TestPlane.slug()
            let asked = try await plane.call(.post, "/api/admin/brands", BrandDraft(slug: slug.text))
            try expect(asked, 202, "POST /api/admin/brands")
            let operation = try asked.decode(OperationView.self).id
            try await plane.settle(operation)
            try expect(
                try await plane.call(.post, "/api/admin/jobs/partitions/run"), 200,
                "POST /api/admin/jobs/{name}/run")
            for path in [
                "/api/admin/brands", "/api/admin/operations", "/api/admin/platform", "/api/admin/jobs",
                "/api/admin/check",
            ] {
                try expect(try await plane.call(.get, "\(path)?limit=1"), 200, "GET \(path)")
            }
            try expect(
                try await plane.call(.get, "/api/admin/operations/\(operation)"), 200,
                "GET /api/admin/operations/{id}")
            try expect(
                try await plane.call(.get, "/api/admin/operations?state=done"), 200,
                "GET /api/admin/operations")
            let brand = "/api/admin/brands/{slug}"
            try expect(try await plane.call(.get, "/api/admin/brands/\(slug)"), 200, "GET \(brand)")
            try expect(
                try await plane.call(.get, "/api/admin/brands/\(slug)/usage"), 200, "GET \(brand)/usage")
            try expect(try await plane.call(.get, "/api/admin/plans"), 200, "GET /api/admin/plans")
            try expect(
                try await plane.call(.get, "/api/admin/plans/pro"), 200, "GET /api/admin/plans/{name}")
            let keys = "/api/admin/brands/\(slug)/keys"
            try expect(
                try await plane.call(.post, keys, KeyDraft(name: "shop")), 201, "POST \(brand)/keys")
            try expect(try await plane.call(.get, keys), 200, "GET \(brand)/keys")
            for probe in ["/healthz", "/readyz"] {
                try expect(try await plane.call(.get, probe), 200, "GET \(probe)")
            }
            try await checkSessions(plane, slug)
        }
    }

    private func checkSessions(_ plane: TestPlane, _ slug: Slug) async throws {
        let draft = UserDraft(email: "bo@example.com", role: .brandUser, brand: slug.text)
        let made = try await plane.call(.post, "/api/admin/users", draft)
        try expect(made, 201, "POST /api/admin/users")
        let password = try #require(try made.decode(UserCreated.self).password)
        let login = LoginRequest(email: "bo@example.com", password: password)
        let loggedIn = try await plane.call(.post, "/api/auth/login", login, token: "")
        try expect(loggedIn, 200, "POST /api/auth/login")
        let tokens = try loggedIn.decode(TokenPair.self)
        try expect(try await plane.call(.get, "/api/admin/users"), 200, "GET /api/admin/users")
        try expect(
            try await plane.call(
                .post, "/api/auth/brand-token", BrandTokenRequest(brand: slug.text),
                token: tokens.accessToken), 200, "POST /api/auth/brand-token")
        let refresh = RefreshRequest(refreshToken: tokens.refreshToken)
        try expect(
            try await plane.call(.post, "/api/auth/refresh", refresh, token: ""), 200,
            "POST /api/auth/refresh")
    }

    @Test("problems are what it says")
    func problems() async throws {
        try await TestPlane.with { plane in
            let slug = try TestPlane.slug()
            _ = try await plane.request(slug)
            let problem = "application/problem+json"
            try expect(
                try await plane.call(.post, "/api/admin/brands", BrandDraft(slug: slug.text)), 409,
                "POST /api/admin/brands", type: problem)
            try expect(
                try await plane.call(.post, "/api/admin/brands", BrandDraft(slug: "-")), 400,
                "POST /api/admin/brands", type: problem)
            try expect(
                try await plane.call(.get, "/api/admin/users", token: ""), 401, "GET /api/admin/users",
                type: problem)
            try expect(
                try await plane.call(.get, "/api/admin/operations/x"), 404, "GET /api/admin/operations/{id}",
                type: problem)
            try expect(
                try await plane.call(.post, "/api/admin/operations/x/retry"), 404,
                "POST /api/admin/operations/{id}/retry", type: problem)
            try expect(
                try await plane.call(.get, "/api/admin/operations?state=odd"), 400,
                "GET /api/admin/operations", type: problem)
        }
    }

    private func expect(
        _ answer: Answer, _ status: Int, _ operation: String, type: String = "application/json"
    ) throws {
        let text = String(decoding: answer.body, as: UTF8.self)
        #expect(answer.status == status, "\(operation): \(text)")
        guard answer.status == status else { return }
        #expect(answer.headers[.contentType] == type)
        let faults = try document.faults(in: answer.body, of: operation, status: status, type: type)
        #expect(faults == [], "\(operation): \(text)")
    }
}
