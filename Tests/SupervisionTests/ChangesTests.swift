import Glibc
import Synchronization
import Testing

@testable import Supervision

@Suite("What a supervisor signals", .timeLimit(.minutes(2)))
struct ChangesTests {
    @Test("a reader that is slow sees each name once, in the order of the first change")
    func coalesces() async {
        let board = UnitChangeBoard()
        var changes = board.changes().makeAsyncIterator()
        for name in ["b", "a", "b", "b", "c", "a"] { board.announce(name) }
        #expect([await changes.next(), await changes.next(), await changes.next()] == ["b", "a", "c"])
        board.announce("a")
        #expect(await changes.next() == "a")
    }

    @Test("no change is lost between two readers, nor between a reader's looks")
    func losesNothing() async {
        let board = UnitChangeBoard()
        let rounds = 2000
        let readers = (0..<2).map { _ in board.changes() }
        await withTaskGroup(of: Int.self) { group in
            for reader in readers {
                group.addTask {
                    var seen: Set<String> = []
                    for await name in reader {
                        seen.insert(name)
                        if seen.count == rounds { break }
                    }
                    return seen.count
                }
            }
            group.addTask {
                for round in 0..<rounds {
                    board.announce("unit \(round)")
                    if round.isMultiple(of: 7) { await Task.yield() }
                }
                return rounds
            }
            for await count in group { #expect(count == rounds) }
        }
    }

    @Test("a slow reader that looks when it reads a name ends up knowing the last change of every unit")
    func seesTheLast() async {
        let board = UnitChangeBoard()
        let names = (0..<20).map { "unit \($0)" }
        let versions = Mutex<[String: Int]>([:])
        let changes = board.changes()
        let (rounds, end) = (500, "end")
        async let seen = {
            var seen: [String: Int] = [:]
            var reads = 0
            for await name in changes {
                if name == end { break }
                seen[name] = versions.withLock { $0[name] }
                reads += 1
                // Slower than the changes come.
                for _ in 0..<5 { await Task.yield() }
            }
            return (seen, reads)
        }()
        for round in 1...rounds {
            for name in names where !round.isMultiple(of: 3) || name.hasSuffix("1") {
                versions.withLock { $0[name] = round }
                board.announce(name)
            }
            await Task.yield()
        }
        board.announce(end)
        let (last, reads) = await seen
        #expect(last == versions.withLock { $0 })
        #expect(reads < rounds * names.count, "changes that were not read yet are one")
    }

    @Test("a unit that dies again and again while nobody reads is named after the last time")
    func diesUnread() async throws {
        let directory = try TestDirectory()
        try await running(directory.supervisor()) { supervisor in
            var changes = await supervisor.changes().makeAsyncIterator()
            let (restless, quiet) = (directory.steady("restless"), directory.steady("quiet"))
            for unit in [restless, quiet] {
                try await supervisor.start(unit)
                try await supervisor.awaitReady(unit.name)
            }
            for round in 1...3 {
                kill(try #require(await supervisor.status("restless")?.pid), SIGKILL)
                while await supervisor.status("restless").map({ $0.restarts < round || $0.state != .ready })
                    ?? true
                {
                    await pollingPause()
                }
            }
            try await supervisor.stop("quiet")
            #expect([await changes.next(), await changes.next()] == ["restless", "quiet"])
            #expect(await supervisor.status("restless")?.restarts == 3)
            #expect(await supervisor.status("quiet") == nil)
        }
    }

    @Test("a reader's stream ends when its task is cancelled")
    func ends() async {
        let board = UnitChangeBoard()
        let changes = board.changes()
        let reader = Task { for await _ in changes {} }
        reader.cancel()
        await reader.value
        board.announce("nobody listens")
    }

    @Test("a unit is named when it becomes ready, when it dies, when it is back and when it is stopped")
    func life() async throws {
        let directory = try TestDirectory()
        try await running(directory.supervisor()) { supervisor in
            var changes = await supervisor.changes().makeAsyncIterator()
            /// Reads names until the unit is as wanted: no look but those that a signal causes.
            func until(_ isReached: (UnitStatus?) -> Bool) async throws -> UnitStatus? {
                while let name = await changes.next() {
                    #expect(name == "unit")
                    let status = await supervisor.status(name)
                    if isReached(status) { return status }
                }
                return nil
            }
            let unit = directory.steady("unit")
            try await supervisor.start(unit)
            let ready = try #require(await until { $0?.state == .ready })
            #expect(ready.specification == unit.digest)
            kill(try #require(ready.pid), SIGKILL)
            let back = try await until { $0?.state == .ready && $0?.restarts == 1 }
            #expect(back?.pid != ready.pid)
            try await supervisor.stop("unit")
            #expect(try await until { $0 == nil } == nil)
        }
    }
}
