import Foundation
import Kernel

@testable import Events

/// Events as anybody may send them: one document, or one a line. Whatever comes in, nothing traps; what is
/// accepted is JSON by another reader's judgement too, lies within the limits, and comes out of the stream as
/// it went in.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    let receivedAt = Timestamp(microseconds: 1_769_853_600_000_000)
    for line in input.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true) {
        let line = Array(line)
        guard let text = try? JSONText.checking(line) else { continue }
        let judged = try? JSONSerialization.jsonObject(with: Data(line), options: .fragmentsAllowed)
        precondition(judged != nil, "Foundation does not take it for JSON")
        for sender in [EventReader.Sender(source: "api", isTest: false), .browser] {
            let reader = EventReader(sender: sender, receivedAt: receivedAt)
            guard let event = try? reader.event(text, fallbackKey: "minted") else { continue }
            check(event, receivedAt)
        }
    }
    return 0
}

private func check(_ event: Event, _ receivedAt: Timestamp) {
    precondition((1...EventLimits.keyBytes).contains(event.key.utf8.count))
    precondition((1...EventLimits.channelBytes).contains(event.channel.utf8.count))
    precondition(event.occurredAt >= EventLimits.earliest)
    precondition(event.occurredAt <= receivedAt + EventLimits.futureTolerance)
    precondition(event.type.isAboutOrder || !event.identifiers.isEmpty)
    precondition(event.source != Event.browserSource || event.type.isBehaviour)
    precondition(Set(event.identifiers.map(\.kind)).count == event.identifiers.count)
    guard let properties = try? JSONText.checking(event.properties), properties.kind == .object else {
        fatalError("the properties are no object")
    }
    switch event.type {
    case .purchase: precondition((try? Purchase(properties: properties, doing: "")) != nil)
    case .refund, .cancellation:
        precondition((try? OrderAdjustment(event.type, properties: properties, doing: "")) != nil)
    default: break
    }
    guard let again = try? EventEnvelope.event(from: EventEnvelope.fields(of: event)) else {
        fatalError("it does not come out of the stream")
    }
    precondition(again.key == event.key && again.type == event.type && again.channel == event.channel)
    precondition(again.identifiers == event.identifiers && again.properties == event.properties)
    precondition(again.occurredAt == event.occurredAt && again.receivedAt == event.receivedAt)
}
