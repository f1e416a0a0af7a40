import Foundation
import Kernel
import TestSupport

/// What a shop does in a day, in steps: its order history is exported again with rows appended and imported
/// again, and its customers are seen by several identifiers. Seeded, and the same however often it is killed.
struct Workload: Sendable {
    let steps: Int
    let rowsPerStep: Int
    let eventsPerStep: Int
    /// How often a file is exported, a little longer each time, before the next one is begun.
    let stepsPerFile: Int
    private let seed: UInt64
    private let events: [String]

    init(steps: Int, rowsPerStep: Int, eventsPerStep: Int, stepsPerFile: Int? = nil, seed: UInt64) {
        self.steps = steps
        self.rowsPerStep = rowsPerStep
        self.eventsPerStep = eventsPerStep
        self.stepsPerFile = stepsPerFile ?? steps
        self.seed = seed
        var random = SplitMix64(state: seed ^ 0xE7E4)
        events = (0..<steps * eventsPerStep).map { Workload.event($0, &random) }
    }

    var rows: Int { steps * (rowsPerStep + eventsPerStep) }

    /// Does one step, again and again until the service has taken all of it.
    func perform(_ step: Int, in shop: Shop) async throws {
        let file = "\(shop.installation.directory)/export.txt"
        let (number, exports) = (step / stepsPerFile, step % stepsPerFile + 1)
        let history = OrderHistory(
            rows: stepsPerFile * rowsPerStep, seed: seed + UInt64(number),
            customerCount: max(1, steps * rowsPerStep / 3))
        let lines = history.text.split(separator: "\r\n", omittingEmptySubsequences: true)
        let exported = lines.prefix(1 + exports * rowsPerStep).joined(separator: "\r\n") + "\r\n"
        try Data(exported.utf8).write(to: URL(fileURLWithPath: file))
        let options = OrderHistory.options(source: "history-\(number)")
        try await insist(shop, ["events", "import", file, "--brand", "demo"] + options)
        let batch = events[step * eventsPerStep..<(step + 1) * eventsPerStep].joined(separator: "\n")
        try await insist(shop, ["events", "send", "--brand", "demo"], input: batch)
    }

    /// Gives the same command until it is done, as a client does that was told to come again.
    private func insist(_ shop: Shop, _ arguments: [String], input: String = "") async throws {
        var last: Installation.Answer?
        for _ in 0..<240 {
            let answer = try await shop.installation.run(arguments, input: input)
            if answer.status == 0 { return }
            last = answer
            try await Task.sleep(for: .milliseconds(500))
        }
        throw Failure(
            "\(arguments.prefix(2)) is not done: \(last?.errors ?? "")\n\(shop.installation.logTail)")
    }

    /// An event of one of few customers, by some of their identifiers; every fourth is a version of an order.
    private static func event(_ number: Int, _ random: inout SplitMix64) -> String {
        let customer = Int(random.next() % 200)
        let kinds = random.next()
        var identifiers: [String] = []
        if kinds & 1 != 0 { identifiers.append(#""email":"c\#(customer)@example.com""#) }
        if kinds & 2 != 0 { identifiers.append(#""phone":"+1202555\#(1000 + customer)""#) }
        if kinds & 4 != 0 { identifiers.append(#""device_id":"d\#(customer % 50)""#) }
        // A cookie is one customer's, who is not always signed in.
        if kinds & 32 != 0 { identifiers.append(#""cookie_id":"k\#(customer)""#) }
        if kinds & 192 == 0 { identifiers = [#""cookie_id":"k\#(customer)""#] }
        if identifiers.isEmpty || kinds & 24 == 0 { identifiers.append(#""loyalty_id":"l\#(customer)""#) }
        let instant = "2026-01-\(10 + number % 20)T10:00:00Z"
        let head =
            #"{"eventId":"w\#(number)","occurredAt":"\#(instant)","#
            + #""identifiers":{\#(identifiers.joined(separator: ","))}"#
        guard number % 4 == 0 else { return head + #","type":"page_view"}"# }
        let order = number % 37
        let total = "\(random.next() % 90).\(random.next() % 90 + 10)"
        return head
            + #","type":"purchase","properties":{"orderId":"o\#(order)","version":\#(random.next() % 1000),"#
            + #""total":"\#(total)"}}"#
    }
}
