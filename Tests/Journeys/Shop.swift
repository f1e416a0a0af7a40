import Contract
import Foundation
import Kernel
import TestSupport
import Testing

/// An installation with the brand `demo` in it, as `infra/run.sh` makes it.
struct Shop: Sendable {
    let installation: Installation

    static func with(
        environment: [String: String] = [:], _ body: (Shop) async throws -> Void
    ) async throws {
        let shop = Shop(installation: try Installation(environment: environment))
        do {
            try await shop.installation.start()
            let made = try await shop.installation.run(
                "brand", "create", "demo", "--name", "Demo", "--country", "US", "--currency", "USD", "--plan",
                "enterprise")
            try #require(made.status == 0, "\(made.errors)\n\(shop.installation.logTail)")
            try await body(shop)
        } catch {
            await shop.installation.remove()
            throw error
        }
        await shop.installation.remove()
    }

    func brand() async throws -> BrandView {
        try await read(BrandView.self, "brand", "show", "demo")
    }

    func stats() async throws -> StatsView {
        try await read(StatsView.self, "brand", "stats", "demo")
    }

    func importHistory(_ history: OrderHistory, name: String = "history.txt") async throws
        -> Installation.Answer
    {
        let path = "\(installation.directory)/\(name)"
        try history.write(to: path)
        let arguments =
            ["events", "import", path, "--brand", "demo", "--output", "json"] + OrderHistory.options
        return try await installation.run(arguments)
    }

    /// Waits until every import has ended and nothing waits in the stream, then compares.
    func expectTotals(of history: OrderHistory) async throws {
        let deadline = ContinuousClock.now + .seconds(240)
        var stats: StatsView?
        while ContinuousClock.now < deadline {
            stats = try? await self.stats()
            if let stats, stats.orders == history.orders, stats.waiting == 0 { break }
            try await Task.sleep(for: .milliseconds(250))
        }
        let found = try #require(stats)
        #expect(found.orders == history.orders)
        #expect(found.events == history.orders)
        #expect(found.profiles == history.profiles)
        #expect(found.revenue == history.revenue.description)
    }

    private func read<Value: Decodable>(_ type: Value.Type, _ arguments: String...) async throws -> Value {
        let answer = try await installation.run(arguments + ["--output", "json"])
        guard answer.status == 0 else { throw Failure("\(arguments): \(answer.errors)") }
        return try JSONDecoder().decode(type, from: Data(answer.output.utf8))
    }
}
