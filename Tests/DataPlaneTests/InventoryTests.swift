import Commerce
import Contract
import Foundation
import Kernel
import Testing

@testable import DataPlane

extension TestBrand {
    /// The stores' stock, set through a connection of its own.
    var inventory: Inventory { Inventory(database: writerDatabase, reader: database) }

    /// What the table says of stock levels, a line for each.
    func stock() async throws -> [String] {
        try await database.run(
            """
            select product_id || ' ' || store_id || ' ' || quantity || ' ' || reserved_quantity || ' '
                || coalesce(reorder_point::text, '-') || ' ' || extract(epoch from created_at)::bigint || ' '
                || extract(epoch from updated_at)::bigint || ' ' || extract(epoch from last_updated)::bigint
            from inventory order by product_id, store_id
            """
        ).decode(String.self)
    }
}

/// A stock level as the API shows it.
struct ShownLevel: Codable, Sendable {
    var brandId: String
    var productId: String
    var storeId: String
    var storeName: String?
    var quantity: Int
    var reservedQuantity: Int
    var reorderPoint: Int?
    var maxStock: Int?
    var lastUpdated: Timestamp
    var createdAt: Timestamp
    var updatedAt: Timestamp
}

@Suite("Inventory", .timeLimit(.minutes(5)))
struct InventoryTests {
    private func withProducts<T>(
        _ ids: [String], _ body: (TestBrand) async throws -> T
    ) async throws -> T {
        try await TestBrand.with { brand in
            let products = ids.map { Product(productId: $0, name: $0) }
            _ = try await brand.products.set(products, at: second(1))
            return try await body(brand)
        }
    }

    private func level(_ product: String, _ store: String, _ quantity: Int) -> StockLevel {
        StockLevel(productId: product, storeId: store, quantity: quantity)
    }

