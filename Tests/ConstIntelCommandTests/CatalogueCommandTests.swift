import Contract
import Foundation
import Testing

@testable import ConstIntelCommand

@Suite("Commands about products and inventory") struct CatalogueCommandTests {
    private static let product = """
        {"brandId":"b","productId":"a/1","name":"Canvas shoe","description":null,"category":"Shoes",
         "subcategory":null,"price":"29.90","currency":"USD","metadata":{"size":"41","color":"red"},
         "active":true,"createdAt":"2026-01-31T10:00:00.000000Z","updatedAt":"2026-01-31T10:00:00.000000Z"}
        """
    private static let level = """
        {"brandId":"b","productId":"a/1","storeId":"berlin","storeName":null,"quantity":-2,
         "reservedQuantity":1,"reorderPoint":5,"maxStock":null,"lastUpdated":"2026-01-31T10:00:00.000000Z",
         "createdAt":"2026-01-31T10:00:00.000000Z","updatedAt":"2026-01-31T10:00:00.000000Z"}
        """

    /// Runs `body` beside a service that answers `reply` to the one request `call`, and `check`s that.
    private func serving(
        _ call: String, _ reply: Reply, _ check: @escaping @Sendable (Asked) throws -> Void = { _ in },
        _ body: @Sendable (TestService) async throws -> Void
    ) async throws {
        try await TestService.run { asked, service in
            if asked.call == "POST /api/auth/brand-token" { return try service.brandToken() }
            guard asked.call == call else { return .problem(404, "not-found", asked.call) }
            try check(asked)
            return reply
        } _: { try await body($0) }
    }

