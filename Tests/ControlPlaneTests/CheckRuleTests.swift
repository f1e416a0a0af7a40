import Contract
import Kernel
import Sealing
import Supervision
import Synchronization
import Testing

@testable import ControlPlane

@Suite("The rules of looking at the installation")
struct CheckRuleTests {
    private func checks(
        _ all: [Check], pauses: any Clock<Duration> = ContinuousClock(), limit: Duration = .seconds(5)
    ) -> Checks {
        Checks(all, clock: SystemWallClock(), pauses: pauses, limit: limit, logger: TestPlane.silent)
    }

    @Test("a check that hangs is a finding, is not begun again, and is as before once it has ended")
    func hanging() async throws {
        let (begun, held) = (Tally(), Hold())
        let ended = AsyncStream<Void>.makeStream()
        let checks = checks([
            // Also when its task is cancelled.
            Check(name: "hangs", remedy: "wait") {
                if begun.add(1) == 1 {
                    await held.wait()
                    ended.continuation.yield()
                }
                return .ok("back")
            },
            Check(name: "answers", remedy: "none") { .ok("here") },
        ])
        var view = await checks.view()
        #expect(view.status == .failed)
        #expect(view.findings.map(\.seen) == ["no answer within 5 s", "here"])
        view = await checks.view()
        #expect(view.findings[0].seen.contains("has not ended"), "\(view)")
        #expect(begun.now == 1)
        held.release()
        for await _ in ended.stream { break }
        repeat { view = await checks.view() } while view.findings[0].seen.contains("has not ended")
        #expect(view.findings.map(\.seen) == ["back", "here"])
    }

    @Test("who asks while a look goes on shares it")
    func shared() async throws {
        let (begun, held) = (Tally(), Hold())
        let (waits, wait) = AsyncStream.makeStream(of: Void.self)
        let checks = checks(
            [
                Check(name: "slow", remedy: "wait") {
                    begun.add(1)
                    await held.wait()
                    return .ok("once")
                }
            ], pauses: EndlessClock(wait: wait))
        let views = await withTaskGroup(of: CheckView.self) { group in
            for _ in 0..<5 { group.addTask { await checks.view() } }
            // One that does not wait to the end takes nothing from the others.
            let left = Task { await checks.view() }
            var waiting = 0
            for await _ in waits {
                waiting += 1
                if waiting == 6 { break }
            }
            left.cancel()
            _ = await left.value
            held.release()
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(views.allSatisfy { $0.findings.map(\.seen) == ["once"] }, "\(views)")
        #expect(begun.now == 1)
    }

    @Test("an error is a finding of one line; a part that answers badly is there nevertheless")
    func errors() async {
        let view = await checks(
            [
                Check(name: "control database", probed: .controlDatabase, remedy: "look") {
                    throw Fault(.unavailable, doing: "ask", "it is\naway")
                },
                Check(name: "redis", probed: .redis, remedy: "look") { .failed("ill") },
                Check(name: "on both", needs: [.controlDatabase, .redis], remedy: "look") { .ok("") },
                Check(name: "on redis", needs: [.redis], remedy: "look") { .ok("there") },
            ], limit: .seconds(60)
        ).view()
        #expect(
            view.findings.map(\.seen) == [
                "could not ask: it is away", "ill", "not looked at, without the control database", "there",
            ])
        #expect(view.findings.map(\.status) == [.failed, .failed, .warning, .ok])
        #expect(view.findings.map(\.remedy) == ["look", "look", nil, nil])
    }

    @Test("no more checks run at once than there are lanes")
    func lanes() async {
        let running = Tally()
        let all = (0..<12).map { number in
            Check(name: "\(number)", remedy: "none") {
                running.add(1)
                for _ in 0..<20 { await Task.yield() }
                running.add(-1)
                return .ok("")
            }
        }
        let view = await checks(all, limit: .seconds(60)).view()
        #expect(view.findings.count == 12 && view.status == .ok)
        #expect((1...Checks.lanes).contains(running.most))
    }

    @Test("a line begins with the worst, names three, and counts the others")
    func sums() {
        let troubles = [
            Trouble.warning("b", "slow"), .warning("a", "slow"), .failed("d", "gone"), .failed("c", "gone"),
            .warning("c", "slow"),
        ]
        let seen = Seen(troubles, among: 9, "brand")
        #expect(seen.text == "4 of 9 brands: c: gone, slow; d: gone; a: slow; and 1 more")
        #expect(seen.status == .failed)
        #expect(Seen([.warning("a", "slow")], among: 9, "job").status == .warning)
        let none = Seen([], among: 9, "brand")
        #expect(none.status == .ok && none.text == "9 brands" && none.brands.isEmpty)
    }

    @Test("below the watermark of intake a disk has failed, and near it there is a warning")
    func disks() {
        let watermark = InstanceConfiguration.lowDiskBytes
        #expect(ServerChecks.trouble("/d", free: watermark - 1)?.status == .failed)
        #expect(ServerChecks.trouble("/d", free: watermark)?.status == .warning)
        #expect(ServerChecks.trouble("/d", free: watermark * 4) == nil)
        #expect(ServerChecks.trouble("/d", free: 100 << 20)?.what.hasPrefix("100.0 MB free") == true)
    }

    @Test("a server that is too old, a standby, unsafe or nearly full is no sound one")
    func server() {
        func seen(
            _ number: Int = 150_014, isStandby: Bool = false, fsync: String = "on", used: Int = 10
        ) -> Finding.Status {
            ServerChecks.seen(
                .init(
                    versionNumber: number, version: "x", isStandby: isStandby,
                    durability: [("fsync", fsync), ("synchronous_commit", "remote_apply")], connections: used,
                    maximumConnections: 100), schema: nil
            ).status
        }
        #expect(seen() == .ok)
        #expect(seen(140_009) == .failed)
        #expect(seen(isStandby: true) == .failed)
        #expect(seen(fsync: "off") == .failed)
        #expect(seen(used: 81) == .warning)
    }

