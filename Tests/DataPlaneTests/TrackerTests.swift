import Foundation
import TestSupport
import Testing

@testable import DataPlane

@Suite("The tracker's script", .timeLimit(.minutes(5)))
struct TrackerTests {
    private static let path = "/constintel-tracker.js"

    @Test("is served to everybody as it stands in the checkout, and not again to whoever has it")
    func served() async throws {
        try await TestInstance.serving { instance in
            func get(_ known: String? = nil) async throws -> Answer {
                var headers = ["Origin": "https://elsewhere.example"]
                headers["If-None-Match"] = known
                return try await instance.call("GET", Self.path, headers: headers, key: "")
            }
            let answer = try await get()
            #expect(answer.status == 200)
            let checkout = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_CHECKOUT"] ?? "."
            let file = "\(checkout)/Sources/DataPlane/Tracker/constintel-tracker.js"
            #expect(answer.body == FileManager.default.contents(atPath: file))
            #expect(answer.headers["content-type"] == "text/javascript; charset=utf-8")
            #expect(answer.headers["cache-control"] == "public, max-age=3600")
            #expect(answer.headers["cross-origin-resource-policy"] == "cross-origin")
            let tag = try #require(answer.headers["etag"])
            for known in [tag, "W/\(tag)", "\"other\", W/\(tag) ,\"another\"", "*"] {
                let again = try await get(known)
                #expect(again.status == 304 && again.body.isEmpty, "\(known)")
                #expect(again.headers["etag"] == tag && again.headers["cache-control"] != nil)
            }
            for known in ["\"other\"", String(tag.dropLast()), "W/\"\""] {
                #expect(try await get(known).status == 200, "\(known)")
            }
            #expect(try await instance.call("POST", Self.path, key: "").status == 405)
        }
    }
}
