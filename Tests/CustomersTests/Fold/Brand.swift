import Contract
import Customers
import Events
import Kernel

@testable import TestHistories

/// A brand in a test of the fold: what was sent to it and what was decided, told in texts such as
/// `email ann@example.com`, with kinds as they are sent.
struct Brand {
    private(set) var events: [IdentityEvent] = []
    private(set) var decisions: [IdentityDecision] = []
    private(set) var kinds: [IdentifierID: Identifier.Kind] = [:]
    private var ids: [Identifier: IdentifierID] = [:]
    private let normaliser = IdentifierNormaliser(country: HistoryWriter.country)

    /// Takes in an event, `minutes` after the start.
    mutating func send(_ identifiers: String..., at minutes: Int = 0, type: EventType = .pageView) {
        let sent = identifiers.map { text in
            let parts = text.split(separator: " ", maxSplits: 1).map(String.init)
            return SentIdentifier(kind: IdentifierKind(rawValue: parts[0])!, value: parts[1])
        }
        let instant = Timestamp(microseconds: 1_760_000_000_000_000) + .seconds(minutes * 60)
        take(Sent(key: "e\(events.count)", type: type, occurredAt: instant, identifiers: sent))
    }

    mutating func take(_ sent: Sent) {
        let result = normaliser.normalise(sent.identifiers)
        let carried = result.usable.map { IdentityEvent.Carried(id: enter($0), kind: $0.kind) }
        events.append(
            IdentityEvent(
                order: EventOrder(occurredAt: sent.occurredAt, key: sent.key, source: Sent.source),
                isSignOut: sent.type == .signOut, carried: carried,
                hasUnusableStrong: result.hasUnusableStrong))
    }

    /// Logs a decision about a value, about two sets, or about the pairs across two lists by place.
    mutating func decide(_ kind: IdentityDecision.Kind, _ left: [String], _ right: [String] = []) {
        log(kind, left.map { id($0) }, right.map { id($0) })
    }

    mutating func log(_ kind: IdentityDecision.Kind, _ left: [IdentifierID], _ right: [IdentifierID] = []) {
        let sequence = Int64(decisions.count + 1)
        decisions.append(IdentityDecision(sequence: sequence, kind: kind, left: left, right: right))
    }

    /// The id of an identifier; nil when it has not been seen.
    func known(_ identifier: Identifier) -> IdentifierID? { ids[identifier] }

    /// The id of an identifier that has been seen, by its text.
    func id(_ text: String) -> IdentifierID {
        let parts = text.split(separator: " ", maxSplits: 1).map(String.init)
        let kind = IdentifierKind(rawValue: parts[0])!
        return ids[normaliser.normalise([SentIdentifier(kind: kind, value: parts[1])]).usable[0]]!
    }

    func folded() -> FoldedIdentity { IdentityFold.fold(events: events, kinds: kinds, decisions: decisions) }

    /// What each event is placed on, in the order of sending: nil for nobody.
    func placements() -> [String?] { folded().placements.map { $0.map(text) } }

    /// The strong identifiers of each profile, in the order in which they were first seen.
    func people() -> Set<[String]> {
        let strong = folded().profileOf.filter { kinds[$0.key]?.strength == .strong }
        return Set(
            Dictionary(grouping: strong.keys, by: { strong[$0]! }).values.map { $0.sorted().map(text) })
    }

    /// The text of an identifier, with its kind as it is normalised.
    func text(_ id: IdentifierID) -> String {
        let identifier = ids.first { $0.value == id }!.key
        return "\(identifier.kind.rawValue) \(identifier.value)"
    }

    /// Gives an identifier its id when it is first seen; later ones are larger.
    private mutating func enter(_ identifier: Identifier) -> IdentifierID {
        if let id = ids[identifier] { return id }
        let id = IdentifierID(UUIDv7(high: UInt64(ids.count + 1) << 16 | 0x7000, low: 1 << 63))
        ids[identifier] = id
        kinds[id] = identifier.kind
        return id
    }
}
