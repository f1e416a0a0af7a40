import Customers
import Events
import Kernel
import TestSupport
import Testing

@testable import DataPlane
@testable import TestHistories

/// What random histories hardly ever need of a checkpoint, each needed by a history of its own.
@Suite("What a checkpoint must not forget", .serialized)
struct RetentionOmissionTests {
    @Test("a device that goes back and forth between two keeps each sign-in in between")
    func signIns() async throws {
        let (device, asha, ravi) = ("d-1", "asha@example.com", "ravi@example.com")
        let hands: [[IdentifierKind: String]] = [
            [.deviceID: device, .email: asha], [.deviceID: device, .email: ravi],
            [.deviceID: device, .email: asha], [.deviceID: device],
            [.deviceID: device, .email: ravi], [.deviceID: device, .email: asha],
            [.deviceID: device, .email: ravi],
        ]
        try await expectNeeded(
            .signIns,
            by: hands.enumerated().map { minute, identifiers in
                try .sample("h\(minute)", .pageView, identifiers, occurredAt: "2026-02-01T10:0\(minute):00Z")
            })
    }

    @Test("each of many purchases by one e-mail address stays")
    func purchases() async throws {
        let email = SentIdentifier(kind: .email, value: "asha@example.com")
        let start = Timestamp(year: 2026, month: 2, day: 1)!
        try await expectNeeded(
            .orders,
            by: (0..<5).map { place in
                var sent = Sent(
                    key: "p\(place)", type: .purchase, occurredAt: start + .seconds(60 * place),
                    identifiers: [email])
                sent.order = Sent.Order(id: "o-\(place)", version: 1, cents: 1000 + place)
                return sent.event(receivedAt: start + .seconds(3600))
            })
    }

    /// Folds the month of `events` by a checkpoint that forgets nothing, and by one that forgets something.
    private func expectNeeded(_ omission: Omission, by events: [Event]) async throws {
        for forgotten in [nil, omission] {
            try await TestBrand.with { brand in
                if let forgotten { try await brand.forget(forgotten) }
                try await brand.write(events)
                #expect(try await brand.fold(receivedBefore: brand.monthEnd) > 0)
                let differences = try await brand.refold().differences
                #expect(differences.isEmpty == (forgotten == nil), "\(differences)")
            }
        }
    }
}
