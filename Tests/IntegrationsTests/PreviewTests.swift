import Contract
import Kernel
import Testing

@testable import Integrations

@Suite("The preview of a file")
struct PreviewTests {
    private static let now = Timestamp(rfc3339: "2026-01-31T10:00:00Z")!

    private func preview(
        _ text: String, _ query: [String: [String]] = [:], isWhole: Bool = true
    ) throws -> ImportPreview {
        try Imports.preview(
            Array(text.utf8), isWhole: isWhole,
            options: try ImportOptions(query: { query[$0] ?? [] }, timeZone: "UTC"), isTest: false,
            at: PreviewTests.now)
    }

    @Test("columns are suggested by their names, and rows are shown as what they become")
    func suggested() throws {
        let found = try preview(
            """
            Order No;Customer E-Mail;Order Date;Grand Total;Comment
            A1;ann@example.com;2026-01-02;29.33;x
            A2;bob@example.com;soon;1;y
            """)
        #expect(found.encoding == "utf-8" && found.delimiter == "semicolon" && found.isSuggested)
        #expect(
            found.map == [
                "orderId:Order No", "email:Customer E-Mail", "occurredAt:Order Date", "total:Grand Total",
            ])
        #expect(found.columns.map(\.target) == ["orderId", "email", "occurredAt", "total", nil])
        #expect(found.columns[1].samples == ["ann@example.com", "bob@example.com"])
        #expect(
            found.rows[0].values == [
                "orderId": "A1", "email": "ann@example.com", "occurredAt": "2026-01-02T00:00:00Z",
                "total": "29.33", "type": "purchase", "channel": "csv",
            ])
        #expect(found.rows[1].reason?.contains("'soon'") == true && found.problem == nil)
    }

    @Test("the suggested mapping is one that can be asked for")
    func roundTrip() throws {
        let text = "mail,Mail,total,total\na@b.c,x,1,2\n"
        let found = try preview(text)
        #expect(found.map == ["email:mail", "total:total"])
        let asked = try preview(text, ["map": found.map])
        #expect(
            !asked.isSuggested && asked.rows == found.rows
                && asked.columns.map(\.target) == found.columns.map(\.target))
    }

    @Test("without a header columns are suggested by what is in them, by their numbers")
    func contents() throws {
        let found = try preview("1,ann@example.com\n2,bob@example.com\n", ["header": ["false"]])
        #expect(found.map == ["email:2"] && found.columns.map(\.name) == [nil, nil])
        #expect(found.rows.map(\.row) == [1, 2])
    }

    @Test("the last row of a beginning is not shown, since it may be cut")
    func cut() throws {
        let text = "mail,total\na@b.c,1\nb@b.c,2\nc@b"
        #expect(try preview(text).rows.count == 3)
        let beginning = try preview(text, isWhole: false)
        #expect(beginning.rows.map(\.row) == [2, 3] && beginning.rows.allSatisfy { $0.reason == nil })
    }

    @Test("where nothing is suggested that can be imported, it says what is missing")
    func problem() throws {
        let nothing = try preview("a,b\n1,2\n")
        #expect(nothing.map.isEmpty && nothing.problem?.contains("say which column is what") == true)
        let product = try preview("SKU,Colour\nA,red\n", ["kind": ["products"]])
        #expect(product.map == ["productId:SKU"] && product.problem?.contains("the name") == true)
        let fault = #expect(throws: Fault.self) { try preview("a,b\n1,2\n", ["map": ["email:c"]]) }
        #expect(fault?.field == "map")
    }

    @Test("products, inventory and profiles are suggested and read as what they are")
    func kinds() throws {
        let products = try preview(
            "sku,title,price,published\nA,Shoe,19.99,yes\nB,,1,no\nC,Hat,x,maybe\n", ["kind": ["products"]])
        #expect(products.map == ["productId:sku", "name:title", "price:price", "active:published"])
        #expect(products.rows[0].values?["active"] == "true")
        #expect(products.rows[1].reason?.hasPrefix("name: ") == true)
        #expect(products.rows[2].reason?.hasPrefix("price: ") == true)
        let stock = try preview(
            "sku,store,on hand\nA,S1,3.0\nA,S2,-1\nA,S3,1.5\n", ["kind": ["inventory"]])
        #expect(stock.map == ["productId:sku", "storeId:store", "quantity:on hand"])
        #expect(stock.rows.map { $0.values?["quantity"] } == ["3", "-1", nil])
        let profiles = try preview(
            "email,phone,newsletter\na@b.c,+12025550123,yes\n",
            [
                "kind": ["profiles"],
                "map": ["email:email", "phone:phone", "consent.email.marketing:newsletter"],
            ])
        #expect(profiles.rows[0].values?["type"] == "identify")
        #expect(profiles.rows[0].values?["consent.email.marketing"] == "yes")
    }
}