    @Test("products are listed as a table, and one is shown with all that is known of it")
    func shown() async throws {
        let page = Reply(#"{"items":[\#(Self.product)],"nextCursor":"YS8x"}"#)
        try await serving("GET /b/demo/api/products", page) { asked in
            #expect(asked.query == ["category=Shoes%20%26%20bags", "active=false", "limit=1"])
        } _: { service in
            let outcome = await service.locally(
                "products", "list", "--brand", "demo", "--category", "Shoes & bags", "--active", "false",
                "--limit", "1")
            #expect(
                outcome.output == """
                    PRODUCT ID  NAME         CATEGORY  PRICE  CURRENCY  ACTIVE  UPDATED AT
                    a/1         Canvas shoe  Shoes     29.90  USD       true    2026-01-31T10:00:00.000000Z

                    """, "\(outcome)")
            #expect(outcome.error.contains("--cursor YS8x"))
        }
        try await serving("GET /b/demo/api/products/a%2F1", Reply(Self.product)) { service in
            let outcome = await service.locally("products", "show", "a/1", "--brand", "demo")
            #expect(
                outcome.output.hasPrefix("product id  a/1\nname        Canvas shoe\ncategory"), "\(outcome)")
            #expect(outcome.output.contains("metadata    color=red, size=41\n"))
        }
    }

    @Test("one product is set with what was said of it, several from a file")
    func setProducts() async throws {
        try await serving("PUT /b/demo/api/products/a%2F1", Reply(Self.product, status: 201)) { asked in
            #expect(
                asked.json
                    == .object([
                        "name": .string("Canvas shoe"), "category": .string("Shoes"),
                        "price": .string("29.90"), "currency": .string("EUR"),
                        "metadata": .object(["color": .string("red"), "note": .string("a=b")]),
                        "active": .bool(false),
                    ]))
        } _: { service in
            let outcome = await service.locally(
                "products", "set", "a/1", "--brand", "demo", "--name", "Canvas shoe", "--category", "Shoes",
                "--price", "29.9", "--currency", "eur", "--metadata", "color=red", "--metadata", "note=a=b",
                "--inactive")
            #expect(outcome.status == 0 && outcome.output.hasPrefix("product id  a/1\n"), "\(outcome)")
        }
        let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).json")
        defer { try? FileManager.default.removeItem(at: file) }
        let wrapped = #"{"products":\#n[{"productId": "1", "name": "n"}]}"#
        for sent in ["\n[{\"productId\": \"1\", \"name\": \"n\"}]", wrapped] {
            try Data(sent.utf8).write(to: file)
            let change = Reply(#"{"changed":1,"unchanged":1200}"#)
            try await serving("POST /b/demo/api/products", change) { asked in
                #expect(String(decoding: asked.body, as: UTF8.self) == wrapped)
                #expect(asked.contentType == "application/json")
            } _: { service in
                let outcome = await service.locally(
                    "products", "set", "--file", file.path, "--brand", "demo")
                #expect(outcome.output == "1 product changed; 1,200 as before.\n", "\(outcome)")
            }
        }
    }

    @Test("a product is removed, with its inventory when that is said")
    func removeProduct() async throws {
        try await serving("DELETE /b/demo/api/products/p", Reply(#"{"inventory":2}"#)) { asked in
            #expect(asked.query == ["inventory=true"])
        } _: { service in
            let outcome = await service.locally(
                "products", "remove", "p", "--with-inventory", "--brand", "demo")
            #expect(outcome.output == "Removed the product p, and its inventory in 2 stores.\n", "\(outcome)")
        }
        let refusal = Reply.problem(409, "conflict", "2 stores have inventory of it", field: "inventory")
        try await serving("DELETE /b/demo/api/products/p", refusal) { asked in
            #expect(asked.query.isEmpty)
        } _: { service in
            let outcome = await service.locally("products", "remove", "p", "--brand", "demo")
            #expect(outcome.status == 1 && outcome.error.contains("2 stores"), "\(outcome)")
        }
    }

    @Test("stock levels are listed, set and removed")
    func inventory() async throws {
        try await serving("GET /b/demo/api/inventory", Reply(#"{"items":[\#(Self.level)]}"#)) { asked in
            #expect(asked.query == ["productId=a%2F1", "storeId=berlin", "belowReorderPoint=true"])
        } _: { service in
            let outcome = await service.locally(
                "inventory", "list", "--product", "a/1", "--store", "berlin", "--below-reorder-point",
                "--brand", "demo")
            let lines = outcome.output.split(separator: "\n")
            #expect(lines.first?.hasPrefix("PRODUCT ID  STORE ID  QUANTITY  RESERVED QUANTITY") == true)
            #expect(lines.last?.hasPrefix("a/1         berlin    -2        1") == true, "\(outcome)")
        }
        try await serving("PUT /b/demo/api/inventory/a%2F1/berlin", Reply(Self.level)) { asked in
            let sent = try JSONDecoder().decode(StockLevel.self, from: Data(asked.body))
            var expected = StockLevel(productId: "a/1", storeId: "berlin", quantity: -2, reservedQuantity: 1)
            expected.reorderPoint = 5
            expected.storeName = "Berlin"
            #expect(sent == expected)
        } _: { service in
            let outcome = await service.locally(
                "inventory", "set", "a/1", "berlin", "--quantity", "-2", "--reserved", "1",
                "--reorder-point", "5", "--store-name", "Berlin", "--brand", "demo")
            #expect(outcome.status == 0 && outcome.output.contains("quantity           -2\n"), "\(outcome)")
        }
        try await serving("POST /b/demo/api/inventory", Reply(#"{"changed":2,"unchanged":0}"#)) { service in
            let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).json")
            try Data("[]".utf8).write(to: file)
            defer { try? FileManager.default.removeItem(at: file) }
            let outcome = await service.locally(
                "inventory", "set", "--file", file.path, "--brand", "demo")
            #expect(outcome.output == "2 stock levels changed; 0 as before.\n", "\(outcome)")
        }
        try await serving("DELETE /b/demo/api/inventory/a%2F1/berlin", Reply(status: 204)) { service in
            let outcome = await service.locally("inventory", "remove", "a/1", "berlin", "--brand", "demo")
            #expect(outcome.output == "Removed the stock level of a/1 in berlin.\n", "\(outcome)")
        }
    }
}
