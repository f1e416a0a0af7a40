import Glibc
import Kernel
import Logging
import Postgres
import Reactor

/// How one of several daemons over the same databases comes to lead: by a lock of the control database.
///
/// The lock is a session's, so it goes with the connection; a server-side time-out ends the session of a
/// leader that has frozen. The lock only elects. What makes it safe is the term, which rises with each leader
/// and which every write is checked against: a former leader that does not know it yet can write nothing.
package struct Leadership: Sendable {
    /// The times of an election, and who stands for it.
    package struct Settings: Sendable {
        /// How often a standby asks for the lock.
        package var poll = Duration.milliseconds(250)
        /// How often a leader shows the server that it is alive.
        package var heartbeat = Duration.seconds(2)
        /// After so long without a sign the server frees the lead, and the leader gives it up by itself.
        package var limit = Duration.seconds(10)
        /// How long a transaction of a leader may lie idle: a frozen one's is in the next one's way.
        package var idleTransaction = Duration.seconds(10)
        /// That no other daemon can be, as in embedded mode: then a lead whose connection was lost, since
        /// PostgreSQL was restarted, is taken up again, as long as its term is the present one.
        package var isAlone = false
        /// Who leads, as people are told.
        package var holder = Settings.thisProcess

        package init() {}

        /// `<host> pid <number>`.
        package static let thisProcess: String = {
            var name = [CChar](repeating: 0, count: 256)
            let isKnown = gethostname(&name, name.count - 1) == 0
            let host = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            return "\(isKnown ? String(decoding: host, as: UTF8.self) : "localhost") pid \(getpid())"
        }()
    }

    private let control: PostgresConfiguration
    private let brands: PostgresConfiguration
    private let reactor: Reactor
    private let clock: any WallClock
    private let settings: Settings
    private let logger: Logger

    /// An election over these two databases, which exist; the control database has its schema.
    package init(
        control: PostgresConfiguration, brands: PostgresConfiguration, reactor: Reactor,
        clock: any WallClock = SystemWallClock(), settings: Settings = Settings(), logger: Logger
    ) {
        self.control = control
        self.brands = brands
        self.reactor = reactor
        self.clock = clock
        self.settings = settings
        self.logger = logger
    }

    /// Returns once this daemon leads: both databases know its term then. It is a standby until that is so.
    package func acquire() async throws -> Lead {
        var told: String?
        func tell(_ news: String) {
            if told != news { logger.notice("\(news)") }
            told = news
        }
        while true {
            do {
                let connection = try await connect()
                do {
                    while try await !LeadershipStore.tryLock(connection) {
                        let leader = try await LeadershipStore.present(connection)
                        tell("standing by: \(leader.holder) leads, in term \(leader.term)")
                        try await Task.sleep(for: settings.poll)
                    }
                    let lead = try await begin(connection)
                    logger.notice(
                        "leading", metadata: ["term": "\(lead.term)", "holder": "\(settings.holder)"])
                    return lead
                } catch {
                    await connection.close()
                    throw error
                }
            } catch {
                try Task.checkCancellation()
                tell("cannot ask for the lead: \(error)")
            }
            try await Task.sleep(for: settings.poll)
        }
    }

    /// What the sessions of this term's pools carry.
    private func session(_ term: Int64) -> [String: String] {
        [
            LeadershipStore.setting: "\(term)",
            "idle_in_transaction_session_timeout": settings.idleTransaction.milliseconds,
        ]
    }

    func connect() async throws -> PostgresConnection {
        var own = control.with(settings: ["idle_session_timeout": settings.limit.milliseconds])
        own.applicationName = "constinteld leader"
        return try await PostgresConnection.connect(own, on: reactor)
    }

    /// Raises the term in both databases, the lock being held. Whoever led before can write no more then.
    private func begin(_ connection: PostgresConnection) async throws -> Lead {
        let other = try await PostgresConnection.connect(
            brands.with(settings: ["idle_session_timeout": settings.limit.milliseconds]), on: reactor)
        do {
            try await LeadershipStore.prepare(brands: other)
            let term = try await LeadershipStore.raise(
                connection, above: LeadershipStore.term(brands: other), holder: settings.holder,
                at: clock.now())
            let lead = Lead(
                term: term, session: session(term), connection: connection, leadership: self,
                settings: settings, logger: logger)
            try await withThrowingTaskGroup(of: Void.self) { group in
                // The brands database may have to wait for transactions of the one before.
                group.addTask { try await lead.keep() }
                group.addTask { [settings, clock] in
                    guard
                        try await LeadershipStore.write(
                            term, brands: other, holder: settings.holder, at: clock.now())
                    else { throw LeadLost(reason: "the brands database knows a later term") }
                }
                defer { group.cancelAll() }
                try await group.next()
            }
            await other.close()
            return lead
        } catch {
            await other.close()
            throw error
        }
    }
}

/// Why a daemon that led does not any more.
package struct LeadLost: Error, CustomStringConvertible {
    let reason: String
    package var description: String { "the lead is lost: \(reason)" }
}

extension Duration {
    /// As PostgreSQL's settings take it.
    fileprivate var milliseconds: String { "\(Int64(self / .milliseconds(1)))" }
}
