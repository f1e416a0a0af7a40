import Contract
import Customers
import Events
import Kernel
import Postgres
import TestSupport
import Testing

@testable import DataPlane
@testable import TestHistories

/// Something that a checkpoint might have forgotten: a text of its functions, and what it is replaced by.
struct Omission: CustomTestStringConvertible {
    let testDescription: String
    let function: String
    let text: String
    let replacement: String

    init(_ what: String, _ text: String, _ replacement: String, in function: String = "checkpoint_of") {
        testDescription = what
        self.function = function
        self.text = text
        self.replacement = replacement
    }

    private static let weak = "payload -> 'identifiers' ?| array['device_id', 'cookie_id', 'qr_id']"
    private static let strong =
        "payload -> 'identifiers' ?| array['phone', 'whatsapp', 'email', 'loyalty_id', 'upi_id']"

    /// Every event with more than three strong identifiers.
    static let crowds = Omission("events with many identifiers", "> 3 as stays", "> 9 as stays")

    static let signIns = Omission("sign-ins", weak, "\(weak) and not \(strong)")
    private static let aboutOrders =
        "event_type in ('purchase', 'refund', 'cancellation')\n                   or "

    static let orders = Omission("versions of orders", aboutOrders, "")
    static let adjustments = Omission(
        "refunds and cancellations", aboutOrders, "event_type = 'purchase'\n                   or ")
    static let amounts = Omission("what a refund says of its amount", "'amount', ", "")

    /// Each other part of a checkpoint.
    static let all = [
        Omission("events with weak identifiers alone", weak, "\(weak) and \(strong)"),
        Omission(
            "that something is a sign-out", "is_about_order or event_type = 'sign_out'", "is_about_order"),
        Omission("what a purchase says of its version", "'version', ", ""),
        Omission("consent", "when consent is not null then", "when false then"),
        Omission(
            "that alike is who consents to the same", "carried, consent, ties)\n    ),",
            "carried, ties)\n    ),"),
        Omission("that alike is who ties", "carried, consent, ties)\n    ),", "carried, consent)\n    ),"),
        Omission("the first by the order of events", "1 in (nth, ", "1 in ("),
        Omission("the last by the order of events", "nth_last, nth_received)\n", "nth_received)\n"),
        Omission("what was received first", "nth_last, nth_received)\n", "nth_last)\n"),
        Omission("for how many a row stands", "case nth when 1 then events - chosen + 1 else 1 end", "1"),
        Omission("events with strong identifiers", "from grouped where 1", "from grouped where false and 1"),
        Omission(
            "what was placed elsewhere meanwhile", "set placed_on = e.placed_on",
            "set placed_on = n.placed_on", in: "adopt_checkpoint"),
    ]
}

extension TestBrand {
    /// Lets the brand's checkpoints forget something.
    func forget(_ omission: Omission) async throws {
        let function = omission.function
        let definition = try await database.run(
            "select pg_get_functiondef(oid) from pg_proc where proname = \(function) "
                + "and pronamespace = current_schema()::regnamespace"
        )[0].decode(String.self)
        #expect(definition.contains(omission.text), "\(omission.testDescription)")
        try await database.run(
            SQL(raw: definition.replacing(omission.text, with: omission.replacement)))
    }

    /// Makes a partition for every month of which something may be received, as the job does ahead of time.
    func makePartitions(from first: Timestamp) async throws {
        let definition = try await database.run(
            "select pg_get_functiondef('ensure_event_partitions'::regproc)")[0].decode(String.self)
        let then = definition.replacing("now()", with: "'\(first)'::timestamptz")
            .replacing("ensure_event_partitions", with: "ensure_past_partitions")
        try await database.run(SQL(raw: then))
        try await database.run("select ensure_past_partitions(8)")
    }

    /// A month whose checkpoint is made and not yet in its place.
    struct MadeMonth {
        let starts: Timestamp
        let ends: Timestamp
        let counted: Int64
    }

    func monthsToFold(receivedBefore cutoff: Timestamp) async throws -> [(Timestamp, Timestamp)] {
        try await database.run("select starts, ends from months_to_fold(\(cutoff))")
            .decode((Timestamp, Timestamp).self)
    }

    func make(_ starts: Timestamp, _ ends: Timestamp) async throws -> MadeMonth {
        let counted = try await database.run("select make_checkpoint(\(starts), \(ends))")
        return MadeMonth(starts: starts, ends: ends, counted: try counted[0].decode(Int64.self))
    }

    /// When the month ends in which everything is received now.
    var monthEnd: Timestamp {
        get async throws {
            try await database.run(
                """
                select (date_trunc('month', now() at time zone 'UTC') + interval '1 month') at time zone 'UTC'
                """
            )[0].decode(Timestamp.self)
        }
    }