    @Test("an instance that is not what it is meant to be, or keeps dying, is a trouble")
    func instances() throws {
        let now = SystemWallClock().now()
        func brand(
            _ intent: Instance.Intent = .running, _ status: BrandView.Status = .active, paused: String? = nil
        ) throws -> CheckedBrand {
            CheckedBrand(
                id: BrandID(at: now), slug: try Slug("acme"), status: status, intent: intent, generation: 1,
                revision: 1, changedAt: now, pausedReason: paused, connections: 2, streamEntries: 10,
                redisPassword: SealedSecret(text: ""), failures: 0, error: nil, quarantinedUntil: nil)
        }
        func unit(_ state: UnitStatus.State, since seconds: Int = 0, restarts: Int = 0) -> UnitStatus {
            UnitStatus(state: state, restarts: restarts, since: now - .seconds(seconds), lastExit: "signal 9")
        }
        let table: [(CheckedBrand, UnitStatus?, String?)] = [
            (try brand(), nil, "not running, and meant to run"),
            (try brand(), unit(.ready), nil), (try brand(), unit(.asleep), nil),
            (try brand(), unit(.failed, since: 5, restarts: 1), "failed 5 s ago, signal 9, 1 restart"),
            (try brand(), unit(.stopped), "stopped, and meant to run"),
            (try brand(), unit(.starting, since: 60), nil),
            (try brand(), unit(.starting, since: 61), "starting for 61 s"),
            (try brand(), unit(.stopping, since: 61), "stopping for 61 s"),
            (
                try brand(), unit(.ready, since: 599, restarts: 3),
                "started again 3 times, 9 min ago at last, signal 9"
            ),
            (try brand(), unit(.ready, since: 600, restarts: 3), nil),
            (try brand(.stopped), nil, nil), (try brand(.stopped), unit(.stopped), nil),
            (try brand(.stopped), unit(.ready), "ready, and meant to be stopped"),
            (try brand(.running, .deleted), unit(.ready), "ready, and meant to be stopped"),
            (try brand(paused: "ana"), nil, "not running, and meant to run, and paused"),
        ]
        for (brand, unit, what) in table {
            #expect(WorkChecks.trouble(brand, unit, at: now)?.what == what)
        }
        #expect(WorkChecks.trouble(try brand(), nil, at: now)?.status == .failed)
        #expect(WorkChecks.trouble(try brand(paused: "ana"), nil, at: now)?.status == .warning)
        #expect(WorkChecks.trouble(try brand(), unit(.ready, restarts: 3), at: now)?.status == .warning)
    }

    @Test("of Redis's words its memory and the ends of its writes are read")
    func redis() {
        var facts = RedisFacts(info: "# Memory\r\nused_memory:850\r\nmaxmemory:1000\r\n")
        #expect(facts.memory.status == .warning)
        facts["used_memory"] = "800"
        #expect(facts.memory.status == .ok)
        facts["used_memory"] = "951"
        #expect(facts.memory.status == .failed)
        facts["maxmemory"] = "0"
        #expect(facts.memory.status == .warning)
        #expect(RedisFacts(info: "").memory.status == .warning)
        for (name, value) in [
            ("appendonly", "yes"), ("appendfsync", "always"), ("no-appendfsync-on-rewrite", "no"),
            ("maxmemory-policy", "volatile-ttl"), ("aof_last_write_status", "ok"),
        ] { facts[name] = value }
        #expect(facts.persistence.status == .ok)
        facts["aof_last_write_status"] = "err"
        #expect(facts.persistence.text == "aof_last_write_status is err")
    }

    @Test("lengths of time and sizes are as people say them")
    func words() {
        let lengths: [(Int, String)] = [
            (0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172_800, "2 days"),
        ]
        for (seconds, words) in lengths { #expect(Duration.seconds(seconds).inWords == words) }
        #expect(bytesInWords(3 << 29) == "1.5 GB")
        #expect(bytesInWords(2048) == "2 kB")
    }
}

/// A count, and the most that it was.
private final class Tally: Sendable {
    private let state = Mutex((now: 0, most: 0))

    var now: Int { state.withLock { $0.now } }
    var most: Int { state.withLock { $0.most } }

    @discardableResult
    func add(_ count: Int) -> Int {
        state.withLock { state in
            state = (state.now + count, max(state.most, state.now + count))
            return state.now
        }
    }
}

/// A clock on which no wait of a test ends, and which tells of each that begins.
private struct EndlessClock: Clock {
    let wait: AsyncStream<Void>.Continuation
    var now: ContinuousClock.Instant { .now }
    var minimumResolution: Duration { .nanoseconds(1) }

    func sleep(until _: ContinuousClock.Instant, tolerance _: Duration?) async throws {
        wait.yield()
        try await ContinuousClock().sleep(for: .seconds(86_400))
    }
}

/// Keeps a caller waiting until it is released, also when its task is cancelled.
private final class Hold: Sendable {
    private enum State {
        case open
        case waiting(CheckedContinuation<Void, Never>)
        case released
    }

    private let state = Mutex(State.open)

    func wait() async {
        await withCheckedContinuation { caller in
            let isReleased = state.withLock { state in
                if case .released = state { return true }
                state = .waiting(caller)
                return false
            }
            if isReleased { caller.resume() }
        }
    }

    func release() {
        let caller = state.withLock { state -> CheckedContinuation<Void, Never>? in
            defer { state = .released }
            if case .waiting(let caller) = state { return caller }
            return nil
        }
        caller?.resume()
    }
}
