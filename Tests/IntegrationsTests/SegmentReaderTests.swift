import Events
import Foundation
import Kernel
import Testing

@testable import Integrations

/// Messages of the Segment spec as tests write them, and what becomes of them.
enum Segment {
    static let receivedAt = Timestamp(rfc3339: "2026-01-31T10:00:00Z")!

    static func read(
        _ json: String, call: SegmentCall? = nil, in shared: SegmentBatch.Shared = .none,
        as sender: EventReader.Sender = .init(source: SegmentReader.source, isTest: false)
    ) throws -> Event {
        try SegmentReader(sender: sender, receivedAt: receivedAt).event(
            try JSONText.checking(Array(json.utf8)), call: call, in: shared, fallbackKey: "minted")
    }

    /// An event of this name with these properties, by a known customer.
    static func track(_ event: String, _ properties: String = "{}") throws -> Event {
        try read(#"{"type":"track","event":"\#(event)","userId":"u","properties":\#(properties)}"#)
    }
}

extension Event {
    /// The properties, read.
    func read() throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(properties)) as? [String: Any])
    }

    /// A property as a text of JSON; nil when it is not there.
    func property(_ name: String) throws -> String? {
        guard let value = try read()[name] else { return nil }
        let bytes = try JSONSerialization.data(
            withJSONObject: value, options: [.fragmentsAllowed, .sortedKeys, .withoutEscapingSlashes])
        return String(decoding: bytes, as: UTF8.self)
    }

    fileprivate var sent: [String: String] {
        Dictionary(uniqueKeysWithValues: identifiers.map { ($0.kind.rawValue, $0.value) })
    }
}

