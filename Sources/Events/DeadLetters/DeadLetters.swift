import Kernel
import Workflow

/// Events that were accepted and could not be stored, each with its reason, until somebody replays or
/// discards them. They lie in a stream of their own, as durable as that of the events.
public struct DeadLetters: Sendable {
    /// How many are kept. With more, whatever makes them would fill the memory that all brands share: then
    /// the writer waits, and events with it.
    public static let maximum = 100_000
    /// How many one request looks at.
    static let perRequest = 10_000
    private static let pageSize = 500

    static let replaying = "replay the dead letter"

    private let stream: EventStream
    private let gate: IntakeGate
    private let arrivals: Arrivals
    private let clock: any WallClock
    private let metrics = EventMetrics()

    public init(stream: EventStream, gate: IntakeGate, arrivals: Arrivals, clock: any WallClock) {
        self.stream = stream
        self.gate = gate
        self.arrivals = arrivals
        self.clock = clock
    }

    /// Some of the letters.
    public struct Selection: Sendable {
        /// Text in the reason; nil for every reason.
        public var reason: String?
        /// The name of the event's type; nil for every type.
        public var type: String?
        /// Only behind this one.
        public var after: String?
        /// How many to look at, at most; nil for as many as there are now. Those that are replayed in vain
        /// come back behind all others, and are not met again.
        public var atMost: Int?

        public init() {}

        func contains(_ letter: DeadLetter) -> Bool {
            if let type, letter.text("type") != type { return false }
            return reason.map { letter.reason.contains($0) } ?? true
        }
    }

    /// How far a request came.
    public struct Progress: Sendable, Equatable {
        /// How many letters were dealt with.
        public var count = 0
        /// The last that was looked at, and how many behind it are still to be: for the next request.
        public var after: String?
        public var left = 0
    }

    /// The oldest letters behind `id`; at most `limit`.
    public func list(after id: String?, limit: Int) async throws -> [DeadLetter] {
        try await stream.refusals(limit, behind: id).map(DeadLetter.init)
    }

    /// One letter; nil when there is none of this id.
    public func show(_ id: String) async throws -> DeadLetter? {
        try await stream.refusal(id).map(DeadLetter.init)
    }

    /// Has a letter's event stored now, as it is or as it should have been sent. Received now, since nothing
    /// may come into a month that is closed.
    ///
    /// - Throws: `Fault.unavailable` when the stream has no room.
    public func replay(_ letter: DeadLetter, as corrected: Event? = nil) async throws {
        try await putBack([(letter, corrected)])
    }

    /// The event that a letter should have been: `text`, checked as if its sender had sent it. Its id stays,
    /// and so it is stored once, however often it is replayed.
    ///
    /// - Throws: `Fault.invalid` with the field; `Fault.conflict` when the letter does not say whose it is.
    public func corrected(_ letter: DeadLetter, by text: JSONText) throws(Fault) -> Event {
        guard let source = letter.text("source"), let key = letter.text("key"), !source.isEmpty, !key.isEmpty
        else {
            throw Fault(
                .conflict, doing: DeadLetters.replaying,
                "it does not say whose event it is and by which id; it can only be discarded")
        }
        let sender = EventReader.Sender(exactly: source, isTest: letter.text("test") == "1")
        let receivedAt = letter.event?.receivedAt ?? clock.now()
        let event = try EventReader(sender: sender, receivedAt: receivedAt).event(text, fallbackKey: key)
        guard event.key == key else {
            throw Fault(
                .invalid, doing: DeadLetters.replaying, "it is known by '\(key)', which stays: leave it out",
                field: "eventId")
        }
        return event
    }

    /// Has the selected letters' events stored now, as they are.
    ///
    /// - Throws: `Fault.unavailable` when the stream has no room; some may have been replayed by then.
    public func replay(_ selection: Selection) async throws -> Progress {
        try await sweep(selection) { letters in try await putBack(letters.map { ($0, nil) }) }
    }

    /// Forgets the selected letters for good.
    public func discard(_ selection: Selection) async throws -> Progress {
        try await sweep(selection) { letters in try await discard(letters) }
    }

    /// Forgets letters for good.
    public func discard(_ letters: [DeadLetter]) async throws {
        try await stream.removeRefusals(letters.map(\.id))
    }

    private func sweep(
        _ selection: Selection, _ deal: ([DeadLetter]) async throws -> Void
    ) async throws -> Progress {
        var progress = Progress(after: selection.after)
        let length = try await stream.deadLetters()
        progress.left = min(selection.atMost ?? length, length)
        var looked = 0
        while looked < DeadLetters.perRequest, progress.left > 0 {
            let size = min(DeadLetters.pageSize, progress.left)
            let page = try await list(after: progress.after, limit: size)
            guard let last = page.last else {
                progress.left = 0
                break
            }
            let chosen = page.filter(selection.contains)
            if !chosen.isEmpty { try await deal(chosen) }
            progress.count += chosen.count
            progress.after = last.id
            progress.left -= page.count
            looked += page.count
        }
        if progress.left == 0 { progress.after = nil }
        return progress
    }

    /// Back into the stream first, and then away from here: who dies in between replays it once more.
    private func putBack(_ letters: [(letter: DeadLetter, corrected: Event?)]) async throws {
        let now = clock.now()
        let entries = letters.map { letter, corrected in
            guard var event = corrected ?? letter.event else { return letter.fields }
            event.receivedAt = now
            return EventEnvelope.fields(of: event)
        }
        try gate.enter(entries.count)
        do {
            try await stream.append(entries: entries)
            gate.settle(entries.count, areAppended: true)
        } catch {
            gate.settle(entries.count, areAppended: false)
            throw error
        }
        arrivals.announce()
        try Failpoint.hit(DeadLetters.afterAppend(stream.brand))
        try await stream.removeRefusals(letters.map(\.letter.id))
        metrics.replayed.increment(by: letters.count)
    }

    /// The failpoint between a letter's being in the stream again and its being gone from here.
    static func afterAppend(_ brand: Slug) -> String { "events.deadLetters.appended.\(brand)" }
}
