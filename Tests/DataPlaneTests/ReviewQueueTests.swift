import Contract
import Customers
import Foundation
import Kernel
import Postgres
import Testing

@testable import Events

@Suite("What waits for a person")
struct ReviewQueueTests {
    @Test("three e-mails join a phone, the fourth waits; another kind joins, and the fourth goes on waiting")
    func fourth() async throws {
        try await TestBrand.with { brand in
            for number in 1...4 {
                try await brand.write([
                    .sample("\(number)", [.email: "e\(number)@b.com", .phone: "+12025550101"])
                ])
            }
            #expect(try await brand.people().count == 2)
            let rows = try await brand.rows()
            try #require(rows.count == 1)
            #expect(rows[0].events == 1 && rows[0].pairCount == 1)
            #expect(rows[0].reason == "the profile would have more than 3 identifiers of one kind")
            try await brand.write([
                .sample("5", [.email: "e4@b.com", .loyaltyID: "l", .phone: "+12025550101"])
            ])
            let again = try await brand.rows()
            try #require(again.count == 1)
            #expect(again[0].id == rows[0].id && again[0].events == 2)
            let sizes = try await brand.people().map(\.count).sorted()
            #expect(sizes == [1, 5])
            #expect(try await brand.people().contains(["email e4@b.com"]))
            try await brand.expectHealthy()
            #expect(try await brand.refusal(.reject(rows[0].id), shown: rows[0].shown)?.code == .conflict)
            try await brand.decide(.reject(rows[0].id), shown: again[0].shown)
            #expect(try await brand.rows().isEmpty)
            #expect(try await brand.statuses() == ["rejected"])
            try await brand.write([.sample("6", [.email: "e4@b.com", .phone: "+12025550101"])])
            #expect(try await brand.rows().isEmpty)
            try await brand.expectHealthy()
        }
    }

    @Test("the two profiles of a row are kept apart for good, and nothing asks about them again")
    func never() async throws {
        try await TestBrand.with { brand in
            for number in 1...4 {
                try await brand.write([
                    .sample("\(number)", [.email: "e\(number)@b.com", .phone: "+12025550101"])
                ])
            }
            let row = try #require(try await brand.rows().first)
            #expect(try await brand.refusal(.keepApart(row.id), shown: "other")?.code == .conflict)
            try await brand.decide(.keepApart(row.id), shown: row.shown)
            #expect(try await brand.statuses() == ["rejected"])
            try await brand.write([.sample("5", [.email: "e4@b.com", .loyaltyID: "l"])])
            try await brand.write([.sample("6", [.loyaltyID: "l", .phone: "+12025550101"])])
            // What would bring them together through a third asks; the pair itself does not.
            #expect(try await brand.rows().map(\.pairCount) == [1])
            #expect(try await brand.people().count == 2)
            try await brand.expectHealthy()
        }
    }

    @Test(
        "a value on very many: it joins up to the limit, in the tenth row it is one question, then it is gone"
    )
    func testAddress() async throws {
        try await TestBrand.with { brand in
            var waiting: [Int] = []
            for number in 0..<14 {
                try await brand.write([
                    .sample(
                        "\(number)", .purchase,
                        [.phone: "+120255501\(10 + number)", .email: "test@test.com"],
                        properties: #"{"total": "1.00"}"#)
                ])
                waiting.append(try await brand.rows().count)
            }
            // Three phones join it; each one after them asks, until the tenth makes one question of all.
            #expect(waiting == [0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 1])
            let row = try #require(try await brand.rows().first)
            #expect(row.identifier?.value == "test@test.com" && row.events == 11 && row.pairCount == 11)
            #expect(row.suggestions.first?.decision == "block")
            #expect(try await brand.refusal(.approve(row.id))?.code == .conflict)
            try await brand.expectHealthy()

            let value = try await brand.id("email test@test.com")
            let preview = try await brand.preview(.block(value))
            #expect(preview.before.count == 1 && preview.after.count == 3)
            #expect(preview.rows.count == 1)
            try await brand.decide(.block(value))
            #expect(try await brand.people().count == 14)
            #expect(try await brand.people().allSatisfy { $0.count == 1 })
            #expect(try await brand.orders(of: "phone +12025550110") == "1 for 1")
            #expect(try await brand.rows().isEmpty)
            try await brand.expectHealthy()

            // Back again it is checked anew, in the order of events.
            try await brand.decide(.unblock(value))
            try await brand.expectHealthy()
            #expect(try await brand.rows().count == 1)
            #expect(try await brand.people().count == 12)
        }
    }

    @Test("a row whose profiles become one by other ways is closed as merged")
    func merged() async throws {
        try await TestBrand.with { brand in
            for number in 1...4 {
                try await brand.write([
                    .sample("\(number)", [.email: "e\(number)@b.com", .phone: "+12025550101"])
                ])
            }
            #expect(try await brand.rows().count == 1)
            let one = try #require(try await brand.profile(of: "phone +12025550101"))
            let other = try #require(try await brand.profile(of: "email e4@b.com"))
            let report = try await brand.decide(.merge(one, other))
            #expect(report.rows.count == 1)
            #expect(try await brand.statuses() == ["merged"])
            try await brand.expectHealthy()
        }
    }
}

/// What tests read of a row of the queue.
struct ShownRow: Decodable {
    struct Value: Decodable {
        let value: String
        let decision: String?
    }

    let id: ReviewRowID
    let reason: String
    let events: Int
    let pairCount: Int
    let shown: String
    let profileIds: [ProfileID]
    let identifier: Value?
    let suggestions: [Value]
}

extension TestBrand {
    /// What waits at present.
    func rows() async throws -> [ShownRow] {
        try await ReviewQueue(database: writerDatabase).list(behind: nil, limit: 100).map {
            try JSONDecoder().decode(ShownRow.self, from: Data($0.json.utf8))
        }
    }

    /// The states of all rows.
    func statuses() async throws -> [String] {
        try await database.run("select status from manual_merge_queue order by id").decode(String.self)
    }
}
