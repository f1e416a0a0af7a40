import Events
import Kernel

/// Makes events of messages of the Segment spec, and sends them through the same door as every event.
///
/// What a message says is kept: its properties or traits, and its `context`. What has a meaning for us is
/// written beside it under our names. A message whose event we do not know, or which lacks what an event of
/// ours needs, is a `custom` event of its name; in the second case `notMapped` says why. Only what is wrong
/// as a message is refused, with the message's field.
public struct SegmentReader: Sendable {
    /// The source of events that come by the v1 API.
    public static let source = "segment"
    /// How often a message is looked at, each time without a property that was in the way.
    private static let attempts = 12

    static let doing = "accept the message"

    private let events: EventReader
    private let receivedAt: Timestamp

    public init(sender: EventReader.Sender, receivedAt: Timestamp) {
        events = EventReader(sender: sender, receivedAt: receivedAt)
        self.receivedAt = receivedAt
    }

    /// The event that a message is. One without a `messageId` is known by `fallbackKey`.
    ///
    /// - Parameters:
    ///   - call: what the message's path says; nil where its `type` does.
    ///   - shared: what its batch says once for all.
    /// - Throws: `Fault.invalid` with the field.
    public func event(
        _ message: JSONText, call: SegmentCall? = nil, in shared: SegmentBatch.Shared = .none,
        fallbackKey: @autoclosure () -> String
    ) throws(Fault) -> Event {
        guard message.bytes.count <= EventLimits.eventBytes else {
            throw Fault(
                .tooLarge, doing: SegmentReader.doing,
                "the message has more than \(EventLimits.eventBytes) bytes")
        }
        var draft = try SegmentDraft(
            try SegmentMessage(message, call, in: shared, receivedAt: receivedAt), receivedAt: receivedAt)
        var first: Fault?
        for _ in 0..<SegmentReader.attempts {
            do {
                return try events.event(try draft.json(), fallbackKey: fallbackKey())
            } catch {
                guard draft.givesWay(to: error) else { throw draft.named(first ?? error) }
                first = first ?? error
            }
        }
        throw draft.named(first ?? Fault(.invalid, doing: SegmentReader.doing, "its properties are wrong"))
    }
}
