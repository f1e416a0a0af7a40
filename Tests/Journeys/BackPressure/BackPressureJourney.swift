import AsyncHTTPClient
import Contract
import Foundation
import Kernel
import NIOCore
import TestSupport
import Testing

/// Clients that send on while nothing can be committed: back-pressure, from the edge to the tables.
@Suite("Back-pressure", .serialized, .timeLimit(.minutes(5)))
struct BackPressureJourney {
    /// How many events may wait.
    private static let limit = 60
    /// How much more memory an instance may have than before, whatever is thrown at it.
    private static let bytes = 64 << 20

    @Test("clients that come again when they are told lose nothing, and one that does not wait hurts nobody")
    func obedience() async throws {
        try await Shop.with { shop in
            let made = try await shop.key("--name", "senders")
            let door = Door(edge: shop.installation.edge, key: made.key)
            try await lower(door, of: shop)
            let pid = try #require(try await shop.brand().instance.pid)
            let before = try ProcessFacts.residentBytes(of: pid)
            let pressure = Pressure()
            var most = 0
            let tables = try await TenantTables.connection(to: shop.installation)
            try await withThrowingTaskGroup(of: Void.self) { senders in
                try await tables.transaction { transaction in
                    // Whoever commits waits for this row.
                    try await transaction.run("select id from writer_lease for update")
                    for (name, parcels) in Self.obedient {
                        senders.addTask { try await insist(name, parcels, at: door, pressure) }
                    }
                    senders.addTask { try await hammer(door, pressure) }
                    while await !pressure.isFelt(by: Self.obedient.map(\.0)) {
                        let streams = try await door.streams()
                        most = max(most, streams.items.first { $0.name == "events" }?.length ?? 0)
                        try await Task.sleep(for: .milliseconds(20))
                    }
                }
                for _ in Self.obedient { try await senders.next() }
                await pressure.end()
                try await senders.waitForAll()
            }
            let after = try ProcessFacts.residentBytes(of: pid)
            try await shop.drained()
            let stored = try await tables.run("select event_key from customer_raw_event")
            await tables.close()
            let taken = await pressure.taken
            let sent = Self.obedient.flatMap { $0.1.flatMap(\.keys) }
            #expect(Set(taken).isSuperset(of: sent))
            #expect(try stored.decode(String.self).sorted() == taken.sorted(), "each is there, and once")
            #expect(most > 0 && most <= Self.limit, "\(most) events waited")
            #expect(after - before < Self.bytes, "\(before) bytes were \(after) afterwards")
            try await shop.isAsFolded()
            let refused = await pressure.refused
            print(
                "back-pressure: \(sent.count) events of \(Self.obedient.count) obedient clients and",
                "\(taken.count - sent.count) of one that hammers came in; refused \(refused);",
                "\(most) of \(Self.limit) waited; memory grew by \((after - before) >> 10) kB")
        }
    }

    /// What each obedient client sends: more than may wait, so that none is done before it is refused.
    private static let obedient: [(String, [Parcel])] = [
        ("singles", keys("s", 65).map { .event($0) }),
        ("batches", keys("b", 6).map { .batch(keys($0 + "-", 20)) }),
        ("lines", keys("l", 6).map { .lines(keys($0 + "-", 20)) }),
        ("keyed", keys("k", 65).map { .keyed($0) }),
    ]

    private static func keys(_ prefix: String, _ count: Int) -> [String] {
        (0..<count).map { "\(prefix)\($0)" }
    }