@Suite("Messages of the Segment spec")
struct SegmentReaderTests {
    @Test(
        "each call has its type, its channel and its properties",
        arguments: [
            (#""type":"identify","traits":{"plan":"gold"}"#, EventType.identify, "api", #"{"plan":"gold"}"#),
            (
                #""type":"identify","context":{"traits":{"plan":"gold","a":1}},"traits":{"a":2}"#, .identify,
                "api", #"{"a":2,"plan":"gold"}"#
            ),
            (#""type":"alias","previousId":"p""#, .identify, "api", #"{"previousId":"p"}"#),
            (
                #""type":"group","groupId":"g","traits":{"seats":5}"#, .custom, "api",
                #"{"groupId":"g","name":"group","seats":5}"#
            ),
            (
                #""type":"page","name":"Shoes","category":"Shop","properties":{"path":"/s","search":""}"#,
                .pageView, "web", #"{"category":"Shop","name":"Shoes","path":"/s"}"#
            ),
            (
                #""type":"page","context":{"page":{"url":"https://a.b/s","title":"S","referrer":""}}"#,
                .pageView, "web",
                #"{"context":{"page":{"referrer":"","title":"S","url":"https://a.b/s"}},"#
                    + #""title":"S","url":"https://a.b/s"}"#
            ),
            (#""type":"page","properties":{"title":7}"#, .pageView, "web", #"{"ownTitle":7}"#),
            (#""type":"screen","name":"Home","channel":"web""#, .pageView, "mobile", #"{"name":"Home"}"#),
            (
                #""type":"track","event":"Played","properties":{"name":"tune","n":1}"#, .custom, "api",
                #"{"n":1,"name":"Played","ownName":"tune"}"#
            ),
            (
                #""type":"track","event":"X","channel":"server","context":{"ip":"1.2.3.4"}"#, .custom,
                "server", #"{"context":{"ip":"1.2.3.4"},"name":"X"}"#
            ),
            (
                #""type":"track","event":"X","context":{"library":{"name":"analytics.js"}}"#, .custom, "web",
                #"{"context":{"library":{"name":"analytics.js"}},"name":"X"}"#
            ),
        ])
    func calls(_ members: String, type: EventType, channel: String, properties: String) throws {
        let event = try Segment.read(#"{"userId":"u","messageId":"m",\#(members)}"#)
        #expect(event.type == type && event.channel == channel)
        #expect(event.key == "m" && event.source == "segment" && !event.isTest)
        let read = try JSONSerialization.data(
            withJSONObject: try event.read(), options: [.sortedKeys, .withoutEscapingSlashes])
        #expect(String(decoding: read, as: UTF8.self) == properties)
    }

    @Test(
        "ids and the traits of a user are identifiers of ours, the first of a kind",
        arguments: [
            (#"{"type":"page","userId":"L-1"}"#, ["loyalty_id": "L-1"]),
            (#"{"type":"page","userId":77,"anonymousId":8}"#, ["loyalty_id": "77", "cookie_id": "8"]),
            (
                #"{"type":"page","userId":"Ann@b.com","anonymousId":"c"}"#,
                ["email": "Ann@b.com", "cookie_id": "c"]
            ),
            (#"{"type":"page","userId":"","anonymousId":"c"}"#, ["cookie_id": "c"]),
            (
                #"{"type":"identify","userId":"u","traits":{"email":"a@b.com","phone":"+1 202 555 0101"}}"#,
                ["loyalty_id": "u", "email": "a@b.com", "phone": "+1 202 555 0101"]
            ),
            (
                #"{"type":"identify","userId":"u","context":{"traits":{"email":"a@b.c","phone":120255501}}}"#,
                ["loyalty_id": "u", "email": "a@b.c", "phone": "120255501"]
            ),
            (
                #"{"type":"identify","userId":"z@b.com","traits":{"email":"a@b.com"}}"#, ["email": "z@b.com"]
            ),
            (#"{"type":"identify","userId":"u","traits":{"email":"none","phone":"-"}}"#, ["loyalty_id": "u"]),
            (#"{"type":"identify","userId":"u","traits":{"email":5,"phone":[1]}}"#, ["loyalty_id": "u"]),
            (
                #"{"type":"group","userId":"u","groupId":"g","traits":{"email":"office@b.com"}}"#,
                ["loyalty_id": "u"]
            ),
            (
                #"{"type":"track","event":"Invited","userId":"u","properties":{"email":"friend@b.com"}}"#,
                ["loyalty_id": "u"]
            ),
            (
                #"{"type":"track","event":"Order Completed","properties":{"email":"a@b.com","total":1}}"#,
                ["email": "a@b.com"]
            ),
            (
                #"{"type":"screen","anonymousId":"a","context":{"device":{"id":"d"}}}"#,
                ["device_id": "d", "cookie_id": "a"]
            ),
            (#"{"type":"screen","anonymousId":"a","context":{"device":{"model":"m"}}}"#, ["device_id": "a"]),
            (#"{"type":"alias","userId":"u","previousId":"p"}"#, ["loyalty_id": "u", "cookie_id": "p"]),
            (
                #"{"type":"alias","userId":"u","previousId":"a@b.com"}"#,
                ["loyalty_id": "u", "email": "a@b.com"]
            ),
            (
                #"{"type":"alias","userId":"z@b.com","previousId":"a@b.com"}"#,
                ["email": "z@b.com", "cookie_id": "a@b.com"]
            ),
            (
                #"{"type":"alias","userId":"u","previousId":"p","anonymousId":"c"}"#,
                ["loyalty_id": "u", "cookie_id": "p"]
            ),
        ])
    func identifiers(_ message: String, expected: [String: String]) throws {
        #expect(try Segment.read(message).sent == expected)
    }

    @Test("what a batch says for all of its messages has a limit: each of them carries it")
    func sharedContext() throws {
        let text = String(repeating: "x", count: EventLimits.eventBytes)
        let document = try JSONText.checking(Array(#"{"batch":[0],"context":{"x":"\#(text)"}}"#.utf8))
        let fault = #expect(throws: Fault.self) { try SegmentBatch(document) }
        #expect(fault?.code == .tooLarge && fault?.field == "context")
    }

    @Test("what the sender's clock says is put right by when it sent")
    func clock() throws {
        func occurredAt(_ times: String, _ shared: String = "") throws -> String {
            let document = try JSONText.checking(Array(#"{"batch":[0]\#(shared)}"#.utf8))
            let batch = try SegmentBatch(document).shared
            return try Segment.read(#"{"type":"page","userId":"u"\#(times)}"#, in: batch).occurredAt
                .description
        }
        let time = #","timestamp":"2026-01-31T08:00:00Z""#
        #expect(try occurredAt("") == "2026-01-31T10:00:00Z")
        #expect(try occurredAt(time) == "2026-01-31T08:00:00Z")
        #expect(
            try occurredAt(time + #","originalTimestamp":"2026-01-31T07:00:00Z""#) == "2026-01-31T07:00:00Z")
        // An hour slow, ten years fast, and an hour slow as its batch says.
        #expect(try occurredAt(time + #","sentAt":"2026-01-31T09:00:00Z""#) == "2026-01-31T09:00:00Z")
        #expect(
            try occurredAt(
                #","timestamp":"2036-01-31T08:00:00.5Z","sentAt":"2036-01-31T08:00:01Z""#)
                == "2026-01-31T09:59:59.500000Z")
        #expect(
            try occurredAt(time, #","sentAt":"2026-01-31T14:30:00+05:30""#) == "2026-01-31T09:00:00Z")
        let fault = #expect(throws: Fault.self) {
            try occurredAt(#","timestamp":"2036-01-31T08:00:00Z""#)
        }
        #expect(fault?.field == "timestamp" && fault?.detail.contains("a day ahead") == true)
    }

    @Test(
        "what is no message is refused, each with its own field and words",
        arguments: [
            ("[]", nil, "JSON object"), ("{}", "type", "has a type"),
            (#"{"type":"dance","userId":"u"}"#, "type", "the types are track"),
            (#"{"type":7,"userId":"u"}"#, "type", "no such type"),
            (#"{"type":"track","userId":"u"}"#, "event", "names its event"),
            (#"{"type":"track","event":" ","userId":"u"}"#, "event", "names its event"),
            (#"{"type":"page"}"#, "userId", "a userId or an anonymousId"),
            (#"{"type":"page","userId":null,"anonymousId":""}"#, "userId", "a userId or an anonymousId"),
            (#"{"type":"page","userId":{"id":1}}"#, "userId", "expected a string"),
            (#"{"type":"page","userId":"a\nb"}"#, "userId", "control character"),
            (#"{"type":"page","anonymousId":true}"#, "anonymousId", "expected a string"),
            (#"{"type":"page","userId":"u","messageId":["m"]}"#, "messageId", "expected a string"),
            (#"{"type":"page","userId":"u","messageId":"idempotency:1"}"#, "messageId", "does not begin"),
            (#"{"type":"page","userId":"u","timestamp":"today"}"#, "timestamp", "RFC 3339"),
            (#"{"type":"page","userId":"u","timestamp":1769853600}"#, "timestamp", "RFC 3339"),
            (
                #"{"type":"page","userId":"u","originalTimestamp":"1800-01-01T00:00:00Z"}"#,
                "originalTimestamp", "1900"
            ),
            (#"{"type":"page","userId":"u","sentAt":"now"}"#, "sentAt", "RFC 3339"),
            (#"{"type":"page","userId":"u","properties":[]}"#, "properties", "expected an object"),
            (#"{"type":"identify","userId":"u","traits":"t"}"#, "traits", "expected an object"),
            (#"{"type":"page","userId":"u","context":"c"}"#, "context", "expected an object"),
        ] as [(String, String?, String)])
    func faults(_ message: String, field: String?, words: String) {
        let fault = #expect(throws: Fault.self) { try Segment.read(message) }
        #expect(fault?.code == .invalid && fault?.field == field, "\(String(describing: fault))")
        #expect(fault?.detail.contains(words) == true, "\(fault?.detail ?? "")")
    }

    @Test("an id that is too long is refused by its own name")
    func length() {
        let long = String(repeating: "x", count: 257)
        for (name, message) in [
            ("userId", #"{"type":"page","userId":"\#(long)"}"#),
            ("anonymousId", #"{"type":"page","userId":"u","anonymousId":"\#(long)"}"#),
            ("messageId", #"{"type":"page","userId":"u","messageId":"\#(long)"}"#),
        ] {
            #expect(#expect(throws: Fault.self) { try Segment.read(message) }?.field == name)
        }
        let large = String(repeating: "x", count: EventLimits.eventBytes)
        let fault = #expect(throws: Fault.self) {
            try Segment.read(#"{"type":"page","userId":"u","properties":{"p":"\#(large)"}}"#)
        }
        #expect(fault?.code == .tooLarge)
        let deep = String(repeating: "[", count: 62) + String(repeating: "]", count: 62)
        let tooDeep = #expect(throws: Fault.self) {
            try Segment.read(#"{"type":"page","userId":"u","context":{"a":\#(deep)}}"#)
        }
        #expect(tooDeep?.code == .invalid)
    }

    @Test("a path takes its own call, by its word or its first letter")
    func paths() throws {
        for call in SegmentCall.allCases {
            #expect(SegmentCall(path: call.rawValue) == call)
            #expect(SegmentCall(path: call.rawValue.prefix(1)) == call)
        }
        #expect(SegmentCall(path: "dance") == nil && SegmentCall(path: "") == nil)
        #expect(try Segment.read(#"{"userId":"u"}"#, call: .page).type == .pageView)
        let fault = #expect(throws: Fault.self) {
            try Segment.read(#"{"type":"page","userId":"u"}"#, call: .screen)
        }
        #expect(fault?.field == "type")
    }

    @Test("consent is passed on where it has our shape, and kept where it has another")
    func consent() throws {
        func consent(_ value: String) throws -> [String?] {
            let event = try Segment.read(
                #"{"type":"identify","userId":"u","traits":{"consent":\#(value)}}"#)
            #expect(event.type == .identify)
            return [try event.property("consent"), try event.property("ownConsent")]
        }
        let ours = #"{"email":{"marketing":true}}"#
        #expect(try consent(ours) == [ours, nil])
        for other in [#"true"#, #"{"ads":"granted"}"#, #"{"email":{"marketing":"yes"}}"#] {
            #expect(try consent(other) == [nil, other])
        }
    }

    @Test("a browser key sends behaviour alone, and is told what else it may not")
    func browser() throws {
        func send(_ event: String) throws -> Event {
            try Segment.read(
                #"{"type":"track","event":"\#(event)","anonymousId":"c","properties":{"sku":1,"total":1}}"#,
                as: .browser)
        }
        #expect(try send("Product Viewed").source == Event.browserSource)
        for event in ["Order Completed", "Anything else"] {
            let fault = #expect(throws: Fault.self) { try send(event) }
            #expect(fault?.field == "event" && fault?.detail.contains("may send only page_view") == true)
        }
    }

    @Test("a batch is an object with messages, a thousand at most")
    func batches() throws {
        func batch(_ json: String) throws -> SegmentBatch {
            try SegmentBatch(try JSONText.checking(Array(json.utf8)))
        }
        #expect(try batch(#"{"batch":[1,{}],"writeKey":"k","integrations":{}}"#).messages.count == 2)
        for (json, field) in [
            ("[]", nil), ("{}", "batch"), (#"{"batch":{}}"#, "batch"), (#"{"batch":[]}"#, "batch"),
        ] {
            let fault = #expect(throws: Fault.self) { try batch(json) }
            #expect(fault?.code == .invalid && fault?.field == field)
        }
        let many = Array(repeating: "0", count: 1001).joined(separator: ",")
        #expect(#expect(throws: Fault.self) { try batch(#"{"batch":[\#(many)]}"#) }?.code == .tooLarge)
        let shared = try batch(#"{"batch":[0],"context":{"device":{"id":"d"}}}"#).shared
        #expect(try Segment.read(#"{"type":"page","anonymousId":"c"}"#, in: shared).identifiers.count == 2)
    }
}
