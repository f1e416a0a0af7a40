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

    @Test("each refund and cancellation stays, of guests too, with what it says", arguments: [0, 1])
    func adjustments(_ place: Int) async throws {
        let sold = try (0..<5).map { number in
            try Event.sample(
                "p\(number)", .purchase, [.email: "asha@example.com"],
                properties: #"{"orderId":"o-\#(number)","total":"10"}"#)
        }
        let refunded = try (0..<4).map { number in
            try Event.sample(
                "r\(number)", .refund, [:],
                properties: #"{"orderId":"o-\#(number)","amount":"\#(number + 1)"}"#)
        }
        let cancelled = try Event.sample("c", .cancellation, [:], properties: #"{"orderId":"o-4"}"#)
        let omission = [Omission.adjustments, .amounts][place]
        if place == 0 { return try await expectNeeded(omission, by: sold + refunded + [cancelled]) }
        // Without its amount a refund cannot be read any more.
        try await TestBrand.with { brand in
            try await brand.forget(omission)
            try await brand.write(sold + refunded)
            #expect(try await brand.fold(receivedBefore: brand.monthEnd) > 0)
            await #expect(throws: Fault.self) { try await brand.refold() }
        }
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
