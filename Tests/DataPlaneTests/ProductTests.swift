import Commerce
import Contract
import Foundation
import Kernel
import Testing

@testable import DataPlane

extension TestBrand {
    /// The brand's catalogue, set through a connection of its own.
    var products: Products {
        let settings = settings
        return Products(database: writerDatabase, reader: database, settings: { settings })
    }

    /// What the tables say of products and stock levels, a line for each.
    func catalogue() async throws -> [String] {
        try await database.run(
            """
            select product_id || ' ' || name || ' ' || coalesce(price::text, '-') || ' ' || currency || ' '
                || active || ' ' || extract(epoch from created_at)::bigint || ' '
                || extract(epoch from updated_at)::bigint
            from product order by product_id
            """
        ).decode(String.self)
    }
}

/// A product as the API shows it.
struct ShownProduct: Codable, Sendable {
    var brandId: String
    var productId: String
    var name: String
    var description: String?
    var category: String?
    var subcategory: String?
    var price: String?
    var currency: String
    var metadata: [String: String]?
    var active: Bool
    var createdAt: Timestamp
    var updatedAt: Timestamp
}

func second(_ second: Int64) -> Timestamp { Timestamp(microseconds: second * 1_000_000) }

@Suite("Products", .timeLimit(.minutes(5)))
struct ProductTests {
    private func product(_ id: String, _ name: String, _ price: String? = nil) -> Product {
        var product = Product(productId: id, name: name)
        product.price = price.flatMap { Money($0) }
        return product
    }

    @Test("they are set whole, and what is set again changes nothing but as of when it is so")
    func set() async throws {
        try await TestBrand.with(currency: "INR") { brand in
            let first = try await brand.products.set(
                [product("b", "Bag", "14.665"), product("a", "Ant")], at: second(1))
            #expect(first == ProductsChange(changed: 2, unchanged: 0))
            #expect(try await brand.catalogue() == ["a Ant - INR true 1 1", "b Bag 14.6650 INR true 1 1"])
            var bag = product("b", "Bag", "14.6650")
            bag.currency = Currency("inr")
            let again = try await brand.products.set([bag, product("a", "Aunt")], at: second(2))
            #expect(again == ProductsChange(changed: 1, unchanged: 1))
            #expect(try await brand.catalogue() == ["a Aunt - INR true 1 2", "b Bag 14.6650 INR true 1 1"])
            // All that was not said is empty.
            let whole = try await brand.products.set([product("b", "Bag")], at: second(3))
            #expect(whole == ProductsChange(changed: 1, unchanged: 0))
            #expect(try await brand.catalogue()[1] == "b Bag - INR true 1 3")
            let none = try await brand.products.set([], at: second(4))
            #expect(none == ProductsChange(changed: 0, unchanged: 0))
            let known = try await brand.products.known(["a", "c", "b", "\u{0}", ""])
            #expect(known == [Array("a".utf8), Array("b".utf8)])
        }
    }

