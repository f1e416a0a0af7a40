import Contract
import Foundation
import Kernel
import Postgres
import TestSupport
import Testing

/// What operations stand on goes away in the middle of one.
@Suite("Faults in mid-operation", .serialized)
struct OperationFaults {
    private static let steps = ["createRoles", "project", "startInstance"]

    @Test("PostgreSQL killed between two steps costs the operation nothing but time", arguments: steps)
    func postgresKilled(_ step: String) async throws {
        try await withInstallation(frozenAfter: step) { installation in
            async let made = installation.run(OperationFaults.create)
            try await installation.whileDaemonIsFrozen {
                #expect(await installation.killProcesses(matching: "postgres -D") > 0)
            }
            let answer = try await made
            #expect(answer.status == 0, "\(answer.errors)\n\(installation.logTail)")
            try await expectWorking(installation)
        }
    }

    @Test("without a connection to be had, an operation ends done or takes everything back")
    func connectionsExhausted() async throws {
        try await withInstallation(frozenAfter: "createSchema") { installation in
            async let made = installation.run(OperationFaults.create)
            let idle = Idle()
            try await installation.whileDaemonIsFrozen {
                // The daemon's and the server's own ways in are closed as well.
                await idle.takeAll(of: installation)
            }
            #expect(await idle.count > 100)
            let before = try refusals(installation)
            for _ in 0..<3000 {
                if try refusals(installation) > before { break }
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(try refusals(installation) > before, "nobody has missed a connection")
            await idle.leave()
            try await expectEnd(try await made, installation)
        }
    }

    @Test("on a disk that is full to the last byte, an operation ends done or takes everything back")
    func diskFull() async throws {
        try await withInstallation(frozenAfter: "createRoles", postgresMegabytes: 256) { installation in
            async let made = installation.run(OperationFaults.create)
            try await installation.whileDaemonIsFrozen { try await installation.fillDisk() }
            for _ in 0..<3000 {
                if try lines(installation, with: "No space left on device") > 0 { break }
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(try lines(installation, with: "No space left on device") > 0, "nobody has missed room")
            try await installation.freeDisk()
            try await expectEnd(try await made, installation)
        }
    }

    @Test("on a disk without room a restore is not begun; on one that fills up meanwhile it changes nothing")
    func diskFullOfRestore() async throws {
        let armed = ["CONSTINTEL_FAILPOINT": "brand.restore.choose.afterJournal:demo=stop"]
        let installation = try Installation(environment: armed, postgresMegabytes: 768)
        do {
            try await installation.start()
            let made = try await installation.run(OperationFaults.create)
            try #require(made.status == 0, "\(made.errors)")
            let event =
                #"{"eventId":"1","type":"purchase","identifiers":{"email":"a@example.com"},"#
                + #""properties":{"orderId":"1","total":"7.00"}}"#
            let sent = try await installation.run(["events", "send", "--brand", "demo"], input: event)
            #expect(sent.status == 0)
            let backedUp = try await installation.run("backup", "create", "demo")
            try #require(backedUp.status == 0, "\(backedUp.errors)")
            let restore = ["backup", "restore", "demo", "--confirm", "demo"]

            async let restored = installation.run(restore)
            try await installation.whileDaemonIsFrozen { try await installation.fillDisk() }
            for _ in 0..<3000 {
                if try lines(installation, with: "No space left on device") > 0 { break }
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(try lines(installation, with: "No space left on device") > 0, "nobody has missed room")
            try await installation.freeDisk()
            // It has failed for good, or has found room again and is done.
            _ = try await restored
            // Full from the beginning, it is told before anything is done.
            try await installation.fillDisk()
            let refused = try await installation.run(restore)
            try await installation.freeDisk()
            #expect(refused.status == 1 && refused.errors.contains("may be needed"), "\(refused.errors)")
            try await expectWorking(installation)
            let stats = try await installation.run("brand", "stats", "demo", "--output", "json")
            let figures = try JSONDecoder().decode(StatsView.self, from: Data(stats.output.utf8))
            #expect(figures.events == 1 && figures.revenue == "7.00")
            let refold = try await installation.run("brand", "refold", "demo", "--plan")
            #expect(refold.status == 0, "\(refold.output)")
            await installation.remove()
        } catch {
            await installation.remove()
            throw error
        }
    }

    private static let create = ["brand", "create", "demo"]

    private func withInstallation(
        frozenAfter step: String, postgresMegabytes: Int? = nil,
        _ body: (Installation) async throws -> Void
    ) async throws {
        let armed = "brand.provision.\(step).afterJournal:demo=stop"
        let installation = try Installation(
            environment: ["CONSTINTEL_FAILPOINT": armed], postgresMegabytes: postgresMegabytes)
        do {
            try await installation.start()
            try await body(installation)
            await installation.remove()
        } catch {
            await installation.remove()
            throw error
        }
    }

    /// How often PostgreSQL has refused a connection for want of a place.
    private func refusals(_ installation: Installation) throws -> Int {
        try ["too many clients already", "remaining connection slots"]
            .map { try lines(installation, with: $0) }.reduce(0, +)
    }

    /// How many lines of PostgreSQL's log have these words.
    private func lines(_ installation: Installation, with words: String) throws -> Int {
        let log = try String(contentsOfFile: "\(installation.directory)/log/postgres.log", encoding: .utf8)
        return log.split(separator: "\n").count { $0.contains(words) }
    }

    /// What was asked for is there, or nothing of it is and it can be asked for again.
    private func expectEnd(_ answer: Installation.Answer, _ installation: Installation) async throws {
        if answer.status != 0 {
            let shown = try await installation.run("brand", "show", "demo")
            #expect(shown.status != 0, "what failed was taken back: \(shown.output)")
            let again = try await installation.run(OperationFaults.create)
            #expect(again.status == 0, "\(again.errors)")
        }
        try await expectWorking(installation)
    }

    private func expectWorking(_ installation: Installation) async throws {
        let answer = try await installation.run("brand", "show", "demo", "--output", "json")
        let brand = try JSONDecoder().decode(BrandView.self, from: Data(answer.output.utf8))
        #expect(brand.status == .trial && brand.instance.state == "ready")
        let restarted = try await installation.run("instance", "restart", "demo")
        #expect(restarted.status == 0, "\(restarted.errors)")
    }
}

/// Sessions that do nothing but be there.
private actor Idle {
    private var connections: [PostgresConnection] = []

    var count: Int { connections.count }

    /// Connects until the server has no place left.
    func takeAll(of installation: Installation) async {
        let directory = installation.directory
        guard
            let password = try? String(
                contentsOfFile: "\(directory)/secrets/postgres-password", encoding: .utf8)
        else { return }
        let configuration = PostgresConfiguration(
            host: "\(directory)/run", database: "postgres", user: "constintel", password: Secret(password),
            applicationName: "idle")
        while let one = try? await PostgresConnection.connect(configuration, on: TestServers.reactor) {
            connections.append(one)
        }
    }

    func leave() async {
        for connection in connections { await connection.close() }
        connections = []
    }
}
