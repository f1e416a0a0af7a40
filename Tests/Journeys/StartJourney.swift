import Foundation
import Kernel
import TestSupport
import Testing

@Suite("Starting where something is left", .serialized)
struct StartJourney {
    @Test("a daemon that has found PostgreSQL running, just before it died, waits for the next one")
    func dyingDatabase() async throws {
        let installation = try Installation()
        do {
            try await installation.start()
            await installation.killDaemon()
            // It is there, and will never answer.
            let postmaster = "/bin/postgres -D"
            #expect(await installation.signal(SIGSTOP, toProcessesMatching: postmaster) == 1)
            async let started: Void = installation.start()
            var looks = 0
            while !installation.logTail.contains("postgres is running already and is adopted") {
                looks += 1
                try #require(looks < 6000, "PostgreSQL is not adopted: \(installation.logTail)")
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(await installation.signal(SIGKILL, toProcessesMatching: postmaster) == 1)
            try await started
            let status = try await installation.run("status")
            #expect(status.status == 0, "\(status.errors)")
        } catch {
            await installation.remove()
            throw error
        }
        await installation.remove()
    }
}
