import Contract
import Foundation
import Kernel
import TestSupport
import Testing

/// An installation with the brand `demo` in it, as `infra/run.sh` makes it.
struct Shop: Sendable {
    let installation: Installation

    static func with<Value>(
        environment: [String: String] = [:], templates: String? = nil,
        _ body: (Shop) async throws -> Value
    ) async throws -> Value {
        let shop = Shop(installation: try Installation(environment: environment, templates: templates))
        do {
            try await shop.installation.start()
            let made = try await shop.installation.run(
                "brand", "create", "demo", "--name", "Demo", "--country", "US", "--currency", "USD",
                "--brand-plan", "enterprise")
            try #require(made.status == 0, "\(made.errors)\n\(shop.installation.logTail)")
            let value = try await body(shop)
            await shop.installation.remove()
            return value
        } catch {
            await shop.installation.remove()
            throw error
        }
    }

    /// A new key of the brand.
    func key() async throws -> String {
        let made = try await installation.run("key", "create", "demo", "--name", "client", "--output", "json")
        guard made.status == 0 else { throw Failure("no key: \(made.errors)") }
        return try JSONDecoder().decode(KeyCreated.self, from: Data(made.output.utf8)).key
    }

    func brand() async throws -> BrandView {
        try await read(BrandView.self, "brand", "show", "demo")
    }

    func stats() async throws -> StatsView {
        try await read(StatsView.self, "brand", "stats", "demo")
    }

    /// Kills a kind of process, the daemon alone, or all; gives how many died by it. What a supervisor does
    /// not start again is started here.
    func kill(_ victim: String) async throws -> Int {
        switch victim {
        case "daemon":
            await installation.killDaemon()
            try await installation.start()
            return 1
        case "all":
            await installation.killEverything()
            try await installation.start()
            return 1
        default:
            return await installation.killProcesses(matching: victim) > 0 ? 1 : 0
        }
    }

    /// Waits until nothing waits in the stream.
    func drained() async throws {
        let deadline = ContinuousClock.now + .seconds(240)
        while ContinuousClock.now < deadline {
            if let stats = try? await stats(), stats.waiting == 0 { return }
            try await Task.sleep(for: .milliseconds(200))
        }
        throw Failure("the stream is not drained\n\(installation.logTail)")
    }

    /// Expects that a re-fold of the brand finds nothing to put right.
    func isAsFolded() async throws {
        let refold = try await installation.run("brand", "refold", "demo", "--plan")
        #expect(refold.status == 0, "\(refold.output)\(refold.errors)")
    }

    /// The tables after so many steps, once everything is committed, the totals are what was sent, and a
    /// re-fold finds no difference.
    func tables(after workload: Workload, steps: Int) async throws -> TenantTables {
        try await drained()
        #expect(try await stats().events == steps * (workload.rowsPerStep + workload.eventsPerStep))
        try await isAsFolded()
        return try await TenantTables.read(from: installation)
    }

    private func read<Value: Decodable>(_ type: Value.Type, _ arguments: String...) async throws -> Value {
        let answer = try await installation.run(arguments + ["--output", "json"])
        guard answer.status == 0 else { throw Failure("\(arguments): \(answer.errors)") }
        return try JSONDecoder().decode(type, from: Data(answer.output.utf8))
    }
}
