import AsyncHTTPClient
import Contract
import Events
import Foundation
import Kernel
import NIOCore
import Postgres
import Synchronization
import Testing

@testable import DataPlane

@Suite("Importing a file", .timeLimit(.minutes(5)))
struct ImportTests {
    private static let header = " customer_id  date number_of_cds  dollar_value\r\n"
    private static let options =
        "?delimiter=whitespace&dateFormat=yyyyMMdd&source=cdnow&map=loyalty_id:customer_id"
        + "&map=occurredAt:date&map=quantity:number_of_cds&map=total:dollar_value"

    private static func row(_ customer: Int, _ date: String = "19970101", _ value: String = "11.77") -> String
    {
        " \(customer) \(date)  1   \(value)\r\n"
    }

    /// Uploads a file and waits until its import has ended.
    private func upload(
        _ text: String, to instance: TestInstance, options: String = ImportTests.options
    ) async throws -> OperationView {
        let answer = try await instance.post("/api/integrations/csv" + options, text)
        #expect(answer.status == 202, "\(answer.text)")
        return try await ended(try answer.json(OperationView.self), of: instance)
    }

    private func ended(_ operation: OperationView, of instance: TestInstance) async throws -> OperationView {
        var shown = operation
        try await eventually("the import ends") {
            shown = try await instance.get("/api/operations/\(operation.id)")
            return shown.state.isFinal
        }
        return shown
    }