    /// Whether the checkpoint took its month's place.
    func adopt(_ made: MadeMonth) async throws -> Bool {
        try await database.run("select adopt_checkpoint(\(made.starts), \(made.ends), \(made.counted))")[0]
            .decode(Bool.self)
    }

    func sweep() async throws { try await database.run("select sweep_behind_checkpoint()") }

    /// Folds all that was received in months before `cutoff`; gives how many months those were.
    @discardableResult
    func fold(receivedBefore cutoff: Timestamp) async throws -> Int {
        let months = try await monthsToFold(receivedBefore: cutoff)
        for (starts, ends) in months { #expect(try await adopt(make(starts, ends))) }
        try await sweep()
        return months.count
    }

    /// Every row of every table but those of the events themselves, in words that two brands can share.
    func told() async throws -> [String: Set<String>] {
        let names = try await database.run(
            """
            select id::text, kind || ' ' || value from customer_identifier
            union all select event_id::text, source || ' ' || key from event_key
            """
        ).decode((String, String).self)
        let named = Dictionary(names, uniquingKeysWith: { one, _ in one })
        let own = try Regex(#""(id|created_at|updated_at)": ("[^"]*"|[^",}]*)(, )?"#)
        var told: [String: Set<String>] = [:]
        for (table, rows) in try await stored() {
            guard !["customer_raw_event", "identifier_event"].contains(table) else { continue }
            let isMinted = ["identity_decision", "manual_merge_queue", "merge_history"].contains(table)
            told[table] = Set(
                rows.map { row in
                    var text = row.replacing(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/) {
                        named[String($0.0)] ?? "?"
                    }
                    if isMinted { text.replace(own, with: "") }
                    return text
                })
        }
        return told
    }
}

/// A brand that keeps everything, and one that folds what is old, which live through the same.
struct TwoBrands {
    let whole: TestBrand
    let folded: TestBrand
    private var random: SeededGenerator
    private(set) var now = Timestamp(microseconds: 1_766_000_000_000_000)
    private var made: TestBrand.MadeMonth?
    /// How many months were folded.
    private(set) var months = 0

    static func with<T>(
        seed: UInt64, country: String = "IN", _ body: (inout TwoBrands) async throws -> T
    ) async throws -> T {
        try await TestBrand.with(country: country) { whole in
            try await TestBrand.with(country: country) { folded in
                var brands = TwoBrands(whole: whole, folded: folded, seed: seed)
                // Some months have a partition, and others are in the default one.
                if seed % 3 > 0 { try await folded.makePartitions(from: brands.now) }
                return try await body(&brands)
            }
        }
    }

    private init(whole: TestBrand, folded: TestBrand, seed: UInt64) {
        self.whole = whole
        self.folded = folded
        random = SeededGenerator(seed: seed)
    }

    /// Sends events to both, some hours or days after the ones before.
    mutating func send(_ sent: [Sent]) async throws {
        now = now + .seconds(1800 * Int.random(in: 0..<600, using: &random))
        let events = sent.shuffled(using: &random).enumerated().map { place, sent in
            sent.eventOfSomebody(receivedAt: now + .milliseconds(place))
        }
        try await whole.write(events)
        try await folded.write(events)
        try await putInPlace()
        if Int.random(in: 0..<4, using: &random) == 0 { try await fold() }
    }

    /// Decides the same in both.
    mutating func decide(_ intent: RandomHistory.Intent) async throws {
        guard let request = try await whole.request(intent), let same = try await folded.request(intent)
        else { return }
        try await decide(request, same)
    }

    /// Decides the same in both, whatever that is.
    mutating func decideAnything() async throws {
        var (one, other) = (random, random)
        let wanted = (
            try await whole.randomRequest(using: &one), try await folded.randomRequest(using: &other)
        )
        random = one
        guard let request = wanted.0, let same = wanted.1 else { return }
        try await decide(request, same)
    }

    private mutating func decide(_ request: DecisionRequest, _ same: DecisionRequest) async throws {
        let said = try await TwoBrands.outcome(of: request, in: whole)
        #expect(try await TwoBrands.outcome(of: same, in: folded) == said)
        try await putInPlace()
    }

    private static func outcome(of request: DecisionRequest, in brand: TestBrand) async throws -> String {
        do {
            try await brand.decide(request)
            return "\(request.kind)"
        } catch let fault as Fault where fault.code == .conflict {
            return "\(request.kind) refused"
        }
    }

    /// Folds up to some month; what comes next comes between the making of the last one's checkpoint and its
    /// taking the month's place.
    private mutating func fold() async throws {
        let cutoff = now - .seconds(86_400 * Int.random(in: 0..<70, using: &random))
        let due = try await folded.monthsToFold(receivedBefore: cutoff)
        for (place, month) in due.enumerated() {
            made = try await folded.make(month.0, month.1)
            if place < due.count - 1 { try await putInPlace() }
        }
    }

    private mutating func putInPlace() async throws {
        guard let made else { return }
        self.made = nil
        #expect(try await folded.adopt(made))
        if Bool.random(using: &random) { try await folded.sweep() }
        months += 1
    }

    /// What is not the same in both, and what a re-fold finds.
    mutating func differences(country: String? = nil) async throws -> [String] {
        try await putInPlace()
        for brand in [whole, folded] {
            try await brand.writerDatabase.transaction { _ = try await ReviewQueue.refresh(in: $0) }
        }
        var found = try await folded.refold(country: country).differences.flatMap(\.samples)
            .map { "re-fold: \($0)" }
        let (one, other) = (try await whole.told(), try await folded.told())
        for (table, rows) in one.sorted(by: { $0.key < $1.key }) {
            let folded = other[table] ?? []
            found += rows.subtracting(folded).map { "\(table) lacks \($0)" }
            found += folded.subtracting(rows).map { "\(table) has \($0)" }
        }
        return found
    }
}

extension Sent {
    /// The event as it leaves the door; some are sent from a page.
    fileprivate func eventOfSomebody(receivedAt: Timestamp) -> Event {
        var event = event(receivedAt: receivedAt)
        if type.isBehaviour, key.utf8.reduce(0, { $0 + Int($1) }) % 4 == 0 {
            event.source = Event.browserSource
        }
        return event
    }
}

extension TwoBrands {
    /// Lives through a random history; where nobody waits for it, stops at what has gone wrong.
    mutating func live(through history: RandomHistory) async throws {
        var waiting: [Sent] = []
        for step in history.steps {
            switch step {
            case .send(let sent):
                waiting.append(sent)
                guard Int.random(in: 0..<4, using: &random) == 0 else { continue }
                try await send(waiting)
                waiting = []
            case .decide(let intent):
                try await send(waiting)
                waiting = []
                try await decide(intent)
            }
        }
        try await send(waiting)
    }

    /// Lives through random events of few values, with many ties, and decisions of every kind.
    mutating func liveDensely(rounds: Int) async throws {
        for round in 0..<rounds {
            let events = (0..<Int.random(in: 1...5, using: &random)).map { place in
                Sent.dense("\(round).\(place)", using: &random)
            }
            try await send(events)
            try await decideAnything()
        }
    }
}

extension TwoBrands {
    /// What is not the same in both once they are folded anew with the country of the history.
    mutating func differencesAfterMoving() async throws -> [String] {
        try await putInPlace()
        for brand in [whole, folded] {
            _ = try await brand.refold(country: HistoryWriter.country, isApplied: true)
        }
        return try await differences(country: HistoryWriter.country)
    }

    /// What goes wrong when checkpoints forget something.
    static func differences(seed: UInt64, without omission: Omission) async throws -> [String] {
        try await TwoBrands.with(seed: seed, country: "US") { brands in
            try await brands.folded.forget(omission)
            do {
                if seed % 2 == 0 {
                    try await brands.live(through: RandomHistory(seed: seed, sends: 80))
                } else {
                    try await brands.liveDensely(rounds: 16)
                }
                let found = try await brands.differences()
                return found.isEmpty ? try await brands.differencesAfterMoving() : found
            } catch {
                return ["failed: \(error)"]
            }
        }
    }
}

extension TestBrand {
    /// Five who are known apart, one of them by three values, and a blocked phone with which all come.
    func liveInCrowds() async throws {
        let (blocked, other) = ("+12025550101", "+12025550102")
        try await write([
            .sample("1", [.phone: blocked]), .sample("2", [.phone: other, .email: "q1@b.com"]),
            .sample("3", [.phone: other, .email: "q2@b.com"]), .sample("4", [.email: "e@b.com"]),
            .sample("5", [.loyaltyID: "l"]), .sample("6", [.upiID: "u@upi"]),
            .sample("7", [.email: "x@b.com"]),
        ])
        try await decide(.block(id("phone \(blocked)")))
        let crowd: [IdentifierKind: String] = [
            .phone: blocked, .whatsapp: other, .email: "e@b.com", .loyaltyID: "l", .upiID: "u@upi",
        ]
        let coming: [[IdentifierKind: String]] = [
            crowd, [.phone: blocked, .email: "e@b.com"], [.phone: blocked, .loyaltyID: "l"], crowd,
            [.phone: blocked, .email: "x@b.com"], crowd,
        ]
        try await write(
            try coming.enumerated().map { minute, identifiers in
                try .sample("c\(minute)", .pageView, identifiers, occurredAt: "2026-02-01T10:0\(minute):00Z")
            })
    }
}
