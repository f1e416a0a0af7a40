import Kernel
import Redis
import Supervision
import Synchronization
import TestSupport
import Testing

@testable import ControlPlane

@Suite("Brands that sleep")
struct SleepTests {
    /// Says that these brands are asleep, and keeps whom it was asked to wake.
    private final class Sleepers: Supervisor {
        private let asleep: [String]
        private let wakened = Mutex<[String]>([])

        init(_ slugs: [Slug]) { asleep = slugs.map(\.unitName) }

        var woken: [String] { wakened.withLock { $0 } }

        func wake(_ name: String) async throws { wakened.withLock { $0.append(name) } }
        func statuses() async -> [String: UnitStatus] {
            var all: [String: UnitStatus] = [:]
            for name in asleep { all[name] = UnitStatus(state: .asleep, since: SystemWallClock().now()) }
            return all
        }
        func status(_ name: String) async -> UnitStatus? { await statuses()[name] }
        func start(_ unit: UnitSpecification) async throws {}
        func awaitReady(_ name: String) async throws {}
        func stop(_ name: String) async throws {}
        func restart(_ name: String) async throws {}
        func changes() async -> UnitChanges { fatalError("nobody listens here") }
    }

    @Test("of brands that sleep, those with an event in their stream are woken, and no others")
    func streams() async throws {
        let redis = RedisClient(try TestServers().redis, on: TestServers.reactor)
        let (full, empty, awake) = (try TestPlane.slug(), try TestPlane.slug(), try TestPlane.slug())
        for slug in [full, awake] { try await redis.send("XADD", slug.redisPrefix + "events", "*", "v", "1") }
        let sleepers = Sleepers([full, empty])
        let watch = StreamWatch(
            supervisor: sleepers, redis: redis, clock: ContinuousClock(), logger: TestPlane.silent)
        #expect(try await watch.pass() == [full])
        #expect(sleepers.woken == [full.unitName])
        for slug in [full, awake] { try await redis.send("DEL", slug.redisPrefix + "events") }
        #expect(try await watch.pass() == [])
        await redis.close()
    }

    @Test("a slug that is too long for a user's name gets another, always the same, of its own")
    func users() throws {
        #expect(try Slug(String(repeating: "a", count: 28)).systemUser == nil)
        let one = try #require(try Slug(String(repeating: "a", count: 29)).systemUser)
        let other = try #require(try Slug(String(repeating: "a", count: 32)).systemUser)
        #expect(one.utf8.count == 31 && one.hasPrefix("ci_") && one != other)
        #expect(try Slug(String(repeating: "a", count: 29)).systemUser == one)
    }
}