    private func expect(
        _ operation: OperationView, accepted: Int64, duplicates: Int64 = 0, rejected: Int64 = 0,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(operation.state == .done, "\(operation.error ?? "")", sourceLocation: sourceLocation)
        #expect(
            operation.counts == [
                "rows": accepted + duplicates + rejected, "accepted": accepted, "duplicates": duplicates,
                "rejected": rejected,
            ], sourceLocation: sourceLocation)
    }

    @Test(
        "a file as files are becomes orders, customers and an exact total; equal rows are different purchases"
    )
    func whole() async throws {
        try await TestInstance.serving { instance in
            var text = ImportTests.header
            for customer in 1...500 { text += ImportTests.row(customer, "19970101", "11.77") }
            for _ in 1...255 { text += ImportTests.row(7, "19980528", "0.01") }
            let operation = try await upload(
                text, to: instance, options: ImportTests.options + "&fileName=cdnow.txt")
            expect(operation, accepted: 755)
            #expect(operation.kind == "events.import" && operation.subject == "cdnow.txt")
            #expect(operation.progress?.total == Int64(text.utf8.count))
            #expect(operation.progress?.done == operation.progress?.total)
            let stats = try await instance.stats()
            #expect(stats.orders == 755 && stats.profiles == 500 && stats.events == 755)
            #expect(stats.revenue == "5887.55")
            #expect(try await instance.footprint()["uploads"] == 0, "the upload is gone when it is imported")
        }
    }

    @Test("the same file again, or renamed, adds nothing; with rows appended, only those")
    func again() async throws {
        try await TestInstance.serving { instance in
            let rows = (1...120).map { ImportTests.row($0 % 40, "19970101", "1.00") }.joined()
            expect(try await upload(ImportTests.header + rows, to: instance), accepted: 120)
            let before = try await instance.stats()
            let again = try await upload(
                ImportTests.header + rows, to: instance,
                options: ImportTests.options + "&fileName=renamed.txt")
            expect(again, accepted: 0, duplicates: 120)
            #expect(try await instance.stats().revenue == before.revenue)
            let more = ImportTests.row(1, "19970101", "1.00") + ImportTests.row(99, "19980101", "2.50")
            expect(
                try await upload(ImportTests.header + rows + more, to: instance), accepted: 2, duplicates: 120
            )
            let stats = try await instance.stats()
            #expect(
                stats.orders == 122 && stats.profiles == before.profiles + 1
                    && stats.revenue == "123.50")
        }
    }

    @Test("rows that are not taken are counted and listed by number and reason, and the others are taken")
    func rejections() async throws {
        try await TestInstance.serving { instance in
            var text = ImportTests.header + ImportTests.row(1)
            text +=
                ImportTests.row(2, "19970230") + ImportTests.row(3, "19970101", "free") + " 4 19970101\r\n"
            text += ImportTests.row(5) + " 6 19970101 1 2 3\r\n" + ImportTests.row(7, "18000101")
            let operation = try await upload(text, to: instance)
            expect(operation, accepted: 2, rejected: 5)
            var rows: [RejectedRow] = []
            var cursor: String?
            repeat {
                let query = cursor.map { "?limit=2&cursor=\($0)" } ?? "?limit=2"
                let page = try await instance.get(
                    "/api/operations/\(operation.id)/rejections" + query, as: Page<RejectedRow>.self)
                rows += page.items
                cursor = page.nextCursor
            } while cursor != nil
            #expect(rows.map(\.row) == [3, 4, 5, 7, 8])
            for (row, words) in zip(rows, ["'19970230'", "decimal", "2 columns", "5 columns", "1900"]) {
                #expect(row.reason.contains(words), "\(row.reason)")
            }
            #expect(try await instance.stats().orders == 2)
        }
    }

    @Test("ids that Swift takes for equal and PostgreSQL does not are known again, each")
    func canonicallyEqualIDs() async throws {
        try await TestInstance.serving { instance in
            let text = "id,mail,total\n\u{E9},\u{E9}@b.com,1\ne\u{301},e\u{301}@b.com,1\n"
            let options = "?map=eventId:id&map=loyalty_id:mail&map=total:total"
            expect(try await upload(text, to: instance, options: options), accepted: 2)
            expect(try await upload(text, to: instance, options: options), accepted: 0, duplicates: 2)
            #expect(try await instance.stats().profiles == 2)
        }
    }

    @Test("a file that cannot be one is refused at the door, whatever its size, and nothing is kept")
    func refused() async throws {
        try await TestInstance.serving { instance in
            let before = try await instance.footprint()
            func refuse(
                _ bytes: [UInt8], _ field: String?, _ words: String,
                options: String = "?map=email:mail&map=total:value"
            ) async throws {
                try await instance.call("POST", "/api/integrations/csv" + options, bytes)
                    .expectProblem(400, .invalid, field, words, "\(bytes.prefix(20)) \(options)")
            }
            let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 0x0D]
            try await refuse([], nil, "is empty")
            try await refuse(Array("\n\r\n  \n".utf8), nil, "no rows")
            try await refuse(png, "encoding", "not text")
            try await refuse(Array(repeating: png, count: 200_000).flatMap { $0 }, "encoding", "not text")
            let comma = "?map=email:mail&map=total:value&delimiter=comma"
            try await refuse(
                Array("mail;value\na@b.c;1\n".utf8), "map", "'mail;value'", options: comma)
            try await refuse(
                Array(("mail;value\n" + String(repeating: "a@b.c;1\n", count: 500_000)).utf8), "map", "'mail",
                options: comma)
            try await refuse(Array("mail,total\na@b.c,1\n".utf8), "map", "no column 'value'")
            let good = Array("mail,value\na@b.c,1\n".utf8)
            for (options, field) in [
                ("", "map"), ("?map=mail:mail", "map"), ("?map=email", "map"),
                ("?map=email:1&map=email:2", "map"),
                ("?map=email:1&delimiter=::", "delimiter"), ("?map=email:1&encoding=ebcdic", "encoding"),
                ("?map=email:1&kind=orders", "kind"), ("?map=email:1&kind=profiles&type=search", "type"),
                ("?map=total:1&kind=profiles", "map"), ("?map=email:1&kind=products", "map"),
                ("?map=productId:1&kind=products", "map"), ("?map=consent.mail.news:1", "map"),
                ("?map=email:1&header=maybe", "header"),
                ("?map=email:1&type=buy", "type"), ("?map=email:1&timeZone=Mars", "timeZone"),
                ("?map=email:1&dateFormat=YYYY-MM-dd", "dateFormat"), ("?map=email:1&source=a%20b", "source"),
                ("?map=email:1&fileName=%00", "fileName"), ("?map=email:1&source=%00", "source"),
                ("?map=properties.%00:1", "map"), ("?map=email:1&channel=%0A", "channel"),
            ] {
                try await refuse(good, field, "", options: options)
            }
            #expect(try await instance.footprint() == before)
            let list = try await instance.get("/api/operations", as: Page<OperationView>.self)
            #expect(list.items.isEmpty)
        }
    }

    @Test(
        "a file that turns bad later fails or has rejected rows, and does not hold up the next one"
    )
    func badLater() async throws {
        try await TestInstance.serving { instance in
            let good = String(repeating: "a@b.c,1\n", count: 20_000)
            var bytes = Array(("mail,value\n" + good).utf8)
            bytes += [0xFF, 0x2C, 0x31, 0x0A] + Array("x\u{0},1\n".utf8) + Array("z@b.c,\u{0}1\n".utf8)
            let answer = try await instance.call(
                "POST", "/api/integrations/csv?map=email:mail&map=total:value&type=search", bytes)
            let operation = try await ended(try answer.json(OperationView.self), of: instance)
            expect(operation, accepted: 20_000, rejected: 3)
            let open =
                "mail,value\n" + String(repeating: "b@b.c,1\n", count: 10) + "\""
                + String(repeating: good, count: 2)
            let failed = try await upload(
                open, to: instance, options: "?map=email:mail&map=total:value&source=other")
            #expect(failed.state == .failed)
            #expect(failed.error?.contains("row 12 has more than") == true, "\(failed.error ?? "")")
            expect(
                try await upload(
                    "mail,value\nq@b.c,1\n", to: instance, options: "?map=email:mail&map=total:value"),
                accepted: 1)
        }
    }

    @Test("an import that is cut off midway goes on at the next start, and every row has come in once")
    func resumed() async throws {
        try await TestInstance.with { instance in
            let database = instance.brand.database
            try await database.run("update brand_state set limits = '{\"streamEntries\":2500}'")
            let text =
                ImportTests.header + (1...6000).map { ImportTests.row($0 % 900, "19970101", "0.01") }.joined()
            var operation: OperationView?
            try await instance.brand.holdingLease {
                operation = try await instance.serving(abruptly: true) {
                    let answer = try await instance.post("/api/integrations/csv" + ImportTests.options, text)
                    let begun = try answer.json(OperationView.self)
                    try await eventually("the stream is full") {
                        try await instance.brand.stream.length() == 2000
                    }
                    try await eventually("the operation says so") {
                        let shown = try await instance.get(
                            "/api/operations/\(begun.id)", as: OperationView.self)
                        return shown.state == .running && shown.counts?["accepted"] == 2000
                    }
                    return begun
                }
            }
            #expect(try await instance.footprint()["uploads"] == 1)
            try await database.run("update brand_state set limits = '{}', revision = revision + 1")
            try await instance.serving {
                expect(try await ended(try #require(operation), of: instance), accepted: 6000)
                let stats = try await instance.stats()
                #expect(stats.orders == 6000 && stats.profiles == 900 && stats.revenue == "60.00")
                #expect(try await instance.footprint()["dead letters"] == 0)
            }
        }
    }

    @Test("an import that rejects every row says how far it has come all the same")
    func progressOfRejections() async throws {
        try await TestInstance.with { instance in
            let database = instance.brand.database
            // Nothing may come in, so that the import stands still at its only good row, the last one.
            try await database.run("update brand_state set limits = '{\"streamEntries\":0}'")
            try await instance.serving {
                let text =
                    ImportTests.header + String(repeating: ImportTests.row(1, "19970230"), count: 10_000)
                    + ImportTests.row(2)
                let answer = try await instance.post("/api/integrations/csv" + ImportTests.options, text)
                let begun = try answer.json(OperationView.self)
                try await eventually("the rejected rows are counted") {
                    let shown = try await instance.get(
                        "/api/operations/\(begun.id)", as: OperationView.self)
                    return shown.state == .running && shown.counts?["rejected"] == 10_000
                }
                try await database.run("update brand_state set limits = '{}', revision = revision + 1")
                expect(try await ended(begun, of: instance), accepted: 1, rejected: 10_000)
            }
        }
    }

    @Test("an upload that is cut off is not taken for a whole file, and nothing is kept of it")
    func cutUpload() async throws {
        try await TestInstance.serving { instance in
            let text = ImportTests.header + ImportTests.row(1)
            await #expect(throws: CutOff.self) {
                try await instance.upload(
                    "/api/integrations/csv" + ImportTests.options, begunWith: text, of: 1_000_000
                ) {
                    try await eventually("the upload has begun") {
                        try await instance.footprint()["uploads"] == 1
                    }
                    throw CutOff()
                }
            }
            try await eventually("the upload is gone") { try await instance.footprint()["uploads"] == 0 }
            let list = try await instance.get("/api/operations", as: Page<OperationView>.self)
            #expect(list.items.isEmpty)
        }
    }

    @Test("beyond eight open imports, one more is refused until one has ended, and nothing is kept of it")
    func tooManyOpen() async throws {
        try await TestInstance.serving { instance in
            var open: [OperationView] = []
            try await instance.brand.holdingLease {
                for customer in 1...8 {
                    let answer = try await instance.post(
                        "/api/integrations/csv" + ImportTests.options,
                        ImportTests.header + ImportTests.row(customer))
                    #expect(answer.status == 202, "\(answer.text)")
                    open.append(try answer.json(OperationView.self))
                }
                let refused = try await instance.post(
                    "/api/integrations/csv" + ImportTests.options, ImportTests.header + ImportTests.row(9))
                refused.expectProblem(429, .limited, nil, "8 imports are open already")
                #expect(refused.headers["retry-after"] == "30")
                #expect(try await instance.footprint()["uploads"] == 8)
            }
            for operation in open { expect(try await ended(operation, of: instance), accepted: 1) }
            expect(try await upload(ImportTests.header + ImportTests.row(9), to: instance), accepted: 1)
        }
    }

    @Test("at the start, files without an open operation are removed, and no others")
    func leftovers() async throws {
        try await TestInstance.with { instance in
            let operations = OperationStore(database: instance.brand.database)
            let now = SystemWallClock().now()
            let (unknown, ended, open) = (OperationID(at: now), OperationID(at: now), OperationID(at: now))
            for id in [ended, open] {
                try await operations.create(
                    .init(id: id, kind: "other", subject: "", input: JSONB("{}"), createdAt: now))
            }
            try await operations.finish(ended, as: .done, counts: [:])
            let directory = instance.directory + "/imports"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            let kept: Set = ["\(open).csv", "notes.csv", "\(unknown).txt"]
            for name in kept.union(["\(unknown).csv", "\(ended).csv"]) {
                try Data("a,b\n".utf8).write(to: URL(fileURLWithPath: "\(directory)/\(name)"))
            }
            try await instance.serving {
                try await eventually("the leftovers are gone") {
                    try await instance.footprint()["uploads"] == Int64(kept.count)
                }
            }
            #expect(try Set(FileManager.default.contentsOfDirectory(atPath: directory)) == kept)
        }
    }

    @Test("a column with spaces in its name is found by the query of a form, which writes them as pluses")
    func plusForSpace() async throws {
        try await TestInstance.serving { instance in
            let options = "?map=loyalty_id:Customer+Number&map=total:Dollar%20Value"
            let text = "Customer Number,Dollar Value\n7,1.50\n"
            expect(try await upload(text, to: instance, options: options), accepted: 1)
        }
    }
}

/// What cuts an upload off.
private struct CutOff: Error {}

extension TestInstance {
    /// Announces a body of `length` bytes, sends its beginning, and goes on as `body` says.
    fileprivate func upload(
        _ path: String, begunWith beginning: String, of length: Int64,
        then body: @escaping @Sendable () async throws -> Void
    ) async throws {
        let socket = (directory + "/s").addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        var request = HTTPClientRequest(url: "http+unix://\(socket)\(path)")
        request.method = .POST
        request.headers.add(name: "Authorization", value: "Bearer \(key)")
        let isBegun = Atomic(false)
        let pieces = AsyncThrowingStream<ByteBuffer, any Error> {
            if isBegun.exchange(true, ordering: .relaxed) {
                try await body()
                return nil
            }
            return ByteBuffer(string: beginning)
        }
        request.body = .stream(pieces, length: .known(length))
        _ = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
    }
}
