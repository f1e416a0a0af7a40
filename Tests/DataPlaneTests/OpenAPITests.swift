import Commerce
import Contract
import Events
import Foundation
import Integrations
import Kernel
import TestSupport
import Testing
import Web

@testable import DataPlane

/// The instance's `openapi.yaml`, held to its routes, its limits and its answers.
@Suite("The instance's OpenAPI document")
struct OpenAPITests {
    private let document: OpenAPIDocument

    init() throws { document = try OpenAPIDocument(of: "DataPlane") }

    @Test("it has every route, and nothing that is not a route")
    func routes() async throws {
        let routes = try await TestInstance.with { instance in
            let instance = try instance.assembled()
            let parts = try await instance.parts()
            let routes = instance.router(parts).routes.map { "\($0.method) \($0.path)" }
            await parts.database.close()
            await parts.redis.close()
            return Set(routes)
        }
        #expect(!routes.isEmpty)
        #expect(routes.subtracting(document.operations) == [], "routes that openapi.yaml does not describe")
        #expect(document.operations.subtracting(routes) == [], "openapi.yaml describes what is not a route")
    }

    @Test("it is served as it is, to everybody")
    func served() async throws {
        try await TestInstance.serving { instance in
            let answer = try await instance.call("GET", "/api/openapi.yaml", key: "")
            #expect(answer.status == 200)
            #expect(answer.headers["content-type"] == "application/yaml")
            #expect(answer.body == document.bytes)
        }
    }

