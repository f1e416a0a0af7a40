import Contract
import Foundation
import Kernel
import Postgres
import TenantSchema
import Testing

@testable import DataPlane
@testable import TestHistories

/// A brand's figures do not move, whatever is sent with a test key.
@Suite("A test key", .timeLimit(.minutes(5)))
struct TestKeyTests {
    /// Tables in which test events leave something: themselves, that they came, and how many.
    private static let kept: Set = [
        "customer_raw_event", "event_key", "event_feed", "event_meter", "api_key_use",
    ]

    @Test("sends what a live key has sent, and more, and no figure moves in any table", arguments: [3, 4])
    func sameHistory(seed: Int) async throws {
        try await TestInstance.with { instance in
            let test = try await TestInstance.mintKey(instance.brand, .test)
            try await instance.serving {
                let history = RandomHistory(seed: UInt64(seed), sends: 120)
                let sent = history.steps.compactMap { step -> Sent? in
                    if case .send(let sent) = step { return sent }
                    return nil
                }
                let half = sent.count / 2
                try await send(sent.prefix(half), to: instance, key: instance.key)
                try await instance.drained()
                let (before, stats) = (try await instance.brand.stored(), try await instance.stats())
                let profiles = try await instance.call("GET", "/api/profiles?limit=200").text
                #expect(stats.events > 0 && stats.profiles > 0)
                try await send(sent[...], to: instance, key: test)
                let guest = #"{"type":"purchase","properties":{"total":"77.77","currency":"USD"}}"#
                #expect(try await instance.post("/api/events", guest, key: test).status == 202)
                #expect(
                    try await instance.post(
                        "/api/integrations/csv?map=total:total&map=email:email",
                        "email,total\nnew@b.com,12.50\n", key: test
                    ).status == 202)
                try await eventually("the import is done") {
                    try await instance.get("/api/operations", as: Page<OperationView>.self).items
                        .allSatisfy { $0.state == .done }
                }
                try await instance.drained()
                let tests = try await instance.brand.database.run(
                    "select count(*) from customer_raw_event where test")
                #expect(try tests[0].decode(Int.self) > 50)
                let after = try await instance.brand.stored()
                for (table, rows) in after where !Self.kept.contains(table) {
                    #expect(rows == before[table], "\(table)")
                }
                #expect(after.count > Self.kept.count + 10)
                #expect(try await instance.stats().figures == stats.figures)
                #expect(try await instance.call("GET", "/api/profiles?limit=200").text == profiles)
                let usage = try await instance.get("/api/usage", as: UsageView.self)
                #expect(usage.items.first { $0.name == "eventsPerMonth" }?.used == Int(stats.events))
            }
            #expect(try await instance.brand.refold().differences.isEmpty)
        }
    }

    private func send(
        _ sent: ArraySlice<Sent>, to instance: TestInstance, key: String
    ) async throws {
        let events = sent.map(\.json).joined(separator: ",")
        let answer = try await instance.post("/api/events/batch", "{\"events\":[\(events)]}", key: key)
        #expect(answer.status == 202, "\(answer.text)")
    }
}

extension StatsView {
    /// What is counted.
    fileprivate var figures: [String] {
        ["\(profiles)", "\(events)", "\(orders)", revenue, "\(otherCurrencies)"]
    }
}
