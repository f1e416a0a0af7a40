import Customers
import Events
import Kernel
import TestSupport

/// Writes random histories about a few people and the devices that they use.
///
/// Each history does some of the things that histories do, so that many reach no limit by chance, and those
/// that do are not all alike. Instants lie a multiple of six hours apart, so that many are exactly 30 days
/// apart and some are equal.
struct HistoryWriter {
    /// The country of the brand, for phone numbers without a country code.
    static let country = "IN"

    /// Whose phone it is: people count from 0, and these from numbers that they do not reach.
    private static let newcomers = 20_000
    private static let strangers = 80_000
    private static let family = 85_000

    /// A kind of thing that a history does now and then.
    private enum Habit: CaseIterable {
        case bridge, crowd, popularValue, family, late, unusable, versions, consent, values, pairs, rows
    }

    private let isTame: Bool
    private let habits: Set<Habit>
    private let limit: Int
    private let people: Int
    private let devices: Int
    /// How many events share what time passes between two events of a short history.
    private let pace: Int
    private var random: SeededGenerator
    /// The time of the history, in steps of six hours.
    private var now = 0
    private var sends = 0
    private var versions: [String: Int] = [:]
    private var hasPopularValue = false
    private var flagged: [RandomHistory.Intent] = []
    private var apart: [RandomHistory.Intent] = []
    private var steps: [RandomHistory.Step] = []

    /// - Parameter limit: at least so many events are written.
    init(seed: UInt64, sends limit: Int, isTame: Bool) {
        var random = SeededGenerator(seed: seed)
        self.isTame = isTame
        let tame: Set<Habit> = [.bridge, .late, .unusable, .versions, .consent]
        habits = Set(Habit.allCases.filter { _ in Int.random(in: 0..<10, using: &random) < 5 })
            .filter { !isTame || tame.contains($0) }
        self.limit = limit
        pace = max(1, limit / 60)
        people = Int.random(in: 5...8, using: &random) * pace
        devices = 3 * pace
        self.random = random
    }

    /// The events, and what is decided between them.
    mutating func write() -> [RandomHistory.Step] {
        while sends < limit {
            if chance(pace) { now += [0, 0, 1, 1, 2, 4, 12, 40][number(8)] }
            step()
        }
        return steps
    }

    private mutating func step() {
        switch number(20) {
        case 0..<6: send(carrying: some(of: number(people)))
        case 6..<9: send(carrying: [weak()])
        case 9..<11: signOut()
        case 11: send(carrying: [.init(kind: .cardLast4, value: "4242")] + (chance(2) ? [] : [phone(0)]))
        case 12: purchase(carrying: chance(2) ? [] : some(of: number(people)))
        default: habit()
        }
    }

    private mutating func habit() {
        guard let habit = Habit.allCases.filter({ habits.contains($0) }).randomElement(using: &random) else {
            return
        }
        switch habit {
        case .bridge: bridge()
        case .crowd: crowd()
        case .popularValue:
            guard chance(4), !hasPopularValue else { return }
            hasPopularValue = true
            for other in 0..<15 {
                send(carrying: [
                    .init(kind: .email, value: "test@test.com"), phone(HistoryWriter.strangers + other),
                ])
            }
        case .family: send(carrying: [phone(HistoryWriter.family), email(number(people))])
        case .late: send(carrying: some(of: number(people)), before: 4 + number(200))
        case .unusable: send(carrying: [.init(kind: .phone, value: "123"), weak()])
        case .versions: purchase(carrying: some(of: number(people)))
        case .consent: consent()
        case .values: decideAboutValue()
        case .pairs: decideAboutPairs()
        case .rows:
            steps.append(.decide(chance(2) ? .approve(number(10)) : .reject(number(10))))
        }
    }
}

// What is sent.
extension HistoryWriter {
    private mutating func send(
        carrying identifiers: [SentIdentifier], before: Int = 0, _ change: (inout Sent) -> Void = { _ in }
    ) {
        let instant = HistoryWriter.start + .seconds((now - before) * 6 * 3600)
        // Keys do not rise, so that at one instant the order of keys is not the order of arrival.
        let key = "k\(random.next() % 1000)-\(sends)"
        var sent = Sent(key: key, occurredAt: instant, identifiers: identifiers)
        change(&sent)
        sends += 1
        steps.append(.send(sent))
    }

    private static let start = Timestamp(microseconds: 1_735_689_600_000_000)

    /// Some of a person's identifiers, one device perhaps among them.
    private mutating func some(of person: Int) -> [SentIdentifier] {
        var identifiers = [email(person), loyalty(person), upi(person)].filter { _ in chance(3) }
        // Whoever signs in does so by phone in a tame history, so that few sign in on each device.
        let device = chance(2) ? weak(of: isTame ? person / 3 : nil) : nil
        if identifiers.isEmpty || chance(2) || (isTame && device != nil) {
            if identifiers.count > 2 { identifiers.removeLast() }
            identifiers.append(phone(person))
        }
        return identifiers + (device.map { [$0] } ?? [])
    }

    private mutating func signOut() {
        let device = weak()
        let person = chance(3) && !isTame ? [phone(number(people))] : []
        send(carrying: person + [device]) { $0.type = .signOut }
    }