    @Test("its lists and limits are those of the code")
    func limits() throws {
        func texts(_ place: String) throws -> [String] { try document.texts(at: "components/\(place)") }
        #expect(try texts("schemas/EventType/enum") == EventType.allCases.map(\.rawValue))
        #expect(
            try document.names(at: "components/schemas/SentIdentifiers/properties")
                == Set(IdentifierKind.allCases.map(\.rawValue)))
        #expect(try texts("schemas/Problem/properties/code/enum") == Fault.Code.allCases.map(\.rawValue))
        let event = "schemas/Event/properties"
        #expect(try texts("\(event)/eventId/maxLength") == ["\(EventLimits.keyBytes)"])
        #expect(try texts("\(event)/channel/maxLength") == ["\(EventLimits.channelBytes)"])
        #expect(
            try texts("schemas/SentIdentifiers/properties/email/maxLength")
                == ["\(EventLimits.identifierBytes)"])
        #expect(
            try texts("schemas/EventBatch/properties/events/maxItems") == ["\(EventLimits.batchEvents)"])
        #expect(try texts("parameters/Limit/schema/maximum") == ["\(RequestLimits.pageItems)"])
        #expect(try texts("parameters/Limit/schema/default") == ["\(RequestLimits.defaultPageItems)"])
        #expect(try texts("parameters/Cursor/schema/maxLength") == ["\(RequestLimits.cursorBytes)"])
        let product = "schemas/ProductDraft/properties"
        #expect(try texts("\(product)/name/maxLength") == ["\(Product.nameBytes)"])
        #expect(try texts("\(product)/category/maxLength") == ["\(Product.categoryBytes)"])
        #expect(try texts("\(product)/description/maxLength") == ["\(Product.descriptionBytes)"])
        #expect(
            try texts("schemas/ProductsDraft/properties/products/maxItems")
                == ["\(Products.maximumProducts)"])
        #expect(
            try texts("schemas/InventoryDraft/properties/inventory/maxItems")
                == ["\(Inventory.maximumLevels)"])
        #expect(
            try texts("schemas/StockLevelDraft/properties/storeName/maxLength")
                == ["\(StockLevel.storeNameBytes)"])
    }

    /// Where the document says what a kind of property holds.
    private static let kinds: [PropertyKind: String] = [
        .text: "SentText", .id: "SentId", .money: "SentMoney", .number: "SentNumber", .boolean: "SentTruth",
        .currency: "SentCurrency", .instant: "SentInstant", .version: "SentVersion", .items: "SentItems",
    ]

    @Test(
        "what it says of the properties of events is what the catalogue says",
        arguments: EventType.allCases)
    func catalogue(of type: EventType) throws {
        let rules = EventCatalogue.properties(of: type)
        guard !rules.isEmpty else { return }
        let name = type.rawValue.split(separator: "_").map(\.capitalized).joined() + "Properties"
        let place = "components/schemas/\(name)"
        #expect(try document.names(at: "\(place)/properties") == Set(rules.map(\.name)))
        let required = rules.filter(\.isRequired).map(\.name)
        #expect(try required.isEmpty || document.texts(at: "\(place)/required") == required)
        #expect(try document.texts(at: "\(place)/description") == [EventCatalogue.meaning(of: type)])
        for rule in rules {
            let kind = try #require(Self.kinds[rule.kind])
            #expect(
                try document.written(at: "\(place)/properties/\(rule.name)")
                    == ["$ref": "#/components/schemas/\(kind)", "description": rule.meaning])
        }
    }

    @Test("answers about orders, rates and types are what it says")
    func orders() async throws {
        try await TestInstance.serving { instance in
            try await sendEvents(to: instance)
            let refund = #"{"type": "refund", "properties": {"orderId": "1001", "amount": 40}}"#
            let cancelled = #"{"type": "cancellation", "properties": {"orderId": "1001"}}"#
            for event in [refund, cancelled] {
                _ = try await instance.post("/api/events", event, headers: ["Prefer": "wait"])
            }
            try await check(instance, "/api/event-types")
            let order = try await item("/api/orders?orderId=1001", of: "/api/orders", instance)
            try await check(instance, "/api/orders")
            try await check(instance, "/api/orders/{id}", id: order)
            let rates = #"{"rates": [{"currency": "EUR", "day": "2026-01-31", "rate": "1.08"}]}"#
            let set = try await instance.call("PUT", "/api/rates", Array(rates.utf8))
            try expect(set, 200, "PUT /api/rates")
            try await check(instance, "/api/rates")
            try await check(instance, "/api/monitoring/stats")
            for path in ["EUR/2026-01-31", "EUR/2026-01-31", "EURO/2026-01-31"] {
                let answer = try await instance.call("DELETE", "/api/rates/\(path)")
                let type = answer.status == 200 ? "application/json" : "application/problem+json"
                try expect(answer, answer.status, "DELETE /api/rates/{currency}/{day}", type: type)
            }
        }
    }

    @Test("answers are what it says")
    func answers() async throws {
        try await TestInstance.serving { instance in
            try await sendEvents(to: instance)
            try await instance.drained()
            let profile = try await item("/api/profiles?limit=1", of: "/api/profiles", instance)
            try await check(instance, "/api/profiles/{id}", id: profile)
            try await check(instance, "/api/profiles", query: "?email=ana@example.com")
            let event = try await item("/api/events?limit=1", of: "/api/events", instance)
            try await check(instance, "/api/events", query: "?limit=200")
            try await check(instance, "/api/events/feed", query: "?limit=200&test=true")
            try await check(instance, "/api/events/feed", query: "?cursor=newest")
            try await check(instance, "/api/events/{id}", id: event)
            try await check(instance, "/api/monitoring/stats")
            try await check(instance, "/api/monitoring/health")
            let operation = try await sendFile(to: instance)
            try await check(instance, "/api/operations")
            try await check(instance, "/api/operations/{id}", id: operation)
            try await check(instance, "/api/operations/{id}/rejections", id: operation)
        }
    }

    @Test("answers to decisions are what it says")
    func decisions() async throws {
        try await TestInstance.serving { instance in
            for name in ["ann", "anne", "test"] {
                let view = #"{"type": "page_view", "identifiers": {"email": "\#(name)@example.com"}}"#
                try expect(
                    try await instance.post("/api/events", view, headers: ["Prefer": "wait"]), 200,
                    "POST /api/events")
            }
            func profile(_ name: String) async throws -> String {
                try await item("/api/profiles?email=\(name)@example.com", of: "/api/profiles", instance)
            }
            func decide(_ template: String, _ id: String = "", _ body: String, query: String = "")
                async throws
            {
                let path = template.replacing("{id}", with: id) + query
                try expect(try await instance.post(path, body), 200, "POST \(template)")
            }
            let ann = try await profile("ann")
            let pair = #"{"with": "\#(try await profile("anne"))", "reason": "one person"}"#
            try await decide("/api/profiles/{id}/never", ann, pair)
            try await decide("/api/profiles/{id}/allow", ann, pair)
            try await decide("/api/profiles/{id}/merge", ann, pair, query: "?preview=true")
            try await decide("/api/profiles/{id}/merge", ann, pair)
            try await check(instance, "/api/profiles/{id}/merge-history", id: ann)
            let leaving = #"{"identifiers": {"email": ["anne@example.com"]}, "reason": "two"}"#
            try await decide("/api/profiles/{id}/unmerge", ann, leaving)
            // A preview that is refused is an answer too.
            try await decide("/api/profiles/{id}/merge", ann, pair, query: "?preview=true")
            let value = #"{"kind": "email", "value": "Test@example.com ", "reason": "nobody"}"#
            let blocked = try await profile("test")
            for verb in ["block", "unblock", "share", "unshare", "block"] {
                try await decide("/api/identifiers/\(verb)", "", value)
            }
            try await check(instance, "/api/identifiers", query: "?flag=blocked")
            try await check(instance, "/api/identity/decisions", query: "?limit=3")
            try await check(instance, "/api/merge-queue")
            let problem = "application/problem+json"
            try expect(
                try await instance.call("GET", "/api/profiles/\(blocked)"), 410, "GET /api/profiles/{id}",
                type: problem)
            for (path, body, status) in [
                ("/api/profiles/\(ann)/merge", pair, 409),
                ("/api/profiles/\(ann)/merge", #"{"with": "x", "reason": "r"}"#, 400),
                ("/api/profiles/\(ann)/merge", #"{"with": "\#(ann)", "reason": "r", "why": 1}"#, 400),
                ("/api/profiles/\(UUIDv7(at: SystemWallClock().now()))/merge", pair, 404),
            ] {
                let answer = try await instance.post(path, body)
                try expect(answer, status, "POST /api/profiles/{id}/merge", type: problem)
            }
        }
    }

    @Test("answers about what waits and what could not be stored are what it says")
    func deadLetters() async throws {
        try await TestInstance.serving { instance in
            for type in ["dance", "sing", "whistle"] {
                _ = try await instance.brand.redis.send(
                    "XADD", instance.brand.slug.redisPrefix + "events", "*", "v", "1", "type", type)
            }
            try await instance.drained()
            try await check(instance, "/api/streams/info")
            try await check(instance, "/api/monitoring/queues")
            for name in ["events", "dead-letters"] {
                let answer = try await instance.call("GET", "/api/streams/\(name)?limit=2")
                try expect(answer, 200, "GET /api/streams/{name}")
            }
            let path = "/api/dead-letters"
            let letter = try await item("\(path)?limit=1", of: path, instance)
            try await check(instance, "\(path)/{id}", id: letter)
            try expect(
                try await instance.post("\(path)/\(letter)/replay", ""), 202, "POST \(path)/{id}/replay")
            let problem = "application/problem+json"
            let right = #"{"event": {"type": "search", "identifiers": {"email": "a@b.com"}}}"#
            let second = try await item("\(path)?limit=1", of: path, instance)
            for (body, status) in [(right, 409), (#"{"events": []}"#, 400), ("[", 400)] {
                try expect(
                    try await instance.post("\(path)/\(second)/replay", body), status,
                    "POST \(path)/{id}/replay", type: problem)
            }
            #expect(try await instance.call("DELETE", "\(path)/\(second)").status == 204)
            try expect(
                try await instance.call("GET", "\(path)/\(second)"), 404, "GET \(path)/{id}", type: problem)
            for (body, status) in [(#"{"type": "dance"}"#, 400), (#"{"all": true}"#, 400), ("{}", 202)] {
                for verb in ["replay", "discard"] {
                    try expect(
                        try await instance.post("\(path)/\(verb)", body), status, "POST \(path)/\(verb)",
                        type: status == 202 ? "application/json" : problem)
                }
            }
        }
    }

    @Test("a row of the merge queue is shown and answered as it says")
    func queue() async throws {
        try await TestInstance.serving { instance in
            for number in 1...4 {
                let identifiers = #"{"email": "e\#(number)@example.com", "phone": "+14155550123"}"#
                let view = #"{"type": "page_view", "identifiers": \#(identifiers)}"#
                _ = try await instance.post("/api/events", view, headers: ["Prefer": "wait"])
            }
            let row = try await item("/api/merge-queue", of: "/api/merge-queue", instance)
            try await check(instance, "/api/merge-queue/{id}", id: row)
            let operation = "POST /api/merge-queue/{id}/approve"
            let stale = #"{"reason": "yes", "shown": "other"}"#
            let refused = try await instance.post("/api/merge-queue/\(row)/approve", stale)
            try expect(refused, 409, operation, type: "application/problem+json")
            let path = "/api/merge-queue/\(row)/approve"
            let yes = #"{"reason": "a family"}"#
            try expect(try await instance.post(path + "?preview=true", yes), 200, operation)
            try expect(try await instance.post(path, yes), 200, operation)
            let again = try await instance.post("/api/merge-queue/\(row)/reject", yes)
            try expect(again, 409, "POST /api/merge-queue/{id}/reject", type: "application/problem+json")
            let apart = try await instance.post("/api/merge-queue/\(row)/never", yes)
            try expect(apart, 409, "POST /api/merge-queue/{id}/never", type: "application/problem+json")
            try await check(instance, "/api/merge-queue", query: "?status=approved")
        }
    }

    @Test("problems are what it says")
    func problems() async throws {
        try await TestInstance.serving { instance in
            let id = UUIDv7(at: SystemWallClock().now())
            let otherBrand = "ci_live_other_\(String(repeating: "0", count: 42))"
            for (path, key, status, operation) in [
                ("/api/events?limit=0", nil, 400, "GET /api/events"),
                ("/api/events", "", 401, "GET /api/events"),
                ("/api/events", otherBrand, 401, "GET /api/events"),
                ("/api/profiles/\(id)", nil, 404, "GET /api/profiles/{id}"),
            ] {
                let answer = try await instance.call("GET", path, key: key)
                try expect(answer, status, operation, type: "application/problem+json")
            }
            let text = String(repeating: "x", count: EventLimits.eventBytes)
            let answer = try await instance.post("/api/events", "\"\(text)\"")
            try expect(answer, 413, "POST /api/events", type: "application/problem+json")
        }
    }

    @Test("an answer that differs from it is noticed")
    func noticed() throws {
        let good = #"{"accepted": 1, "rejected": 0, "results": [{"index": 0, "outcome": "accepted"}]}"#
        let operation = "POST /api/events/batch"
        #expect(try document.faults(in: Data(good.utf8), of: operation, status: 202).isEmpty)
        for (part, other) in [
            (#""accepted": 1, "#, ""), (#""accepted""#, #""taken""#), (": 1,", #": "1","#),
            (#""outcome": "accepted""#, #""outcome": "perhaps""#), (#""index": 0"#, #""index": -1"#),
            (#"[{"index": 0, "outcome": "accepted"}]"#, "{}"),
        ] {
            let bad = good.replacing(part, with: other)
            #expect(try !document.faults(in: Data(bad.utf8), of: operation, status: 202).isEmpty, "\(bad)")
        }
    }

    /// Events of every sort: with all fields, of a guest, rejected, of a test key, waited for.
    private func sendEvents(to instance: TestInstance) async throws {
        let purchase = """
            {"eventId": "e-1", "type": "purchase", "occurredAt": "2026-01-31T10:00:00Z", "channel": "web",
             "identifiers": {"email": "ana@example.com", "whatsapp": "+14155550123", "card_last4": "4242"},
             "properties": {"orderId": "1001", "total": "29.335", "currency": "USD", "version": 2,
                            "items": [{"productId": "p1", "quantity": 2, "price": 14.665}]}}
            """
        let guest = #"{"type": "purchase", "properties": {"total": 5, "currency": "EUR"}}"#
        let view = #"{"type": "page_view", "identifiers": {"cookie_id": "c"}}"#
        let wait = ["Prefer": "wait"]
        try expect(try await instance.post("/api/events", view), 202, "POST /api/events")
        try expect(try await instance.post("/api/events", purchase, headers: wait), 200, "POST /api/events")
        #expect(try await instance.post("/api/events", guest, headers: wait).status == 204)
        try expect(
            try await instance.post("/api/events/batch", #"{"events": [\#(view), {"type": "search"}]}"#), 202,
            "POST /api/events/batch")
        let testKey = try await TestInstance.mintKey(instance.brand, .test)
        try await eventually("the key is known") {
            try await instance.post("/api/events", view, key: testKey).status == 202
        }
    }

    /// Imports a file of which a row is rejected; the operation's id.
    private func sendFile(to instance: TestInstance) async throws -> String {
        let answer = try await instance.post(
            "/api/integrations/csv?map=email:email&map=total:amount", "email,amount\na@b.com,1\na@b.com,x\n")
        try expect(answer, 202, "POST /api/integrations/csv")
        let operation = try answer.json(OperationView.self)
        try await eventually("the import ends") {
            try await instance.get("/api/operations/\(operation.id)", as: OperationView.self).state.isFinal
        }
        return "\(operation.id)"
    }

    func check(
        _ instance: TestInstance, _ path: String, id: String = "", query: String = ""
    ) async throws {
        let answer = try await instance.call("GET", path.replacing("{id}", with: id) + query)
        try expect(answer, 200, "GET \(path)")
    }

    /// Checks a list, and tells the id of its first item.
    private func item(_ path: String, of template: String, _ instance: TestInstance) async throws -> String {
        struct Item: Codable, Sendable { var id: String }
        let answer = try await instance.call("GET", path)
        try expect(answer, 200, "GET \(template)")
        return try #require(try answer.json(Page<Item>.self).items.first).id
    }

    func expect(
        _ answer: Answer, _ status: Int, _ operation: String, type: String = "application/json"
    ) throws {
        #expect(answer.status == status, "\(operation): \(answer.text)")
        guard answer.status == status else { return }
        #expect(answer.headers["content-type"] == type)
        let faults = try document.faults(in: answer.body, of: operation, status: status, type: type)
        #expect(faults == [], "\(operation): \(answer.text)")
    }
}
