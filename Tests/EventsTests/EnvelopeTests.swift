import Kernel
import Testing

@testable import Events

@Suite("The envelope in the stream")
struct EnvelopeTests {
    private func sample(isTest: Bool = false) -> Event {
        Event(
            source: "api", key: "k\"é\\", type: .cartAdd, occurredAt: Timestamp(microseconds: -5),
            receivedAt: Timestamp(microseconds: 1_769_853_600_123_456), channel: "web",
            identifiers: [
                .init(kind: .email, value: "a\"b\\@c.com"), .init(kind: .cardLast4, value: "4242"),
                .init(kind: .qrID, value: "é😀"),
            ], properties: Array(#"{"n":1.50,"s":"\u00e9"}"#.utf8), isTest: isTest)
    }

    @Test("what goes in comes out")
    func roundTrip() throws {
        for isTest in [false, true] {
            let event = sample(isTest: isTest)
            let read = try EventEnvelope.event(from: EventEnvelope.fields(of: event))
            #expect(read.source == event.source && read.key == event.key && read.type == event.type)
            #expect(read.occurredAt == event.occurredAt && read.receivedAt == event.receivedAt)
            #expect(read.channel == event.channel && read.identifiers == event.identifiers)
            #expect(read.properties == event.properties && read.isTest == event.isTest)
        }
        var guest = sample()
        guest.identifiers = []
        #expect(try EventEnvelope.event(from: EventEnvelope.fields(of: guest)).identifiers.isEmpty)
    }

    @Test("an envelope of a newer version is refused by its number")
    func newer() {
        var fields = EventEnvelope.fields(of: sample())
        fields[0].1 = Array("2".utf8)
        let error = #expect(throws: EventEnvelope.Unreadable.self) { try EventEnvelope.event(from: fields) }
        #expect("\(error!)".contains("version 2, newer than 1"))
    }

    @Test("a missing or malformed field is named")
    func malformed() {
        let fields = EventEnvelope.fields(of: sample())
        for index in fields.indices {
            var fewer = fields
            let name = fewer.remove(at: index).0
            let error = #expect(throws: EventEnvelope.Unreadable.self) {
                try EventEnvelope.event(from: fewer)
            }
            #expect("\(error!)".contains("'\(name)'"))
        }
        let wrong = [
            ("v", "x"), ("type", "buy"), ("occurredAt", "now"), ("receivedAt", ""), ("identifiers", "[]"),
            ("identifiers", "{"), ("identifiers", #"{"mail":"a"}"#), ("identifiers", #"{"email":1}"#),
        ]
        for (name, value) in wrong {
            let changed = fields.map { $0.0 == name ? (name, Array(value.utf8)) : $0 }
            let error = #expect(throws: EventEnvelope.Unreadable.self) {
                try EventEnvelope.event(from: changed)
            }
            #expect("\(error!)".contains("'\(name)'"), "\(name): \(value)")
        }
    }

    @Test("a field that this release does not know is passed over")
    func unknown() throws {
        let fields = EventEnvelope.fields(of: sample()) + [("later", [1, 2, 3])]
        #expect(try EventEnvelope.event(from: fields).key == sample().key)
    }
}
