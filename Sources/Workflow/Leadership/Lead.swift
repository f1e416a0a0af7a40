import Logging
import Postgres

/// The lead over an installation, from `Leadership.acquire` until it is lost or released.
package actor Lead {
    /// Its number; no other lead has or will have it.
    package nonisolated let term: Int64
    /// The settings that the sessions of all pools must begin with, in both databases.
    package nonisolated let session: [String: String]
    private let leadership: Leadership
    private let settings: Leadership.Settings
    private let logger: Logger
    private var connection: PostgresConnection
    /// When the last heartbeat that was answered was sent. The clock goes on while the process is frozen.
    private var lastSign = ContinuousClock.now

    init(
        term: Int64, session: [String: String], connection: PostgresConnection, leadership: Leadership,
        settings: Leadership.Settings, logger: Logger
    ) {
        self.term = term
        self.session = session
        self.connection = connection
        self.leadership = leadership
        self.settings = settings
        self.logger = logger
    }

    /// Keeps the lead until its task is cancelled.
    ///
    /// - Throws: `LeadLost`. The process must leave at once then, and touch nothing: somebody else leads.
    package func keep() async throws {
        while true {
            try await Task.sleep(for: settings.heartbeat)
            do {
                try await beat()
            } catch let lost as LeadLost {
                throw lost
            } catch {
                try Task.checkCancellation()
                guard settings.isAlone else { throw LeadLost(reason: "\(error)") }
                logger.warning("the lead's connection is lost, and is made again: \(error)")
                try await regain()
            }
        }
    }

    /// Lets another daemon lead.
    package func release() async { await connection.close() }

    /// Shows the server that this process is alive, and sees that its term is the present one.
    private func beat() async throws {
        let now = ContinuousClock.now
        let silence = lastSign.duration(to: now)
        guard silence < settings.limit else {
            throw Silence(description: "there was no heartbeat for \(silence)")
        }
        let present = try await answer(within: settings.limit - silence)
        guard present.term == term else { throw superseded(by: present) }
        lastSign = now
    }

    /// A server that does not answer in time may have given the lead to somebody else already.
    private func answer(within limit: Duration) async throws -> (term: Int64, holder: String) {
        try await withThrowingTaskGroup(of: (term: Int64, holder: String)?.self) { [connection] group in
            defer { group.cancelAll() }
            group.addTask { try await LeadershipStore.present(connection) }
            group.addTask {
                try await Task.sleep(for: limit)
                // Cancelling a statement takes a server that answers.
                await connection.close()
                return nil
            }
            guard let first = try await group.next(), let present = first else {
                throw Silence(description: "the database has not answered a heartbeat")
            }
            return present
        }
    }

    /// Where nobody else can lead: takes the lock again, as soon as there is a server, for the same term.
    private func regain() async throws {
        await connection.close()
        while true {
            do {
                let candidate = try await leadership.connect()
                let isLocked = try await LeadershipStore.tryLock(candidate)
                let present = try await LeadershipStore.present(candidate)
                guard isLocked, present.term == term else {
                    await candidate.close()
                    if present.term != term { throw superseded(by: present) }
                    throw Silence(description: "the server has not noticed yet")
                }
                connection = candidate
                lastSign = ContinuousClock.now
                logger.notice("leading again", metadata: ["term": "\(term)"])
                return
            } catch let lost as LeadLost {
                throw lost
            } catch {
                try Task.checkCancellation()
                try await Task.sleep(for: settings.poll)
            }
        }
    }

    private func superseded(by present: (term: Int64, holder: String)) -> LeadLost {
        LeadLost(reason: "\(present.holder) leads, in term \(present.term)")
    }

    /// The server and this process have not heard of each other.
    private struct Silence: Error, CustomStringConvertible {
        let description: String
    }
}
