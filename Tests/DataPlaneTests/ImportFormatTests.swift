import Contract
import Foundation
import Kernel
import Testing

@testable import DataPlane

@Suite("Importing files as they come", .timeLimit(.minutes(5)))
struct ImportFormatTests {
    private func upload(
        _ bytes: [UInt8], _ options: String, to instance: TestInstance
    ) async throws -> OperationView {
        let answer = try await instance.call("POST", "/api/integrations/csv" + options, bytes)
        #expect(answer.status == 202, "\(answer.text)")
        var shown = try answer.json(OperationView.self)
        try await eventually("the import ends") {
            shown = try await instance.get("/api/operations/\(shown.id)")
            return shown.state.isFinal
        }
        #expect(shown.state == .done, "\(shown.error ?? "")")
        return shown
    }

    @Test("a file as a spreadsheet saves it in any country is the same orders, and known as such")
    func encodings() async throws {
        try await TestInstance.serving { instance in
            let text = "id;name;value\né1;José;1.50\né2;Müller;2.50\n"
            let options = "?map=loyalty_id:id&map=total:value&map=properties.name:name"
            let forms: [[UInt8]?] = [
                Array(text.utf8), text.data(using: .windowsCP1252).map(Array.init),
                text.data(using: .utf16LittleEndian).map { [0xFF, 0xFE] + Array($0) },
                text.data(using: .utf16BigEndian).map(Array.init),
            ]
            for (number, form) in forms.enumerated() {
                let operation = try await upload(try #require(form), options, to: instance)
                #expect(operation.counts?["accepted"] == (number == 0 ? 2 : 0), "form \(number)")
                #expect(operation.counts?["duplicates"] == (number == 0 ? 0 : 2), "form \(number)")
            }
            let stats = try await instance.stats()
            #expect(stats.orders == 2 && stats.revenue == "4.00" && stats.profiles == 2)
        }
    }

    @Test("a preview says what becomes of a file, and keeps nothing")
    func preview() async throws {
        try await TestInstance.serving { instance in
            let before = try await instance.footprint()
            let answer = try await instance.post(
                "/api/integrations/csv/preview", "E-Mail;Total;Date\na@b.c;1;2026-01-31\nb@b.c;x;\n")
            #expect(answer.status == 200, "\(answer.text)")
            let found = try answer.json(ImportPreview.self)
            #expect(found.map == ["email:E-Mail", "total:Total", "occurredAt:Date"] && found.isSuggested)
            #expect(found.rows[0].values?["total"] == "1" && found.rows[1].reason?.contains("total") == true)
            try await instance.post("/api/integrations/csv/preview", "")
                .expectProblem(400, .invalid, nil, "is empty")
            try await instance.post("/api/integrations/csv/preview?whole=x", "a,b\n")
                .expectProblem(400, .invalid, "whole", "")
            try await instance.post(
                "/api/integrations/csv/preview", String(repeating: "a,b\n", count: 70_000)
            ).expectProblem(413, .tooLarge, nil, "more than 262144 bytes")
            #expect(try await instance.footprint() == before)
        }
    }

    @Test("rejected rows are a file that, mended, brings them in once, with the file or without")
    func report() async throws {
        try await TestInstance.serving { instance in
            let options = "?map=email:mail&map=total:value&fileName=orders%20%22x%22.csv"
            let good = (1...1500).map { "u\($0)@b.c,1.00,\"a \"\"note\"\"\"\n" }
            var lines = good
            for number in stride(from: 2, to: 1500, by: 3) {
                lines[number] = lines[number].replacing("1.00", with: "one")
            }
            let operation = try await upload(
                Array(("mail,value,note\n" + lines.joined()).utf8), options, to: instance)
            #expect(operation.counts?["rejected"] == 500)
            let answer = try await instance.call("GET", "/api/operations/\(operation.id)/rejections.csv")
            #expect(answer.status == 200 && answer.headers["content-type"] == "text/csv; charset=utf-8")
            #expect(
                answer.headers["content-disposition"] == "attachment; filename=\"orders__x_.rejected.csv\"")
            let text = answer.text
            #expect(
                text.hasPrefix(
                    "\u{FEFF}\"constintel_row\",\"constintel_reason\",\"mail\",\"value\",\"note\"\r\n\"4\","))
            let mended = text.replacing("\"one\"", with: "\"1.00\"")
            let again = try await upload(Array(mended.utf8), options, to: instance)
            #expect(again.counts?["accepted"] == 500 && again.counts?["rejected"] == 0)
            let whole = try await upload(
                Array(("mail,value,note\n" + good.joined()).utf8), options, to: instance)
            #expect(whole.counts?["accepted"] == 0 && whole.counts?["duplicates"] == 1500)
            #expect(try await instance.stats().revenue == "1500.00")
        }
    }

    @Test("a report of a file without a header has one, of the numbers that its columns were mapped by")
    func reportWithoutHeader() async throws {
        try await TestInstance.serving { instance in
            let operation = try await upload(
                Array("a@b.c,1\nb@b.c,x\nc@b.c\n".utf8), "?map=email:1&map=total:2&header=false", to: instance
            )
            #expect(operation.counts?["rejected"] == 2)
            let answer = try await instance.call("GET", "/api/operations/\(operation.id)/rejections.csv")
            let rows = answer.text.split(separator: "\r\n")
            #expect(rows[0].hasSuffix("\"constintel_row\",\"constintel_reason\",\"1\",\"2\""))
            #expect(rows[1].hasSuffix("\"b@b.c\",\"x\"") && rows[2].hasSuffix("\"c@b.c\""))
            let mended = "constintel_row;constintel_reason;1;2\n2;;b@b.c;2\n3;;c@b.c;y\n"
            let again = try await upload(
                Array(mended.utf8), "?map=email:1&map=total:2&header=false&delimiter=comma", to: instance)
            #expect(again.counts?["accepted"] == 1 && again.counts?["rejected"] == 1)
            // What is still wrong is reported as it was, not as a report of a report.
            let second = try await instance.call("GET", "/api/operations/\(again.id)/rejections.csv")
            let left = second.text.split(separator: "\r\n")
            #expect(left[0].hasSuffix("\"constintel_row\",\"constintel_reason\",\"1\",\"2\""))
            #expect(left[1].hasSuffix("\"c@b.c\",\"y\"") && left.count == 2)
            let whole = try await upload(
                Array("a@b.c,1\nb@b.c,2\nc@b.c,3\n".utf8), "?map=email:1&map=total:2&header=false",
                to: instance)
            #expect(whole.counts?["accepted"] == 1 && whole.counts?["duplicates"] == 2)
            #expect(try await instance.stats().revenue == "6.00")
        }
    }

    @Test("by number, a report's columns are those of the file that it comes from")
    func reportByNumber() async throws {
        try await TestInstance.serving { instance in
            let operation = try await upload(
                Array("mail,value\na@b.c,x\n".utf8), "?map=email:1&map=total:2", to: instance)
            let report = try await instance.call("GET", "/api/operations/\(operation.id)/rejections.csv")
            let mended = report.text.replacing("\"x\"", with: "\"7\"")
            let again = try await upload(Array(mended.utf8), "?map=email:1&map=total:2", to: instance)
            #expect(again.counts?["accepted"] == 1)
            #expect(try await instance.stats().revenue == "7.00")
        }
    }

    @Test("rows take the scope of what they are")
    func scopes() async throws {
        try await TestInstance.serving { instance in
            let events = try await TestInstance.mintKey(instance.brand, scopes: [.eventsWrite])
            let catalogue = try await TestInstance.mintKey(instance.brand, scopes: [.productsWrite])
            let products = "?kind=products&map=productId:1&map=name:2"
            for path in ["/api/integrations/csv", "/api/integrations/csv/preview"] {
                let refused = try await instance.post(path + products, "a,b\n1,2\n", key: events)
                refused.expectProblem(403, .forbidden, nil, "products:write")
                let other = try await instance.post(path + "?map=email:1", "a\nb@b.c\n", key: catalogue)
                other.expectProblem(403, .forbidden, nil, "events:write")
                let taken = try await instance.post(path + products, "a,b\n1,2\n", key: catalogue)
                #expect(taken.status == 202 || taken.status == 200, "\(taken.text)")
            }
            try await instance.post(
                "/api/integrations/csv?kind=inventory&map=productId:1&map=storeId:2&map=quantity:3",
                "a,b,c\n1,2,3\n", key: catalogue
            ).expectProblem(403, .forbidden, nil, "inventory:write")
        }
    }

    @Test("customers come in as who they are and what they consent to")
    func profiles() async throws {
        try await TestInstance.serving { instance in
            let text = "mail,mobile,city,newsletter\na@b.c,+12025550123,Pune,yes\nb@b.c,,Goa,no\n,,,\n"
            let options =
                "?kind=profiles&map=email:mail&map=phone:mobile&map=properties.city:city"
                + "&map=consent.email.marketing:newsletter"
            let operation = try await upload(Array(text.utf8), options, to: instance)
            #expect(operation.counts?["accepted"] == 2 && operation.counts?["rejected"] == 1)
            let stats = try await instance.stats()
            #expect(stats.profiles == 2 && stats.orders == 0)
            let consents = try await instance.brand.database.run(
                """
                select value, purpose, granted from consent join customer_identifier i on i.id = identifier_id
                order by value
                """
            ).decode((String, String, Bool).self)
            #expect(consents.map(\.0) == ["a@b.c", "b@b.c"] && consents.map(\.2) == [true, false])
            #expect(consents.allSatisfy { $0.1 == "marketing" })
        }
    }

    @Test("a catalogue and its stock come in, what is the same counts as known, what cannot be is rejected")
    func catalogue() async throws {
        try await TestInstance.serving { instance in
            let products = "sku,title,price,colour\nA,Shoe,19.99,red\nB,Hat,5,blue\nC,,1,green\n"
            let asProducts =
                "?kind=products&map=productId:sku&map=name:title&map=price:price&map=metadata.colour:colour"
            let first = try await upload(Array(products.utf8), asProducts, to: instance)
            #expect(first.counts == ["rows": 3, "accepted": 2, "duplicates": 0, "rejected": 1])
            let second = try await upload(
                Array(products.replacing("5,blue", with: "6.50,blue").utf8), asProducts, to: instance)
            #expect(second.counts == ["rows": 3, "accepted": 1, "duplicates": 1, "rejected": 1])
            let stored = try await instance.brand.database.run(
                "select product_id, price::text, metadata ->> 'colour' from product order by 1"
            ).decode((String, String, String).self)
            #expect(stored.map(\.0) == ["A", "B"] && stored.map(\.1) == ["19.9900", "6.5000"])
            #expect(stored.map(\.2) == ["red", "blue"])

            let stock = "sku,shop,stock\nA,S1,3\nB,S1,-2\nX,S1,9\nA,S2,1.5\n"
            let levels = try await upload(
                Array(stock.utf8), "?kind=inventory&map=productId:sku&map=storeId:shop&map=quantity:stock",
                to: instance)
            #expect(levels.counts == ["rows": 4, "accepted": 2, "duplicates": 0, "rejected": 2])
            let page = try await instance.get(
                "/api/operations/\(levels.id)/rejections", as: Page<RejectedRow>.self)
            #expect(page.items.map(\.row) == [4, 5])
            #expect(page.items[0].reason == "productId: there is no product 'X'")
            #expect(page.items[0].fields == ["X", "S1", "9"])
        }
    }
}
