import Testing

@testable import Postgres

@Suite struct PipelineTests {
    typealias Sut = Pipeline<String, Int>

    private func completed(_ event: Sut.Event) -> (String, Result<[Int], PostgresError>)? {
        if case .completed(let waiter, let result) = event { (waiter, result) } else { nil }
    }

    private let failure = PostgresError(sqlState: "42601", message: "syntax error")

    @Test("requests complete in order, each with its own rows")
    func order() throws {
        var pipeline = Sut()
        pipeline.append(1, [.statement(nil), .statement(nil)], "a")
        pipeline.append(2, [.statement(nil)], "b")
        _ = pipeline.receive(.rows(10))
        _ = pipeline.receive(.rows(11))
        #expect(pipeline.first == 1 && pipeline.last == 2)
        let first = try #require(completed(pipeline.receive(.sync)))
        #expect(first.0 == "a")
        #expect(try first.1.get() == [10, 11])
        _ = pipeline.receive(.rows(20))
        let second = try #require(completed(pipeline.receive(.sync)))
        #expect(second.0 == "b")
        #expect(try second.1.get() == [20])
        #expect(pipeline.isEmpty)
    }

    @Test("a failure completes its request with the first error and leaves the next alone")
    func failureIsContained() throws {
        var pipeline = Sut()
        pipeline.append(1, [.statement(nil), .statement(nil)], "a")
        pipeline.append(2, [.statement(nil)], "b")
        _ = pipeline.receive(.failure(failure))
        _ = pipeline.receive(.skipped)
        let first = try #require(completed(pipeline.receive(.sync)))
        #expect(throws: failure) { try first.1.get() }
        _ = pipeline.receive(.rows(1))
        #expect(completed(pipeline.receive(.sync)) != nil)
    }

    @Test("a request of no statements completes with its sync")
    func empty() {
        var pipeline = Sut()
        pipeline.append(1, [], "a")
        #expect(completed(pipeline.receive(.sync)) != nil)
    }

    @Test("an answer that fits no request is noticed")
    func confusion() {
        var pipeline = Sut()
        func isConfused(_ event: Sut.Event) -> Bool { if case .confused = event { true } else { false } }
        #expect(isConfused(pipeline.receive(.rows(1))))
        pipeline.append(1, [.statement(nil)], "a")
        #expect(isConfused(pipeline.receive(.sync)))
        _ = pipeline.receive(.rows(1))
        #expect(isConfused(pipeline.receive(.rows(2))))
    }

    @Test("a failed preparation and a stale plan are forgotten, an ordinary failure is not")
    func preparations() {
        var pipeline = Sut()
        func forgets(_ event: Sut.Event) -> Bool { if case .forget = event { true } else { false } }
        pipeline.append(1, [.preparation(7), .statement(7)], "a")
        #expect(forgets(pipeline.receive(.failure(failure))))
        #expect(!forgets(pipeline.receive(.skipped)))
        _ = pipeline.receive(.sync)
        for (state, expected) in [("42601", false), ("0A000", true), ("26000", true)] {
            pipeline.append(2, [.statement(7)], "b")
            let event = pipeline.receive(.failure(PostgresError(sqlState: state, message: "")))
            #expect(forgets(event) == expected)
            _ = pipeline.receive(.sync)
        }
    }
}

@Suite struct TurnsTests {
    private func entry(_ id: UInt64, holder: UInt64? = nil, reserves: Bool = false) -> Turns<Void>.Entry {
        .init(id: id, holder: holder, reserves: reserves, waiter: ())
    }

    @Test("during a reservation only its holder passes, and then the line goes on in order")
    func reservation() {
        var turns = Turns<Void>()
        for waiting in [entry(1), entry(2, reserves: true), entry(3)] { _ = turns.append(waiting) }
        #expect(turns.next()?.id == 1)
        #expect(turns.next()?.id == 2)
        #expect(turns.next() == nil)
        _ = turns.append(entry(4, holder: 2))
        #expect(turns.next()?.id == 4)
        let left = turns.release(2)
        #expect(left.isEmpty)
        #expect(turns.next()?.id == 3)
    }

    @Test("what belongs to an ended reservation is refused, and what it left is handed back")
    func endedReservation() {
        var turns = Turns<Void>()
        _ = turns.append(entry(1, reserves: true))
        _ = turns.next()
        _ = turns.append(entry(2, holder: 1))
        #expect(turns.release(1).map(\.id) == [2])
        let isTaken = turns.append(entry(3, holder: 1))
        #expect(!isTaken)
    }

    @Test("a queue keeps its order through any mix of ends and removals")
    func queue() {
        var queue = Queue<Int>()
        for number in 0..<100 { queue.append(number) }
        let front = (0..<60).compactMap { _ in queue.popFirst() }
        #expect(front == Array(0..<60))
        let (present, absent) = (queue.remove { $0 == 70 }, queue.remove { $0 == 10 })
        #expect(present == 70 && absent == nil)
        queue.updateFirst { $0 = -1 }
        #expect(queue.first == -1 && queue.last == 99 && queue.count == 39)
        let rest = queue.removeAll()
        #expect(rest == [-1] + Array(61..<70) + Array(71..<100))
    }
}

@Suite struct StatementCacheTests {
    @Test("a text is prepared once for each set of types, and again after it was forgotten")
    func plans() {
        var cache = StatementCache()
        func plan(_ types: [UInt32]) -> StatementCache.Plan {
            cache.plan(for: "select $1", types: types, isConstant: true)
        }
        #expect(plan([20]) == .prepare(1))
        #expect(plan([20]) == .unprepared)
        cache.prepared(1)
        #expect(plan([20]) == .prepared(1))
        #expect(plan([25]) == .prepare(2))
        cache.forget(1)
        #expect(plan([20]) == .prepare(3))
    }

    @Test("composed texts are never prepared, and past the limit no others are")
    func limit() {
        var cache = StatementCache()
        #expect(cache.plan(for: "a", types: [], isConstant: false) == .unprepared)
        for number in 0..<StatementCache.limit {
            #expect(cache.plan(for: "\(number)", types: [], isConstant: true) == .prepare(number + 1))
        }
        #expect(cache.plan(for: "one more", types: [], isConstant: true) == .unprepared)
    }
}
