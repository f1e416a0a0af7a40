import Contract
import Customers
import Events
import Kernel

/// An event as a sender writes it, for tests of values and for tests over HTTP.
struct Sent: Sendable, Equatable {
    /// One version of an order, as a purchase brings it.
    struct Order: Sendable, Equatable {
        var id: String
        var version: Int
        var cents: Int
    }

    /// What somebody said of an identifier that the event carries.
    struct Consent: Sendable, Equatable {
        var kind: IdentifierKind
        var purpose: String
        var isGranted: Bool
    }

    static let source = "api"

    var key: String
    var type = EventType.pageView
    var occurredAt: Timestamp
    /// At most one of a kind.
    var identifiers: [SentIdentifier]
    var order: Order?
    var consent: [Consent] = []

    /// The `properties`, a JSON object.
    var properties: String {
        var fields: [String] = []
        if let order {
            let cents = order.cents % 100
            let total = "\(order.cents / 100).\(cents < 10 ? "0" : "")\(cents)"
            fields.append(#""orderId": "\#(order.id)", "version": \#(order.version), "total": "\#(total)""#)
        }
        let kinds = IdentifierKind.allCases.compactMap { kind -> String? in
            let said = consent.filter { $0.kind == kind }.map { #""\#($0.purpose)": \#($0.isGranted)"# }
            return said.isEmpty ? nil : #""\#(kind.rawValue)": {\#(said.joined(separator: ", "))}"#
        }
        if !kinds.isEmpty { fields.append(#""consent": {\#(kinds.joined(separator: ", "))}"#) }
        return "{\(fields.joined(separator: ", "))}"
    }

    /// The event as `POST /api/events` takes it.
    var json: String {
        let identifiers = identifiers.map { #""\#($0.kind.rawValue)": "\#($0.value)""# }
        return #"{"eventId": "\#(key)", "type": "\#(type.rawValue)", "occurredAt": "\#(occurredAt)", "#
            + #""channel": "web", "identifiers": {\#(identifiers.joined(separator: ", "))}, "#
            + #""properties": \#(properties)}"#
    }

    /// The event as it leaves the door.
    func event(receivedAt: Timestamp) -> Event {
        Event(
            source: Sent.source, key: key, type: type, occurredAt: occurredAt, receivedAt: receivedAt,
            channel: "web", identifiers: identifiers, properties: Array(properties.utf8), isTest: false)
    }
}
