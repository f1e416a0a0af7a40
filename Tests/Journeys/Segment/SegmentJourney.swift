import Contract
import Foundation
import Kernel
import TestSupport
import Testing

/// SDKs of others, unchanged, to a brand through the edge.
@Suite(
    "SDKs of Segment and RudderStack", .serialized, .timeLimit(.minutes(10)),
    .enabled(if: SegmentSDK.areThere, "the SDKs are not there: infra/test.sh fetches them from PyPI"))
struct SegmentJourney {
    /// Orders of one SDK: more than one of its batches holds.
    private static let orders = 120

    @Test("what is stored is what they were told to send, to the cent, by each and compressed or not")
    func everything() async throws {
        try await Shop.with { shop in
            let key = try await shop.key()
            let host = "http://\(shop.installation.edge)/b/demo"
            let runs = [
                SegmentSDK(name: "segment"), SegmentSDK(name: "segment", options: #"{"gzip":true}"#),
                SegmentSDK(name: "rudder"), SegmentSDK(name: "rudder", options: #"{"gzip":false}"#),
            ]
            var all: [SegmentMade] = []
            var cents = 0
            for (number, sdk) in runs.enumerated() {
                let person = Person(number: number)
                let calls = person.calls + person.orders(Self.orders)
                // Twice, as after a crash: what is known changes nothing.
                for _ in 0..<2 {
                    #expect(try await sdk.make(calls, host: host, key: key) == [], "\(sdk.testDescription)")
                }
                all += calls
                cents += person.cents(Self.orders)
            }
            try await shop.drained()
            try await compare(all, with: shop, key)
            let stats = try await shop.stats()
            print("segment: \(all.count) messages by \(runs.count) SDKs, each sent twice: \(stats)")
            #expect(stats.events == Int64(all.count) && stats.orders == Int64(runs.count * Self.orders))
            #expect(stats.revenue == Money(tenThousandths: Int64(cents) * 100).description)
            #expect(stats.profiles == Int64(runs.count))

            for (number, sdk) in runs.enumerated() {
                let taken = Person(number: number).takenBack
                #expect(try await sdk.make(taken, host: host, key: key) == [])
                all += taken
            }
            try await shop.drained()
            try await compare(all, with: shop, key)
            try await shop.isAsFolded()
        }
    }

    @Test(
        "a key that does not work is given up at once, with our words",
        arguments: [SegmentSDK(name: "segment"), SegmentSDK(name: "rudder")])
    func wrongKey(sdk: SegmentSDK) async throws {
        try await Shop.with { shop in
            let host = "http://\(shop.installation.edge)/b/demo"
            let start = ContinuousClock.now
            let calls = Person(number: 0).calls
            let failures = try await sdk.make(calls, host: host, key: "ci_live_demo_x")
            #expect(!failures.isEmpty)
            for failure in failures {
                #expect(failure.contains("malformed or mistyped") && failure.contains("(401)"), "\(failure)")
            }
            #expect(ContinuousClock.now - start < .seconds(20), "they send it again and again")
            let key = try await shop.key()
            let page = SegmentMade(
                id: "future", call: "page", arguments: #""user_id":"u""#,
                timestamp: "2999-01-01T00:00:00+00:00",
                type: "page_view", identifiers: [:])
            let refused = try await sdk.make([page], host: host, key: key)
            #expect(refused.count == 1 && refused[0].contains("(400)"), "\(refused)")
            #expect(refused.first?.contains("more than a day ahead") == true, "\(refused)")
            #expect(try await shop.stats().events == 0)
        }
    }

    /// Expects that the brand has these events and no others.
    private func compare(_ sent: [SegmentMade], with shop: Shop, _ key: String) async throws {
        let stored = try await shop.segmentEvents(key)
        #expect(stored.count == sent.count)
        let byID = Dictionary(stored.map { ($0.eventId, $0) }) { first, _ in first }
        for made in sent {
            guard let event = byID[made.id] else {
                Issue.record("\(made.id) is not there: \(made.json)")
                continue
            }
            #expect(event.type == made.type && event.source == "segment", "\(made.id)")
            #expect(event.identifiers == made.identifiers, "\(made.id)")
            // What the clocks of both sides say differs by how long the request was under way.
            let instant = try #require(Timestamp(rfc3339: made.timestamp))
            let late = event.occurredAt - instant
            #expect((.zero)...(.seconds(10)) ~= late, "\(made.id) is \(late) late")
        }
    }
}

/// A customer, and what an SDK is told of them.
private struct Person {
    let number: Int

    private var user: String { "L-\(number)" }
    private var cookie: String { "c-\(number)" }
    private var email: String { "p\(number)@example.com" }
    private var phone: String { "+1202555010\(number)" }

    private func made(
        _ name: String, _ call: String, _ arguments: String, _ type: String,
        _ identifiers: [String: String]? = nil, minute: Int
    ) -> SegmentMade {
        SegmentMade(
            id: "\(number)-\(name)", call: call, arguments: arguments,
            timestamp: "2026-01-\(10 + minute / 60)T10:\(10 + minute % 50):00.250000+00:00", type: type,
            identifiers: identifiers ?? ["loyalty_id": user])
    }

    private func track(
        _ name: String, _ event: String, _ properties: String, _ type: String, minute: Int
    ) -> SegmentMade {
        made(
            name, "track", #""user_id":"\#(user)","event":"\#(event)","properties":{\#(properties)}"#, type,
            minute: minute)
    }

    /// A call of each kind, and what visitors do.
    var calls: [SegmentMade] {
        [
            made(
                "page", "page", #""anonymous_id":"\#(cookie)","name":"Home","properties":{"path":"/"}"#,
                "page_view", ["cookie_id": cookie], minute: 0),
            made(
                "identify", "identify",
                #""user_id":"\#(user)","anonymous_id":"\#(cookie)","#
                    + #""traits":{"email":"\#(email)","phone":"\#(phone)","plan":"gold"}"#, "identify",
                ["loyalty_id": user, "cookie_id": cookie, "email": email, "phone": phone], minute: 1),
            made("screen", "screen", #""user_id":"\#(user)","name":"Start""#, "page_view", minute: 2),
            made(
                "group", "group", #""user_id":"\#(user)","group_id":"g","traits":{"email":"o@example.com"}"#,
                "custom", minute: 3),
            made(
                "alias", "alias", #""user_id":"\#(user)","previous_id":"old-\#(number)""#, "identify",
                ["loyalty_id": user, "cookie_id": "old-\(number)"], minute: 4),
            track("view", "Product Viewed", #""product_id":"p1","price":9.99"#, "product_view", minute: 5),
            track("search", "Products Searched", #""query":"hats""#, "search", minute: 6),
            track("add", "Product Added", #""sku":"s1","quantity":2"#, "cart_add", minute: 7),
            track("wish", "Product Added to Wishlist", #""product_id":7"#, "wishlist_add", minute: 8),
            track("left", "Checkout Abandoned", #""products":[{"sku":"s1"}]"#, "cart_abandoned", minute: 9),
            track("mail", "Newsletter Joined", #""email":"friend@example.com""#, "custom", minute: 10),
            track("lost", "Order Completed", #""order_id":"without a total""#, "custom", minute: 11),
            track("out", "Signed Out", "", "sign_out", minute: 12),
        ]
    }

    /// Orders of 10.00, 10.01, … as binary fractions have them, and a change of the first.
    func orders(_ count: Int) -> [SegmentMade] {
        let completed = (1...count).map { order in
            track(
                "order \(order)", "Order Completed",
                #""order_id":"\#(number)-\#(order)","total":\#(9.99 + 0.01 * Double(order)),"#
                    + #""currency":"USD","#
                    + #""products":[{"product_id":"p1","quantity":1,"price":9.99}]"#, "purchase",
                minute: 100 + order)
        }
        let updated = track(
            "updated", "Order Updated", #""order_id":"\#(number)-1","total":50,"currency":"USD""#, "purchase",
            minute: 400)
        return [updated] + completed
    }

    /// What the orders come to.
    func cents(_ count: Int) -> Int { (1...count).reduce(0) { $0 + 999 + $1 } - 1000 + 5000 }

    /// Orders of which something is taken back.
    var takenBack: [SegmentMade] {
        [
            track(
                "refund", "Order Refunded", #""order_id":"\#(number)-2","total":1.5"#, "refund", minute: 410),
            track("whole", "Order Refunded", #""order_id":"\#(number)-3""#, "cancellation", minute: 411),
            track("cancel", "Order Cancelled", #""order_id":"\#(number)-4""#, "cancellation", minute: 412),
        ]
    }
}

/// What the journey reads of an event.
private struct SegmentStored: Codable, Sendable {
    let eventId: String
    let source: String
    let type: String
    let occurredAt: Timestamp
    let identifiers: [String: String]
}

extension Shop {
    /// All events that are stored.
    fileprivate func segmentEvents(_ key: String) async throws -> [SegmentStored] {
        var events: [SegmentStored] = []
        var cursor: String?
        repeat {
            let next = cursor.map { "&cursor=\($0)" } ?? ""
            let reply = try await installation.http(
                "GET", "/b/demo/api/events?limit=200\(next)", headers: [("Authorization", "Bearer \(key)")])
            guard reply.status == 200 else { throw Failure("no events: \(reply.text)") }
            let page = try JSONDecoder().decode(Page<SegmentStored>.self, from: reply.body)
            events += page.items
            cursor = page.nextCursor
        } while cursor != nil
        return events
    }
}
