import Events
import Foundation
import Kernel
import Testing

@testable import Integrations

@Suite("Segment's events of a shop")
struct SegmentCommerceTests {
    @Test(
        "each has its type, in whichever case it is written",
        arguments: [
            ("Product Viewed", #"{"product_id":"p"}"#, EventType.productView),
            ("Viewed Product", #"{"sku":"s"}"#, .productView),
            ("Products Searched", #"{"query":"shoes"}"#, .search), ("Products Searched", "{}", .search),
            ("Product Added", #"{"product_id":1}"#, .cartAdd),
            ("Added Product", #"{"productId":"p"}"#, .cartAdd),
            ("Product Added to Wishlist", #"{"product_id":"p"}"#, .wishlistAdd),
            ("Cart Abandoned", "{}", .cartAbandoned), ("Checkout Abandoned", "{}", .cartAbandoned),
            ("Order Completed", #"{"total":1}"#, .purchase),
            ("Completed Order", #"{"revenue":"1"}"#, .purchase),
            ("Order Updated", #"{"order_id":"o","total":1}"#, .purchase),
            ("Order Refunded", #"{"order_id":"o","total":1}"#, .refund),
            ("Order Refunded", #"{"order_id":"o"}"#, .cancellation),
            ("Order Cancelled", #"{"order_id":"o"}"#, .cancellation),
            ("Order Canceled", #"{"order_id":7}"#, .cancellation),
            ("Signed Out", "{}", .signOut), ("Product Removed", #"{"product_id":"p"}"#, .custom),
        ])
    func types(_ name: String, _ properties: String, _ type: EventType) throws {
        for name in [name, name.lowercased(), name.uppercased()] {
            let event = try Segment.track(name, properties)
            #expect(event.type == type, "\(name)")
            #expect(try event.property("notMapped") == nil)
            #expect(try event.property("name") == (type == .custom ? "\"\(name)\"" : nil))
        }
    }

    @Test(
        "one that lacks what its type needs is a custom event of its name, which says why",
        arguments: [
            ("Product Viewed", "{}", "product_view: it has neither a product_id nor a sku"),
            ("Product Added", #"{"product_id":{}}"#, "cart_add: it has neither"),
            ("Product Added to Wishlist", #"{"product_id":" "}"#, "wishlist_add: it has neither"),
            ("Order Completed", #"{"order_id":"o"}"#, "purchase: it has neither a total nor a revenue"),
            ("Order Completed", #"{"total":"lots","revenue":1}"#, "purchase: total is no amount"),
            ("Order Completed", #"{"total":-1}"#, "purchase: total is no amount"),
            ("Order Completed", #"{"total":"1.23456"}"#, "purchase: total is no amount"),
            ("Order Completed", #"{"total":1,"currency":"Rupees"}"#, "purchase: currency is no code"),
            ("Order Completed", #"{"total":1,"currency":7}"#, "purchase: currency is no code"),
            ("Order Updated", #"{"total":1}"#, "purchase: it has no order_id"),
            ("Order Refunded", #"{"total":1}"#, "refund: it has no order_id"),
            (
                "Order Refunded", #"{"order_id":"o","products":[{"product_id":"p"}]}"#,
                "refund: it has products and no total"
            ),
            ("Order Cancelled", "{}", "cancellation: it has no order_id"),
        ])
    func lacking(_ name: String, _ properties: String, _ why: String) throws {
        let event = try Segment.track(name, properties)
        #expect(try event.type == .custom && event.property("name") == "\"\(name)\"")
        #expect(try event.property("notMapped")?.contains(why) == true)
        for (name, value) in try Segment.track("Anything", properties).read() where name != "name" {
            #expect("\(try event.read()[name] ?? "nothing")" == "\(value)")
        }
    }

    @Test("an order is a purchase to the cent, its products are its items, and the last change counts")
    func order() throws {
        let event = try Segment.read(
            """
            {"type": "track", "event": "Order Completed", "userId": "u", "timestamp": "2026-01-31T08:00:00Z",
             "properties": {"order_id": 1001, "total": 57.980000000000004, "revenue": 50, "currency": "usd",
               "version": "3.2", "items": 2, "coupon": "X",
               "products": [
                 {"product_id": "p1", "quantity": "2", "price": 14.665, "name": "Hat", "category": "Hats"},
                 {"sku": "s2", "quantity": 1, "price": "n/a", "brand": "B"}]}}
            """)
        #expect(event.type == .purchase)
        let purchase = try Purchase(properties: try JSONText.checking(event.properties), doing: "read")
        #expect(purchase.orderID == "1001" && purchase.total == Money("57.98"))
        #expect(purchase.currency == Currency("USD"))
        #expect(purchase.version == .number("\(event.occurredAt.microseconds)"))
        #expect(
            try event.property("items")
                == #"[{"category":"Hats","name":"Hat","price":14.665,"product_id":"p1","productId":"p1","#
                + #""quantity":2},{"brand":"B","ownPrice":"n/a","productId":"s2","quantity":1,"sku":"s2"}]"#)
        for (name, value) in [
            ("ownItems", "2"), ("ownVersion", "\"3.2\""), ("coupon", "\"X\""), ("order_id", "1001"),
            ("revenue", "50"),
        ] {
            #expect(try event.property(name) == value)
        }
        #expect(try event.property("products") == nil)
    }

    @Test("a refund says how much, a cancellation which order")
    func refunds() throws {
        let refund = try Segment.track(
            "Order Refunded",
            #"{"order_id":"o","total":"10.50","currency":"EUR","refund_id":7,"products":[{"sku":"p"}]}"#
        )
        for (name, value) in [("orderId", "\"o\""), ("amount", "\"10.50\""), ("refundId", "\"7\"")] {
            #expect(try refund.property(name) == value)
        }
        let whole = try Segment.track("Order Refunded", #"{"order_id":"o","total":null}"#)
        #expect(try whole.property("reason") == "\"refunded\"" && whole.property("orderId") == "\"o\"")
        let cancelled = try Segment.track("Order Cancelled", #"{"order_id":"o","reason":"late"}"#)
        #expect(try cancelled.property("reason") == "\"late\"")
    }

    @Test("an order of nobody is a guest's")
    func guest() throws {
        let event = try Segment.read(
            #"{"type":"track","event":"Order Completed","properties":{"total":"5"}}"#)
        #expect(event.type == .purchase && event.identifiers.isEmpty)
    }

    @Test(
        "a number is an amount to four decimals, halves away from zero",
        arguments: [
            ("57.980000000000004", "57.98"), ("0.30000000000000004", "0.30"), ("29.33", "29.33"),
            ("14.66665", "14.6667"), ("14.66664999", "14.6666"), ("0.00005", "0.0001"), ("0.00004", "0.00"),
            ("5e2", "500.00"), ("1.5E-2", "0.015"), ("1e-300", "0.00"), ("5e-5", "0.0001"), ("0", "0.00"),
            ("99999999999999.99994", "99999999999999.9999"), ("99999999999999.99999", nil), ("1e14", nil),
            ("1e308", nil), ("0e308", "0.00"), ("123456789012345678901234567890", nil), ("-0.000001", "0.00"),
        ] as [(String, String?)])
    func rounding(_ literal: String, _ amount: String?) {
        #expect(SegmentProperties.rounded(Array(literal.utf8))?.description == amount)
    }

    @Test("what is rounded is what decimal arithmetic makes of it, whatever the number")
    func roundingLaw() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let digits = (0..<Int.random(in: 1...12, using: &generator)).map { _ in
                String(Int.random(in: 0...9, using: &generator))
            }.joined()
            let exponent = Int.random(in: -14...6, using: &generator)
            let literal = "\(Int.random(in: 1...9, using: &generator)).\(digits)e\(exponent)"
            var exact = try #require(Decimal(string: literal))
            var rounded = Decimal()
            NSDecimalRound(&rounded, &exact, 4, .plain)
            let amount = try #require(SegmentProperties.rounded(Array(literal.utf8)))
            #expect(Decimal(string: amount.description) == rounded, "\(literal)")
        }
    }
}
