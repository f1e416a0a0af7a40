import Kernel
import Testing

@testable import Events

@Suite("Reading an event")
struct EventReaderTests {
    static let receivedAt = Timestamp(rfc3339: "2026-01-31T10:00:00Z")!

    private func read(_ json: String, isTest: Bool = false) throws -> Event {
        try EventReader(sender: .init(source: "api", isTest: isTest), receivedAt: EventReaderTests.receivedAt)
            .event(try JSONText.checking(Array(json.utf8)), fallbackKey: "minted")
    }

    @Test("an event is read whole, its properties as they were sent")
    func whole() throws {
        let event = try read(
            """
            {"eventId": "e1", "type": "purchase", "occurredAt": "2026-01-30T23:00:00+05:30", "channel": "web",
             "identifiers": {"loyalty_id": "L1", "email": "A@b.com", "phone": null},
             "properties": { "total" : 29.330, "extra": {"n": 1.50} }}
            """)
        #expect(
            event.key == "e1" && event.source == "api" && event.type == .purchase && event.channel == "web")
        #expect(event.occurredAt == Timestamp(rfc3339: "2026-01-30T17:30:00Z"))
        #expect(event.receivedAt == EventReaderTests.receivedAt)
        #expect(
            event.identifiers == [
                .init(kind: .email, value: "A@b.com"), .init(kind: .loyaltyID, value: "L1"),
            ])
        #expect(
            String(decoding: event.properties, as: UTF8.self)
                == #"{ "total" : 29.330, "extra": {"n": 1.50} }"#)
    }

    @Test("what may be left out has a default")
    func defaults() throws {
        let event = try read(#"{"type":"page_view","identifiers":{"cookie_id":"c"}}"#, isTest: true)
        #expect(event.key == "minted" && event.channel == "api" && event.isTest)
        #expect(event.occurredAt == event.receivedAt)
        #expect(event.properties == Array("{}".utf8))
        let nulls = try read(
            """
            {"eventId":null,"type":"search","occurredAt":null,"channel":null,"identifiers":{"email":"a@b.c"},
             "properties":null}
            """
        )
        #expect(nulls.key == "minted" && nulls.channel == "api" && nulls.properties == Array("{}".utf8))
    }

    /// The least that an event of the type must say.
    private static func least(of type: EventType) -> String {
        switch type {
        case .purchase: #"{"total":"1"}"#
        case .refund: #"{"orderId":"o","amount":"1"}"#
        case .cancellation: #"{"orderId":"o"}"#
        case .productView, .cartAdd, .wishlistAdd: #"{"productId":"p"}"#
        default: "{}"
        }
    }

    @Test("every type is read, and only what is about an order may be without a person")
    func types() throws {
        for type in EventType.allCases {
            let said = #""type":"\#(type.rawValue)","properties":\#(Self.least(of: type))"#
            #expect(try read(#"{\#(said),"identifiers":{"email":"a@b.c"}}"#).type == type)
            if [.purchase, .refund, .cancellation].contains(type) {
                #expect(try read("{\(said)}").identifiers.isEmpty)
            } else {
                let fault = #expect(throws: Fault.self) { try read("{\(said)}") }
                #expect(fault?.field == "identifiers")
            }
        }
    }

    @Test("a clock that is wrong is corrected by what it shows when it sends")
    func sentAt() throws {
        func occurred(_ fields: String, batch: String? = nil) throws -> Timestamp {
            let json = #"{"type":"search","identifiers":{"email":"a"},\#(fields)}"#
            return try EventReader(
                sender: .init(source: "api", isTest: false), receivedAt: EventReaderTests.receivedAt,
                sentAt: batch.flatMap { Timestamp(rfc3339: $0) }
            ).event(try JSONText.checking(Array(json.utf8)), fallbackKey: "k").occurredAt
        }
        let right = EventReaderTests.receivedAt - .seconds(90)
        let wrong = #""occurredAt":"1980-01-01T00:00:00Z""#
        #expect(try occurred(#"\#(wrong),"sentAt":"1980-01-01T00:01:30Z""#) == right)
        #expect(try occurred(wrong, batch: "1980-01-01T00:01:30Z") == right)
        // Its own goes before that of all.
        let own = #"\#(wrong),"sentAt":"1980-01-01T00:01:30Z""#
        #expect(try occurred(own, batch: "1980-01-09T00:00:00Z") == right)
        // A clock that is years ahead.
        let ahead = #""occurredAt":"2036-01-01T00:00:00Z","sentAt":"2036-01-01T00:01:30Z""#
        #expect(try occurred(ahead) == right)
        #expect(try occurred(#""sentAt":"1980-01-01T00:00:00Z""#) == EventReaderTests.receivedAt)
        let hour = #""occurredAt":"2026-01-31T09:00:00Z""#
        #expect(try occurred(hour) == EventReaderTests.receivedAt - .seconds(3600))
        // What lies between within five minutes is the way.
        let way = #""occurredAt":"2026-01-31T09:00:00Z","sentAt":"2026-01-31T09:55:00Z""#
        #expect(try occurred(way) == EventReaderTests.receivedAt - .seconds(3600))
        for (fields, field) in [
            (#""sentAt":"yesterday""#, "sentAt"), (#""sentAt":5"#, "sentAt"),
            (#""occurredAt":"2026-02-03T00:00:00Z","sentAt":"2026-01-31T10:00:00Z""#, "occurredAt"),
        ] {
            let fault = #expect(throws: Fault.self) { try occurred(fields) }
            #expect(fault?.field == field)
        }
    }

    @Test(
        "each fault names its field and what was expected",
        arguments: [
            ("[]", nil, "JSON object"), (#""x""#, nil, "JSON object"), ("1", nil, "JSON object"),
            ("{}", "type", "has a type"), (#"{"type":null}"#, "type", "has a type"),
            (#"{"type":"buy"}"#, "type", "no type 'buy'"), (#"{"type":1}"#, "type", "expected a string"),
            (#"{"type":""}"#, "type", "empty"), (#"{"type":"search","typ":1}"#, "typ", "no such field"),
            (#"{"type":"search","type":"search"}"#, "type", "twice"),
            (#"{"type":"search","identifiers":[]}"#, "identifiers", "expected an object"),
            (#"{"type":"search","identifiers":"a@b.c"}"#, "identifiers", "expected an object"),
            (#"{"type":"search","identifiers":{}}"#, "identifiers", "at least one"),
            (#"{"type":"search","identifiers":{"email":null}}"#, "identifiers", "at least one"),
            (#"{"type":"search","identifiers":{"mail":"a"}}"#, "identifiers.mail", "no such identifier"),
            (
                #"{"type":"search","identifiers":{"phone":9876543210}}"#, "identifiers.phone",
                "expected a string"
            ),
            (#"{"type":"search","identifiers":{"email":""}}"#, "identifiers.email", "empty"),
            (#"{"type":"search","identifiers":{"email":" \u00a0 "}}"#, "identifiers.email", "empty"),
            (#"{"type":"search","identifiers":{"email":"a\nb"}}"#, "identifiers.email", "control character"),
            (#"{"type":"search","identifiers":{"email":"a","email":"b"}}"#, "identifiers.email", "twice"),
            (
                #"{"type":"search","occurredAt":"2026-02-30T00:00:00Z","identifiers":{"email":"a"}}"#,
                "occurredAt", "RFC 3339"
            ),
            (
                #"{"type":"search","occurredAt":"yesterday","identifiers":{"email":"a"}}"#, "occurredAt",
                "RFC 3339"
            ),
            (
                #"{"type":"search","occurredAt":1769853600,"identifiers":{"email":"a"}}"#, "occurredAt",
                "expected a string"
            ),
            (
                #"{"type":"search","occurredAt":"1899-12-31T23:59:59Z","identifiers":{"email":"a"}}"#,
                "occurredAt", "before 1900"
            ),
            (
                #"{"type":"search","occurredAt":"2026-02-01T10:00:01Z","identifiers":{"email":"a"}}"#,
                "occurredAt", "a day ahead"
            ),
            (#"{"type":"search","eventId":7,"identifiers":{"email":"a"}}"#, "eventId", "expected a string"),
            (#"{"type":"search","eventId":"","identifiers":{"email":"a"}}"#, "eventId", "empty"),
            (
                #"{"type":"search","channel":"a\u0007","identifiers":{"email":"a"}}"#, "channel",
                "control character"
            ),
            (
                #"{"type":"search","properties":[],"identifiers":{"email":"a"}}"#, "properties",
                "expected an object"
            ),
            (#"{"type":"purchase"}"#, "properties.total", "has a total"),
            (#"{"type":"purchase","properties":{}}"#, "properties.total", "has a total"),
        ] as [(String, String?, String)])
    func faults(json: String, field: String?, words: String) {
        let fault = #expect(throws: Fault.self) { try read(json) }
        #expect(fault?.code == .invalid)
        #expect(fault?.field == field)
        #expect(fault?.detail.contains(words) == true, "\(fault?.detail ?? "")")
    }

    @Test("each limit is reached and not passed")
    func limits() throws {
        func event(key: Int = 1, channel: Int = 1, email: Int = 1, padding: Int = 0) throws -> Event {
            func text(_ count: Int) -> String { String(repeating: "x", count: count) }
            return try read(
                """
                {"type":"search","eventId":"\(text(key))","channel":"\(text(channel))",
                 "identifiers":{"email":"\(text(email))"},"properties":{"p":"\(text(padding))"}}
                """)
        }
        #expect(throws: Never.self) { try event(key: 200, channel: 64, email: 256) }
        let tooLong = [
            (try? event(key: 201), "eventId"), (try? event(channel: 65), "channel"),
            (try? event(email: 257), "identifiers.email"),
        ]
        for (read, field) in tooLong { #expect(read == nil, "\(field)") }
        #expect(throws: Never.self) { try event(padding: 65_000) }
        let fault = #expect(throws: Fault.self) { try event(padding: 65_536) }
        #expect(fault?.code == .tooLarge)
    }

    @Test("1900 and a day ahead are still believed")
    func believed() throws {
        for instant in ["1900-01-01T00:00:00Z", "2026-02-01T10:00:00Z"] {
            let event = try read(#"{"type":"search","occurredAt":"\#(instant)","identifiers":{"email":"a"}}"#)
            #expect(event.occurredAt == Timestamp(rfc3339: instant))
        }
    }
}