    /// One identifier of each of two people; tame people stay among three.
    private mutating func bridge() {
        let one = number(people)
        let other = isTame ? min(one / 3 * 3 + number(3), people - 1) : number(people)
        send(carrying: [chance(2) ? phone(one) : loyalty(one), email(other)])
    }

    /// Identifiers of four or five people who were known apart, and perhaps two of them again.
    private mutating func crowd() {
        var four = Array(0..<people).shuffled(using: &random)
        if chance(2) {
            four = (0..<5).map { HistoryWriter.newcomers + (sends * 5 + $0) % 50_000 }
            for one in [phone(four[0]), email(four[1]), loyalty(four[2]), upi(four[3])] {
                send(carrying: [one])
            }
        }
        var identifiers = [phone(four[0]), email(four[1]), loyalty(four[2]), upi(four[3])]
        if identifiers[0].kind == .phone, chance(2) {
            identifiers.append(.init(kind: .whatsapp, value: HistoryWriter.number(of: four[4])))
        }
        send(carrying: identifiers)
        if chance(2) { send(carrying: [phone(four[0]), email(four[1])]) }
    }

    /// A version of an order: each after the first takes something off, and sometimes an old one comes last.
    private mutating func purchase(carrying identifiers: [SentIdentifier]) {
        let id = "o\(number(habits.contains(.versions) ? 4 : 1000))"
        let newest = versions[id] ?? 10
        let version = versions[id] != nil && chance(3) ? newest - 5 : newest + 1
        versions[id] = max(newest, version)
        let cents = 100_000 - version * 1_237 + number(100)
        send(carrying: identifiers) {
            $0.type = .purchase
            $0.order = Sent.Order(id: id, version: version, cents: cents)
        }
    }

    private mutating func consent() {
        let person = number(2)
        let about = chance(2) ? phone(person) : email(person)
        let isGranted = chance(2)
        send(carrying: isTame ? [about] : [about, weak()]) {
            $0.type = .identify
            $0.consent = [.init(kind: about.kind, purpose: "marketing", isGranted: isGranted)]
        }
    }

    /// A phone number, written in one of the ways in which people write it.
    private mutating func phone(_ index: Int) -> SentIdentifier {
        let digits = HistoryWriter.number(of: index).dropFirst(3)
        switch number(4) {
        case 0: return .init(kind: .whatsapp, value: "+91 \(digits.prefix(5)) \(digits.dropFirst(5))")
        case 1: return .init(kind: .phone, value: "0\(digits.prefix(5)) \(digits.dropFirst(5))")
        default: return .init(kind: .phone, value: "+91\(digits)")
        }
    }

    private mutating func email(_ person: Int) -> SentIdentifier {
        .init(kind: .email, value: chance(3) ? "Person\(person)@Example.com" : "person\(person)@example.com")
    }

    private func loyalty(_ person: Int) -> SentIdentifier { .init(kind: .loyaltyID, value: "L-\(person)") }

    private func upi(_ person: Int) -> SentIdentifier { .init(kind: .upiID, value: "person\(person)@upi") }

    private mutating func weak(of group: Int? = nil) -> SentIdentifier {
        let index = group ?? number(devices)
        return .init(kind: chance(3) ? .cookieID : .deviceID, value: "thing-\(index)")
    }

    private static func number(of index: Int) -> String { "+9198765\(10_000 + index)" }

    /// Below `limit`.
    private mutating func number(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }

    /// Once in `times`.
    private mutating func chance(_ times: Int) -> Bool { number(times) == 0 }
}

// What is decided.
extension HistoryWriter {
    /// Flags a value, or takes a flag back.
    private mutating func decideAboutValue() {
        if chance(3), let flag = flagged.popLast() {
            steps.append(.decide(flag))
            return
        }
        let person = number(people)
        let value = [
            Identifier(
                kind: .phone, value: HistoryWriter.number(of: chance(2) ? HistoryWriter.family : person)),
            Identifier(kind: .email, value: "person\(person)@example.com"),
            Identifier(kind: .email, value: "test@test.com"),
            Identifier(kind: .deviceID, value: "thing-\(number(devices))"),
        ][number(4)]
        let isBlocked = chance(2)
        flagged.append(isBlocked ? .unblock(value) : .unshare(value))
        steps.append(.decide(isBlocked ? .block(value) : .share(value)))
    }

    /// Joins or parts two people, or takes back what parted them.
    private mutating func decideAboutPairs() {
        if chance(4), let allow = apart.popLast() {
            steps.append(.decide(allow))
            return
        }
        let one = number(people)
        let other = (one + 1 + number(people - 1)) % people
        let (left, right) = (identifiers(of: one), identifiers(of: other))
        switch number(3) {
        case 0: steps.append(.decide(.merge(left[number(2)], right[number(2)])))
        case 1:
            apart.append(.allow(left, right))
            steps.append(.decide(.unmerge(left, from: right)))
        default:
            apart.append(.allow(left, right))
            steps.append(.decide(.never(left, right)))
        }
    }

    private func identifiers(of person: Int) -> [Identifier] {
        [
            Identifier(kind: .phone, value: HistoryWriter.number(of: person)),
            Identifier(kind: .email, value: "person\(person)@example.com"),
            Identifier(kind: .loyaltyID, value: "L-\(person)"),
            Identifier(kind: .upiID, value: "person\(person)@upi"),
        ]
    }
}