    @Test("levels are set whole, and what is set again is as of then")
    func set() async throws {
        try await withProducts(["a", "b"]) { brand in
            var held = level("a", "s", 5)
            held.reservedQuantity = 2
            held.reorderPoint = 4
            let first = try await brand.inventory.set([held, level("b", "s", -3)], at: second(2))
            #expect(first == InventoryChange(changed: 2, unchanged: 0))
            #expect(try await brand.stock() == ["a s 5 2 4 2 2 2", "b s -3 0 - 2 2 2"])
            let again = try await brand.inventory.set([held, level("b", "s", 7)], at: second(3))
            #expect(again == InventoryChange(changed: 1, unchanged: 1))
            #expect(try await brand.stock() == ["a s 5 2 4 2 2 3", "b s 7 0 - 2 3 3"])
            _ = try await brand.inventory.set([level("a", "s", 5), level("a", "t", 1)], at: second(4))
            #expect(
                try await brand.stock() == ["a s 5 0 - 2 4 4", "a t 1 0 - 4 4 4", "b s 7 0 - 2 3 3"])
            let none = try await brand.inventory.set([], at: second(5))
            #expect(none == InventoryChange(changed: 0, unchanged: 0))
        }
    }

    @Test("each thing that a level says is looked at")
    func everyField() async throws {
        try await withProducts(["a"]) { brand in
            var level = level("a", "s", 1)
            _ = try await brand.inventory.set([level], at: second(1))
            let changes: [(inout StockLevel) -> Void] = [
                { $0.quantity = Int(Int32.min) }, { $0.reservedQuantity = Int(Int32.max) },
                { $0.storeName = "Store" }, { $0.reorderPoint = 0 }, { $0.maxStock = Int(Int32.max) },
            ]
            for (index, change) in changes.enumerated() {
                change(&level)
                let instant = second(Int64(index + 2))
                #expect(try await brand.inventory.set([level], at: instant).changed == 1, "\(index)")
                #expect(try await brand.inventory.set([level], at: instant).changed == 0, "\(index)")
            }
            var filter = Inventory.Filter()
            filter.isBelowReorderPoint = true
            let found = try await brand.inventory.list(filter, behind: nil, limit: 5)
            #expect(found.documents.count == 1 && found.next == nil)
            for member in [
                #""storeName" : "Store""#, #""quantity" : -2147483648"#, #""maxStock" : 2147483647"#,
                #""reorderPoint" : 0"#, #""reservedQuantity" : 2147483647"#,
                #""lastUpdated" : "1970-01-01T00:00:06.000000Z""#,
            ] {
                #expect(found.documents[0].contains(member), "\(member) in \(found.documents)")
            }
        }
    }

    @Test("the newest of those who set a level counts, in whatever order they come")
    func order() async throws {
        // The third says what the first did: it is newer than the second all the same.
        let said: [(at: Int64, quantity: Int)] = [(1, 10), (2, 20), (3, 10)]
        for order in (0..<said.count).permutations {
            try await withProducts(["p"]) { brand in
                for index in order {
                    let (at, quantity) = said[index]
                    _ = try await brand.inventory.set([level("p", "s", quantity)], at: second(at))
                }
                #expect(try await brand.stock()[0].hasPrefix("p s 10 "), "\(order)")
                #expect(try await brand.stock()[0].hasSuffix(" 3"), "\(order)")
            }
        }
        try await withProducts(["p"]) { brand in
            let twice = try await brand.inventory.set(
                [level("p", "s", 1), level("p", "t", 2), level("p", "s", 3)], at: second(6))
            #expect(twice == InventoryChange(changed: 2, unchanged: 1))
            let older = try await brand.inventory.set([level("p", "s", 9)], at: second(5))
            #expect(older == InventoryChange(changed: 0, unchanged: 1))
            #expect(try await brand.stock().map { $0.split(separator: " ")[2] } == ["3", "2"])
        }
    }

    @Test("a wrong level is named, one of a product that is not there too, and none is set")
    func wrong() async throws {
        try await withProducts(["p", "\u{E9}"]) { brand in
            let changes: [(field: String, change: (inout StockLevel) -> Void)] = [
                ("productId", { $0.productId = "" }), ("storeId", { $0.storeId = "" }),
                ("storeId", { $0.storeId = String(repeating: "x", count: 201) }),
                ("storeId", { $0.storeId = "a\u{0}" }), ("storeName", { $0.storeName = "" }),
                ("storeName", { $0.storeName = String(repeating: "x", count: 1_001) }),
                ("quantity", { $0.quantity = Int(Int32.max) + 1 }),
                ("quantity", { $0.quantity = Int(Int32.min) - 1 }),
                ("reservedQuantity", { $0.reservedQuantity = -1 }),
                ("reorderPoint", { $0.reorderPoint = -1 }), ("maxStock", { $0.maxStock = -1 }),
                ("maxStock", { $0.maxStock = .max }),
            ]
            for (field, change) in changes {
                var bad = level("p", "bad", 1)
                change(&bad)
                let sent = [level("p", "s", 1), bad]
                let fault = await #expect(throws: Fault.self) {
                    try await brand.inventory.set(sent, at: second(1))
                }
                #expect(fault?.code == .invalid && fault?.field == "inventory[1].\(field)", "\(bad)")
                let alone = #expect(throws: Fault.self) { try Inventory.check(bad) }
                #expect(alone?.field == field)
            }
            // The last is é in another way of writing it: other bytes, another id.
            for unknown in ["q", "P", "e\u{301}"] {
                let levels = [level("p", "s", 1), level(unknown, "s", 1)]
                let fault = await #expect(throws: Fault.self) {
                    try await brand.inventory.set(levels, at: second(1))
                }
                #expect(fault?.code == .invalid && fault?.field == "inventory[1].productId")
                #expect(fault?.detail.contains("no product") == true)
            }
            let many = (0...Inventory.maximumLevels).map { level("p", "\($0)", 1) }
            let fault = await #expect(throws: Fault.self) {
                try await brand.inventory.set(many, at: second(1))
            }
            #expect(fault?.code == .tooLarge && fault?.field == "inventory")
            let left = try await brand.stock()
            #expect(left.isEmpty)
        }
    }

    @Test("a product is not removed under its inventory, unless that is asked for")
    func removal() async throws {
        try await TestInstance.serving { instance in
            for id in ["p", "q"] {
                _ = try await instance.call("PUT", "/api/products/\(id)", Array(#"{"name": "n"}"#.utf8))
            }
            for (product, store) in [("p", "s"), ("p", "t"), ("q", "s")] {
                let set = try await instance.call(
                    "PUT", "/api/inventory/\(product)/\(store)", Array(#"{"quantity": 0}"#.utf8))
                #expect(set.status == 201)
            }
            let refused = try await instance.call("DELETE", "/api/products/p")
            refused.expectProblem(409, .conflict, "inventory", "2 stores have inventory of it")
            try await instance.call("DELETE", "/api/products/p?inventory=1")
                .expectProblem(400, .invalid, "inventory")
            let narrow = try await TestInstance.mintKey(instance.brand, scopes: [.productsWrite])
            try await eventually("the key is known") {
                try await instance.call("DELETE", "/api/products/x", key: narrow).status == 404
            }
            try await instance.call("DELETE", "/api/products/p?inventory=true", key: narrow)
                .expectProblem(403, .forbidden, nil, "inventory:write")
            #expect(try await instance.brand.stock().count == 3)
            let removed = try await instance.call("DELETE", "/api/products/p?inventory=true")
            #expect(removed.status == 200 && removed.text == #"{"inventory":2}"#, "\(removed.text)")
            #expect(try await instance.brand.stock().map { $0.prefix(3) } == ["q s"])
            #expect(try await instance.brand.products.known(["p", "q"]) == [Array("q".utf8)])
        }
    }

    @Test("levels are set, listed and removed by HTTP")
    func routes() async throws {
        try await TestInstance.serving { instance in
            let products = #"[{"productId": "a/1", "name": "A"}, {"productId": "b", "name": "B"}]"#
            _ = try await instance.post("/api/products", #"{"products": \#(products)}"#)
            let sent = """
                {"inventory": [
                    {"productId": "a/1", "storeId": "x y", "quantity": 10, "reservedQuantity": 6,
                     "reorderPoint": 5, "storeName": "X", "maxStock": 20},
                    {"productId": "a/1", "storeId": "z", "quantity": 5, "reorderPoint": 5},
                    {"productId": "b", "storeId": "z", "quantity": -1, "reorderPoint": null}]}
                """
            let set = try await instance.post("/api/inventory", sent)
            #expect(set.status == 200 && set.text == #"{"changed":3,"unchanged":0}"#, "\(set.text)")
            #expect(try await instance.post("/api/inventory", sent).text == #"{"changed":0,"unchanged":3}"#)
            for (query, places) in [
                ("", ["a/1 x y", "a/1 z", "b z"]), ("productId=a%2F1", ["a/1 x y", "a/1 z"]),
                ("storeId=z", ["a/1 z", "b z"]), ("productId=b&storeId=z", ["b z"]), ("storeId=Z", []),
                ("belowReorderPoint=true", ["a/1 x y"]),
                ("belowReorderPoint=false", ["a/1 x y", "a/1 z", "b z"]),
            ] {
                let page = try await instance.get("/api/inventory?\(query)", as: Page<ShownLevel>.self)
                #expect(page.items.map { "\($0.productId) \($0.storeId)" } == places, "\(query)")
            }
            var (cursor, pages) = ("", [Int]())
            repeat {
                let page = try await instance.get(
                    "/api/inventory?limit=1\(cursor)", as: Page<ShownLevel>.self)
                pages += page.items.map(\.quantity)
                cursor = page.nextCursor.map { "&cursor=\($0)" } ?? ""
            } while !cursor.isEmpty
            #expect(pages == [10, 5, -1])
            try await one(instance)
            try await wrongRequests(instance)
        }
    }

    /// One level by its path.
    private func one(_ instance: TestInstance) async throws {
        let path = "/api/inventory/a%2F1/n%2Fw"
        let put = try await instance.call("PUT", path, Array(#"{"quantity": 3}"#.utf8))
        #expect(try put.status == 201 && put.json(ShownLevel.self).storeId == "n/w", "\(put.text)")
        let back = try await instance.call("PUT", path, Array(put.body))
        let (before, after) = try (put.json(ShownLevel.self), back.json(ShownLevel.self))
        #expect(back.status == 200 && after.updatedAt == before.updatedAt)
        #expect(after.lastUpdated > before.lastUpdated)
        #expect(try await instance.call("DELETE", path).status == 204)
        try await instance.call("DELETE", path).expectProblem(404, .notFound)
        try await instance.call("DELETE", "/api/inventory/b/%00").expectProblem(404, .notFound)
    }

    private func wrongRequests(_ instance: TestInstance) async throws {
        let before = try await instance.brand.stock()
        for (query, field) in [
            ("belowReorderPoint=1", "belowReorderPoint"), ("storeId=%00", "storeId"), ("cursor=Yg", "cursor"),
            ("productId=\(String(repeating: "x", count: 201))", "productId"), ("limit=201", "limit"),
        ] {
            try await instance.call("GET", "/api/inventory?\(query)").expectProblem(400, .invalid, field)
        }
        for (members, field, words) in [
            (#""storeId": "z", "quantity": 1"#, "productId", "missing"),
            (#""productId": "b", "quantity": 1"#, "storeId", "missing"),
            (#""productId": "b", "storeId": "s""#, "quantity", "missing"),
            (#""productId": "b", "storeId": "s", "quantity": 1.5"#, "quantity", "whole number"),
            (#""productId": "b", "storeId": "s", "quantity": "1""#, "quantity", "whole number"),
            (#""productId": "b", "storeId": "s", "quantity": 2147483648"#, "quantity", "whole number"),
            (#""productId": "b", "storeId": "s", "quantity": 1, "reorderPoint": -1"#, "reorderPoint", "0 to"),
            (#""productId": "b", "storeId": "s", "quantity": 1, "trending": true"#, "trending", "no such"),
            (#""productId": "c", "storeId": "s", "quantity": 1"#, "productId", "no product 'c'"),
            (#""productId": "a/1", "storeId": "z", "quantity": 1"#, "storeId", "twice"),
        ] {
            let good = #"{"productId": "a/1", "storeId": "z", "quantity": 99}"#
            try await instance.post("/api/inventory", #"{"inventory": [\#(good), {\#(members)}]}"#)
                .expectProblem(400, .invalid, "inventory[1].\(field)", words, members)
        }
        for (path, body, field) in [
            ("c/s", #"{"quantity": 1}"#, "productId"), ("b/%0A", #"{"quantity": 1}"#, "storeId"),
            ("b/s", #"{"quantity": 1, "storeId": "t"}"#, "storeId"), ("b/s", "{}", "quantity"),
        ] {
            try await instance.call("PUT", "/api/inventory/\(path)", Array(body.utf8))
                .expectProblem(400, .invalid, field, "", path)
        }
        #expect(try await instance.brand.stock() == before)
    }
}
