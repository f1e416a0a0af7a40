import Foundation
import Kernel

@testable import Events
@testable import Integrations

/// Messages as SDKs of Segment may send them. Whatever comes in, nothing traps; what a message becomes is an
/// event that the door takes, known by the message's id.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    guard let text = try? JSONText.checking(input) else { return 0 }
    let receivedAt = Timestamp(microseconds: 1_769_853_600_000_000)
    for sender in [EventReader.Sender(source: SegmentReader.source, isTest: false), .browser] {
        let reader = SegmentReader(sender: sender, receivedAt: receivedAt)
        for call in SegmentCall.allCases {
            if let event = try? reader.event(text, call: call, fallbackKey: "minted") {
                check(event, receivedAt)
            }
        }
        guard let batch = try? SegmentBatch(text) else { continue }
        for message in batch.messages {
            if let event = try? reader.event(message, in: batch.shared, fallbackKey: "minted") {
                check(event, receivedAt)
            }
        }
    }
    return 0
}

private func check(_ event: Event, _ receivedAt: Timestamp) {
    precondition((1...EventLimits.keyBytes).contains(event.key.utf8.count))
    precondition(event.occurredAt >= EventLimits.earliest)
    precondition(event.occurredAt <= receivedAt + EventLimits.futureTolerance)
    precondition(event.type.isAboutOrder || !event.identifiers.isEmpty)
    precondition(event.source != Event.browserSource || event.type.isBehaviour)
    precondition((try? JSONSerialization.jsonObject(with: Data(event.properties))) != nil)
    precondition((try? EventEnvelope.event(from: EventEnvelope.fields(of: event))) != nil)
}
