import Contract
import Kernel
import Postgres
import Testing

@testable import Events

@Suite("Events in whatever order they arrive")
struct ArrivalOrderTests {
    @Test("of a grant and a denial at one instant the denial counts, whichever comes first")
    func consent() async throws {
        func said(_ key: String, _ isGranted: Bool, _ time: String = "10:00") throws -> Event {
            try .sample(
                key, .pageView, [.email: "ann@example.com"],
                properties: #"{"consent":{"email":{"news":\#(isGranted)}}}"#,
                occurredAt: "2026-01-31T\(time):00Z")
        }
        let (grant, denial) = (try said("g", true), try said("d", false))
        for batches in [[[grant], [denial]], [[denial], [grant]], [[grant, denial]], [[denial, grant]]] {
            try await TestBrand.with { brand in
                for batch in batches { try await brand.write(batch) }
                #expect(try await brand.consents == [false], "\(batches.map { $0.map(\.key) })")
                #expect(try await brand.refold().differences == [])
                try await brand.write([said("early", true, "09:59")])
                #expect(try await brand.consents == [false], "an older grant changes nothing")
                try await brand.write([said("late", true, "10:01")])
                #expect(try await brand.consents == [true], "a newer grant counts")
            }
        }
    }

    @Test(
        "what a limit holds of a batch does not depend on the order of the events in it",
        arguments: [[0, 1, 2, 3], [3, 2, 1, 0], [3, 0, 1, 2], [1, 3, 0, 2]])
    func limits(order: [Int]) async throws {
        // One instant or four: the keys decide where the instants do not.
        for minutes in [["00", "01", "02", "03"], ["00", "00", "00", "00"]] {
            let events = try zip(["a", "b", "c", "d"], minutes).map { name, minute in
                try Event.sample(
                    name, .pageView, [.phone: "+12025550123", .email: "\(name)@example.com"],
                    occurredAt: "2026-01-31T10:\(minute):00Z")
            }
            try await TestBrand.with { brand in
                try await brand.write(order.map { events[$0] })
                let held = try await brand.database.run(
                    """
                    select value from identity_pair join customer_identifier on id in (low_id, high_id)
                    where state = 'held' and kind = 'email'
                    """)
                #expect(try held.decode(String.self) == ["d@example.com"], "\(minutes)")
                #expect(try await brand.totals.profiles == 2)
            }
        }
    }
}

extension TestBrand {
    fileprivate var consents: [Bool] {
        get async throws { try await database.run("select granted from consent").decode(Bool.self) }
    }
}
