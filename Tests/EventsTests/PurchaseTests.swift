import Kernel
import Testing

@testable import Events

@Suite("Reading a purchase")
struct PurchaseTests {
    private func read(_ json: String) throws -> Purchase {
        try Purchase(properties: try JSONText.checking(Array(json.utf8)), doing: "read it")
    }

    @Test("only the total is required")
    func least() throws {
        let purchase = try read(#"{"total":"29.33"}"#)
        #expect(purchase.total == Money("29.33"))
        #expect(purchase.orderID == nil && purchase.currency == nil && purchase.items == nil)
        #expect(purchase.version == .missing)
    }

    @Test("a purchase is read whole, its items as they were sent")
    func whole() throws {
        let purchase = try read(
            """
            {"orderId":"1001","total":29.33,"currency":"usd","version":3,"note":{"mine":true},
             "items":[ {"productId":"p1","quantity":2,"price":"14.665","size":"M"}, {} ]}
            """)
        #expect(purchase.orderID == "1001" && purchase.total == Money("29.33"))
        #expect(purchase.currency == Currency("USD") && purchase.version == .number("3"))
        #expect(
            purchase.items
                == Array(#"[ {"productId":"p1","quantity":2,"price":"14.665","size":"M"}, {} ]"#.utf8))
    }

    @Test("a total is an exact decimal, as a number or a string")
    func totals() throws {
        for (json, text) in [
            ("0", "0"), ("12", "12"), (#""12.3400""#, "12.34"), ("1.0001", "1.0001"), ("-0", "0"),
        ] {
            #expect(try read(#"{"total":\#(json)}"#).total == Money(text))
        }
    }

    @Test("the seller's version is a number, a text, or when the order was changed")
    func versions() throws {
        #expect(try read(#"{"total":1,"version":1.50}"#).version == .number("1.50"))
        #expect(try read(#"{"total":1,"version":"v2"}"#).version == .text("v2"))
        #expect(try read(#"{"total":1,"version":null}"#).version == .missing)
        #expect(
            try read(#"{"total":1,"updatedAt":"1970-01-01T00:00:01Z"}"#).version == .number("1000000"))
        #expect(
            try read(#"{"total":1,"version":7,"updatedAt":"1970-01-01T00:00:01Z"}"#).version == .number("7"))
    }

    @Test(
        "each fault names its field",
        arguments: [
            (#"{}"#, "total"), (#"{"total":null}"#, "total"), (#"{"total":"abc"}"#, "total"),
            (#"{"total":true}"#, "total"), (#"{"total":[]}"#, "total"), (#"{"total":{}}"#, "total"),
            (#"{"total":""}"#, "total"), (#"{"total":"1,5"}"#, "total"), (#"{"total":"NaN"}"#, "total"),
            (#"{"total":1e3}"#, "total"), (#"{"total":0.00001}"#, "total"), (#"{"total":-1}"#, "total"),
            (#"{"total":"100000000000000"}"#, "total"), (#"{"total":1,"orderId":12}"#, "orderId"),
            (#"{"total":1,"orderId":""}"#, "orderId"), (#"{"total":1,"currency":"DOLLAR"}"#, "currency"),
            (#"{"total":1,"currency":"U5D"}"#, "currency"), (#"{"total":1,"currency":840}"#, "currency"),
            (#"{"total":1,"version":true}"#, "version"), (#"{"total":1,"version":[]}"#, "version"),
            (#"{"total":1,"updatedAt":"2026-02-30T00:00:00Z"}"#, "updatedAt"),
            (#"{"total":1,"updatedAt":5}"#, "updatedAt"), (#"{"total":1,"items":{}}"#, "items"),
            (#"{"total":1,"items":[{},7]}"#, "items[1]"),
            (#"{"total":1,"items":[{"price":"x"}]}"#, "items[0].price"),
            (#"{"total":1,"items":[{"quantity":"2"}]}"#, "items[0].quantity"),
            (#"{"total":1,"items":[{"productId":4}]}"#, "items[0].productId"),
        ])
    func faults(json: String, field: String) {
        let fault = #expect(throws: Fault.self) { try read(json) }
        #expect(fault?.code == .invalid)
        #expect(fault?.field == "properties.\(field)")
    }
}