    @Test("each thing that a product says is looked at, as it is compared and as it is kept")
    func everyField() async throws {
        try await TestBrand.with { brand in
            var product = Product(productId: "p", name: "n")
            _ = try await brand.products.set([product], at: second(1))
            let changes: [(inout Product) -> Void] = [
                { $0.name = "other" }, { $0.description = "" }, { $0.description = "two\nlines" },
                { $0.category = "c" }, { $0.subcategory = "s" }, { $0.price = .zero },
                { $0.currency = Currency("EUR") }, { $0.metadata = #"{"a": 1}"# },
                { $0.metadata = #"{"a": 1, "b": [null]}"# }, { $0.active = false },
            ]
            for (index, change) in changes.enumerated() {
                change(&product)
                let instant = second(Int64(index + 2))
                #expect(try await brand.products.set([product], at: instant).changed == 1, "\(index)")
                #expect(try await brand.products.set([product], at: instant).changed == 0, "\(index)")
            }
            let json = try await brand.products.show("p")
            for member in [
                #""name" : "other""#, #""description" : "two\nlines""#, #""category" : "c""#,
                #""subcategory" : "s""#, #""price" : "0.00""#, #""currency" : "EUR""#,
                #""metadata" : {"a": 1, "b": [null]}"#, #""active" : false"#,
                #""updatedAt" : "1970-01-01T00:00:11.000000Z""#,
                #""createdAt" : "1970-01-01T00:00:01.000000Z""#,
            ] {
                #expect(json.contains(member), "\(member) in \(json)")
            }
        }
    }

    @Test("the newest of those who set a product counts, in whatever order they come")
    func order() async throws {
        // The third says what the first did: it is newer than the second all the same.
        let said: [(at: Int64, name: String)] = [(1, "old"), (2, "between"), (3, "old")]
        for order in (0..<said.count).permutations {
            try await TestBrand.with { brand in
                for index in order {
                    let (at, name) = said[index]
                    _ = try await brand.products.set([product("p", name)], at: second(at))
                }
                #expect(try await brand.catalogue()[0].hasPrefix("p old "), "\(order)")
            }
        }
        try await TestBrand.with { brand in
            _ = try await brand.products.set([product("p", "new")], at: second(5))
            let older = try await brand.products.set([product("p", "old"), product("q", "q")], at: second(4))
            #expect(older == ProductsChange(changed: 1, unchanged: 1))
            let twice = try await brand.products.set(
                [product("q", "first"), product("r", "r"), product("q", "last")], at: second(6))
            #expect(twice == ProductsChange(changed: 2, unchanged: 1))
            #expect(try await brand.catalogue().map { $0.split(separator: " ")[1] } == ["new", "last", "r"])
        }
    }

    @Test("a wrong product is named, and none is set")
    func wrong() async throws {
        try await TestBrand.with { brand in
            let long = String(repeating: "é", count: 101)
            let changes: [(field: String, change: (inout Product) -> Void)] = [
                ("productId", { $0.productId = "" }), ("productId", { $0.productId = long }),
                ("productId", { $0.productId = "a\tb" }), ("name", { $0.name = "" }),
                ("name", { $0.name = String(repeating: "x", count: Product.nameBytes + 1) }),
                ("name", { $0.name = "a\u{7F}" }), ("category", { $0.category = long }),
                ("category", { $0.category = "" }), ("subcategory", { $0.subcategory = "a\n" }),
                ("description", { $0.description = "a\u{0}" }),
                ("description", { $0.description = String(repeating: "x", count: 65_537) }),
                ("price", { $0.price = Money("-0.0001") }), ("metadata", { $0.metadata = "[]" }),
                ("metadata", { $0.metadata = "{" }), ("metadata", { $0.metadata = #"{"a":"\u0000"}"# }),
                ("metadata", { $0.metadata = #"{"a":"\#(String(repeating: "x", count: 16 * 1024))"}"# }),
            ]
            for (field, change) in changes {
                var bad = product("bad", "bad")
                change(&bad)
                let sent = [product("good", "good"), bad]
                let fault = await #expect(throws: Fault.self) {
                    try await brand.products.set(sent, at: second(1))
                }
                #expect(fault?.code == .invalid && fault?.field == "products[1].\(field)", "\(bad)")
                let alone = #expect(throws: Fault.self) { try Products.check(bad) }
                #expect(alone?.field == field)
            }
            let many = (0...Products.maximumProducts).map { product("\($0)", "n") }
            let fault = await #expect(throws: Fault.self) {
                try await brand.products.set(many, at: second(1))
            }
            #expect(fault?.code == .tooLarge && fault?.field == "products")
            let left = try await brand.catalogue()
            #expect(left.isEmpty)
            var largest = product(String(long.dropLast()), String(repeating: "x", count: Product.nameBytes))
            largest.category = String(long.dropLast())
            largest.price = Money.limit
            let set = try await brand.products.set([largest], at: second(1))
            #expect(set.changed == 1)
        }
    }

    @Test("they are set, shown and removed by HTTP, whatever their ids")
    func routes() async throws {
        try await TestInstance.serving { instance in
            // A slash, an escape that is none, what URLs are made of, and two ways to write é.
            let ids = ["a/b", "50%25", "x?y#z&c=d", "ro se", "e\u{301}", "\u{E9}", "..", "\"'\\"]
            for (index, id) in ids.enumerated() {
                let path = "/api/products/\(escaped(id))"
                let body = Array(#"{"name": "n\#(index)", "price": 14.665}"#.utf8)
                #expect(try await instance.call("PUT", path, body).status == 201, "\(id)")
                let second = try await instance.call("PUT", path, body)
                #expect(try second.status == 200 && second.json(ShownProduct.self).productId == id)
                #expect(try await instance.get(path, as: ShownProduct.self).name == "n\(index)")
            }
            let all = try await instance.get("/api/products", as: Page<ShownProduct>.self)
            #expect(all.nextCursor == nil && all.items.count == ids.count)
            #expect(Set(all.items.map { Array($0.productId.utf8) }) == Set(ids.map { Array($0.utf8) }))
            #expect(all.items.allSatisfy { $0.price == "14.665" && $0.currency == "USD" && $0.active })
            var (cursor, pages) = ("", [String]())
            repeat {
                let page = try await instance.get(
                    "/api/products?limit=3\(cursor)", as: Page<ShownProduct>.self)
                pages += page.items.map(\.productId)
                cursor = page.nextCursor.map { "&cursor=\($0)" } ?? ""
            } while !cursor.isEmpty
            #expect(pages == all.items.map(\.productId))
            for id in ids {
                let path = "/api/products/\(escaped(id))"
                let gone = try await instance.call("DELETE", path)
                #expect(gone.status == 200 && gone.text == #"{"inventory":0}"#, "\(gone.text)")
                for method in ["DELETE", "GET"] {
                    try await instance.call(method, path).expectProblem(404, .notFound)
                }
            }
        }
    }

    @Test("many are set by HTTP, listed by category and whether they are sold, and can be sent back")
    func many() async throws {
        try await TestInstance.serving { instance in
            let sent = """
                {"products": [
                    {"productId": "1", "name": "One", "category": "Shoes", "price": 99999999999999.9999,
                     "currency": "eur", "description": "", "metadata": {"colour": "red"}, "active": true},
                    {"productId": "2", "name": "Two", "category": "Shoes", "active": false, "price": null},
                    {"productId": "3", "name": "Three", "subcategory": "Shoes", "price": "0"}]}
                """
            let set = try await instance.post("/api/products", sent)
            #expect(set.status == 200 && set.text == #"{"changed":3,"unchanged":0}"#, "\(set.text)")
            #expect(try await instance.post("/api/products", sent).text == #"{"changed":0,"unchanged":3}"#)
            for (query, ids) in [
                ("category=Shoes", ["1", "2"]), ("active=true", ["1", "3"]), ("active=false", ["2"]),
                ("category=Shoes&active=true", ["1"]), ("category=shoes", []), ("category=%27", []),
            ] {
                let page = try await instance.get("/api/products?\(query)", as: Page<ShownProduct>.self)
                #expect(page.items.map(\.productId) == ids, "\(query)")
            }
            let first = try await instance.call("GET", "/api/products/1")
            let shown = try first.json(ShownProduct.self)
            #expect(shown.price == "99999999999999.9999" && shown.currency == "EUR")
            #expect(shown.description == "" && shown.metadata == ["colour": "red"])
            let back = try await instance.call("PUT", "/api/products/1", Array(first.body))
            #expect(back.status == 200 && back.body == first.body)
            let before = try await instance.footprint()
            for (query, field) in [
                ("limit=0", "limit"), ("active=yes", "active"), ("cursor=*", "cursor"),
                ("cursor=\(String(repeating: "A", count: 600))", "cursor"), ("cursor=AA", "cursor"),
                ("category=%00", "category"),
            ] {
                try await instance.call("GET", "/api/products?\(query)").expectProblem(400, .invalid, field)
            }
            for (body, field, words) in wrongBodies {
                let answer = try await instance.post("/api/products", body)
                answer.expectProblem(400, .invalid, field, words, body)
            }
            let tooMany = (0...1000).map { #"{"productId": "\#($0)", "name": "n"}"# }
            try await instance.post("/api/products", #"{"products": [\#(tooMany.joined(separator: ","))]}"#)
                .expectProblem(413, .tooLarge, "products")
            #expect(try await instance.footprint() == before)
        }
    }

    private var wrongBodies: [(body: String, field: String?, words: String)] {
        func one(_ members: String) -> String {
            #"{"products": [{"productId": "8", "name": "n"}, {\#(members)}]}"#
        }
        return [
            ("", nil, "not valid JSON"), ("[]", nil, "expected an object"),
            ("{}", "products", "expected an array"),
            (#"{"products": {}}"#, "products", "expected an array"),
            (#"{"products": [], "more": 1}"#, "more", "no such field"),
            (#"{"products": [7]}"#, "products[0]", "expected an object"),
            (one(#""name": "n""#), "products[1].productId", "missing"),
            (one(#""productId": "9""#), "products[1].name", "missing"),
            (one(#""productId": 9, "name": "n""#), "products[1].productId", "expected a string"),
            (one(#""productId": "8", "name": "n""#), "products[1].productId", "twice"),
            (one(#""productId": "9", "name": "n", "name": "m""#), "products[1].name", "twice"),
            (one(#""productId": "9", "name": "n", "colour": 1"#), "products[1].colour", "no such field"),
            (one(#""productId": "9", "name": "n", "price": "1,5""#), "products[1].price", "decimal"),
            (one(#""productId": "9", "name": "n", "price": 0.00001"#), "products[1].price", "decimal"),
            (one(#""productId": "9", "name": "n", "price": -1"#), "products[1].price", "not negative"),
            (one(#""productId": "9", "name": "n", "currency": "us1""#), "products[1].currency", "three"),
            (one(#""productId": "9", "name": "n", "active": 1"#), "products[1].active", "true or false"),
            (one(#""productId": "9", "name": "n", "metadata": []"#), "products[1].metadata", "object"),
            (one(#""productId": "9", "name": "\u0000""#), nil, "null character"),
        ]
    }

    @Test("the id in the path counts, and one that is wrong or another one is named")
    func pathIDs() async throws {
        try await TestInstance.serving { instance in
            let before = try await instance.footprint()
            for (path, body, field) in [
                ("p", #"{"productId": "q", "name": "n"}"#, "productId"), ("p", "{}", "name"),
                ("p", "[]", nil), ("%00", #"{"name": "n"}"#, "productId"),
                (String(repeating: "x", count: 201), #"{"name": "n"}"#, "productId"),
            ] {
                try await instance.call("PUT", "/api/products/\(path)", Array(body.utf8))
                    .expectProblem(400, .invalid, field, "", path)
            }
            for path in ["%00", String(repeating: "x", count: 201)] {
                for method in ["GET", "DELETE"] {
                    try await instance.call(method, "/api/products/\(path)").expectProblem(404, .notFound)
                }
            }
            #expect(try await instance.footprint() == before)
        }
    }
}

/// `text` as one part of a path.
func escaped(_ text: String) -> String {
    text.utf8.map { byte in
        Unicode.Scalar(byte).properties.isAlphabetic && byte < 128
            ? String(Unicode.Scalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined()
}