    /// Lets so few events wait that this is soon felt.
    private func lower(_ door: Door, of shop: Shop) async throws {
        let set = try await shop.installation.run(
            "plan", "set", "enterprise", "--limit", "streamEntries=\(Self.limit)")
        try #require(set.status == 0, "\(set.errors)")
        while try await door.streams().items.first?.limit != Self.limit {
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Sends one thing after the other, each until it is taken, and waits as long as it is told.
    private func insist(
        _ name: String, _ parcels: [Parcel], at door: Door, _ pressure: Pressure
    ) async throws {
        for parcel in parcels {
            while case .wait(let seconds) = try await door.send(parcel) {
                await pressure.refuse(name)
                try await Task.sleep(for: .seconds(seconds))
            }
            await pressure.take(parcel.keys)
        }
    }

    /// Sends without ever waiting, until the others are done.
    private func hammer(_ door: Door, _ pressure: Pressure) async throws {
        var number = 0
        while await !pressure.isOver {
            let parcel = Parcel.event("h\(number)")
            if case .wait = try await door.send(parcel) {
                await pressure.refuse("hammer")
            } else {
                await pressure.take(parcel.keys)
                number += 1
            }
        }
    }
}

/// One request of events.
private struct Parcel: Sendable {
    let path: String
    let headers: [(String, String)]
    let body: String
    /// By which its events are known when they are stored.
    let keys: [String]

    private static func json(_ key: String) -> String {
        #"{"eventId":"\#(key)","type":"page_view","identifiers":{"email":"\#(key)@b.com"}}"#
    }

    static func event(_ key: String) -> Parcel {
        Parcel(path: "", headers: [], body: json(key), keys: [key])
    }

    static func batch(_ keys: [String]) -> Parcel {
        let events = keys.map(json).joined(separator: ",")
        return Parcel(path: "/batch", headers: [], body: "{\"events\":[\(events)]}", keys: keys)
    }

    static func lines(_ keys: [String]) -> Parcel {
        Parcel(
            path: "/batch", headers: [("Content-Type", "application/x-ndjson")],
            body: keys.map { json($0) + "\n" }.joined(), keys: keys)
    }

    /// An event that bears no id of its own.
    static func keyed(_ key: String) -> Parcel {
        Parcel(
            path: "", headers: [("Idempotency-Key", key)],
            body: #"{"type":"purchase","properties":{"total":"1.10"}}"#, keys: ["idempotency:\(key):0"])
    }
}

/// The way in.
private struct Door: Sendable {
    enum Answer {
        case taken
        case wait(seconds: Int)
    }

    let edge: String
    let key: String

    func send(_ parcel: Parcel) async throws -> Answer {
        var request = HTTPClientRequest(url: "http://\(edge)/b/demo/api/events\(parcel.path)")
        request.method = .POST
        for (name, value) in [("X-API-Key", key)] + parcel.headers {
            request.headers.add(name: name, value: value)
        }
        request.body = .bytes(ByteBuffer(string: parcel.body))
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
        let body = Data(try await response.body.collect(upTo: 1 << 20).readableBytesView)
        let text = String(decoding: body, as: UTF8.self)
        if response.status == .accepted {
            #expect(!text.contains(#""outcome":"rejected""#), "\(text)")
            return .taken
        }
        #expect(response.status == .serviceUnavailable, "\(text)")
        let problem = try JSONDecoder().decode(Problem.self, from: body)
        #expect(problem.code == "unavailable" && problem.detail.contains("the limit is"), "\(text)")
        let seconds = try #require(response.headers.first(name: "Retry-After").flatMap { Int($0) })
        #expect((1...30).contains(seconds))
        return .wait(seconds: seconds)
    }

    func streams() async throws -> StreamsView {
        var request = HTTPClientRequest(url: "http://\(edge)/b/demo/api/streams/info")
        request.headers.add(name: "X-API-Key", value: key)
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
        let body = try await response.body.collect(upTo: 1 << 20)
        return try JSONDecoder().decode(StreamsView.self, from: Data(body.readableBytesView))
    }
}

/// What has become of what was sent.
private actor Pressure {
    /// Refusals, by who was refused.
    private(set) var refused: [String: Int] = [:]
    /// By which the events are known that were acknowledged.
    private(set) var taken: [String] = []
    private(set) var isOver = false

    func refuse(_ name: String) { refused[name, default: 0] += 1 }
    func take(_ keys: [String]) { taken += keys }
    func end() { isOver = true }

    /// Whether each of `names` was told twice to come again, and the one who does not wait fifty times.
    func isFelt(by names: [String]) -> Bool {
        names.allSatisfy { refused[$0, default: 0] >= 2 } && refused["hammer", default: 0] >= 50
    }
}
