import Testing

@testable import DataPlane

extension OpenAPITests {
    @Test("answers about products and inventory are what it says")
    func productsAndInventory() async throws {
        try await TestInstance.serving { instance in
            func send(
                _ method: String, _ path: String, _ body: String, _ status: Int, _ template: String
            ) async throws {
                let answer = try await instance.call(method, path, Array(body.utf8))
                let type = status < 300 ? "application/json" : "application/problem+json"
                try expect(answer, status, "\(method) \(template)", type: type)
            }
            let (one, all) = ("/api/products/{id}", "/api/products")
            let full = """
                {"productId": "p", "name": "Shoe", "description": "", "category": "c", "subcategory": "s",
                 "price": 14.665, "currency": "EUR", "metadata": {"sizes": [41, null]}, "active": false}
                """
            try await send("PUT", "/api/products/p", full, 201, one)
            try await send("PUT", "/api/products/p", full, 200, one)
            try await send("PUT", "/api/products/p", "{}", 400, one)
            try await send("POST", all, #"{"products": [{"productId": "q", "name": "Bag"}]}"#, 200, all)
            try await check(instance, all)
            try await check(instance, one, id: "p")
            let stock = "/api/inventory"
            let level = "\(stock)/{productId}/{storeId}"
            let counted = #"{"quantity": -1, "reorderPoint": 3, "maxStock": 9, "storeName": "S"}"#
            try await send("PUT", "\(stock)/p/s", counted, 201, level)
            try await send("PUT", "\(stock)/p/s", #"{"quantity": 7}"#, 200, level)
            try await send("PUT", "\(stock)/x/s", counted, 400, level)
            try await send(
                "POST", stock, #"{"inventory": [{"productId": "q", "storeId": "s", "quantity": 1}]}"#, 200,
                stock)
            try await check(instance, stock)
            try await check(instance, stock, query: "?belowReorderPoint=true&limit=1")
            try await send("DELETE", "/api/products/p", "", 409, one)
            try await send("DELETE", "/api/products/p?inventory=true", "", 200, one)
            try await send("DELETE", "/api/products/p", "", 404, one)
            try await send("DELETE", "\(stock)/p/s", "", 404, level)
            #expect(try await instance.call("DELETE", "\(stock)/q/s").status == 204)
        }
    }
}
