import Contract
import Events
import Kernel
import Logging
import Postgres
import ServiceLifecycle

/// Re-folds the brand when it is asked to, one re-fold at a time.
///
/// A re-fold is one transaction. Killed anywhere it has changed nothing, and it is not begun again: whoever
/// asked for it is told so.
struct Refolds: Service {
    /// The kind of these operations.
    static let kind = "identity.refold"
    /// How often work that another process has left is looked for.
    static let period = Duration.seconds(5)
    static let abandoned = "the process that did it ended before it was done; nothing was changed, ask again"

    private let database: PostgresPool
    private let writer: WriterDatabase
    private let settings: @Sendable () -> BrandSettings
    private let clock: any WallClock
    private let logger: Logger
    private let operations: OperationStore
    private let store: RefoldOperationStore
    private let poke = Arrivals()

    init(
        database: PostgresPool, writer: WriterDatabase, settings: @escaping @Sendable () -> BrandSettings,
        clock: any WallClock, logger: Logger
    ) {
        self.database = database
        self.writer = writer
        self.settings = settings
        self.clock = clock
        self.logger = logger
        operations = OperationStore(database: database)
        store = RefoldOperationStore(database: database)
    }

    /// Accepts a re-fold.
    ///
    /// - Throws: `Fault.conflict` when one is open.
    func request(_ request: RefoldRequest, brand: Slug, doing: String) async throws -> OperationView {
        let now = clock.now()
        let operation = OperationStore.Open(
            id: OperationID(at: now), kind: Refolds.kind, subject: brand.text,
            input: try JSONB(encoding: request), createdAt: now)
        guard try await store.create(operation) else {
            throw Fault(.conflict, doing: doing, "a re-fold is open already; wait until it has ended")
        }
        poke.announce()
        return OperationView(
            id: operation.id, kind: Refolds.kind, subject: brand.text, state: .pending, createdAt: now,
            updatedAt: now)
    }

    /// Does what is open until a graceful shutdown.
    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await performOpen()
                } catch {
                    warn("the open re-folds cannot be read", error)
                }
                await poke.wait(atMost: Refolds.period)
            }
        }
    }

    /// Does what is open, and ends what another process has left.
    func performOpen() async throws {
        if try await store.failAbandoned(Refolds.abandoned) > 0 { logger.warning("a re-fold was abandoned") }
        for operation in try await operations.open(kind: Refolds.kind) where !Task.isCancelled {
            guard try await store.begin(operation.id) else { continue }
            do {
                try await perform(operation)
            } catch {
                guard !Task.isCancelled else { return }
                warn("a re-fold failed", error)
                let fault = error as? Fault ?? Fault.database(error, doing: "re-fold the brand")
                try await store.fail(operation.id, "could not \(fault.doing): \(fault.detail)")
            }
        }
    }

    private func perform(_ operation: OperationStore.Open) async throws {
        let (id, store) = (operation.id, store)
        let refold = Refold(settings: settings()) { [operations] done, total in
            // That it cannot be told how far the work has come is no reason to stop it.
            try? await operations.advance(
                id, to: .init(done: done, total: total, unit: "events"), counts: [:])
        }
        if try operation.input.decode(RefoldRequest.self).apply {
            try await writer.transaction { transaction in
                guard try await store.hold(id, in: transaction) else { return }
                try await store.finish(id, refold.apply(in: transaction), on: transaction)
            }
        } else {
            let report = try await database.transaction(.repeatableRead) { transaction in
                try await refold.keepMonths(in: transaction)
                return try await store.hold(id, in: transaction) ? refold.plan(in: transaction) : nil
            }
            if let report { try await store.finish(id, report, on: database) }
        }
        logger.info("a re-fold ended", metadata: ["operation": "\(id)"])
    }

    private func warn(_ what: String, _ error: any Error) {
        if !Task.isCancelled { logger.warning("\(what)", metadata: ["error": "\(error)"]) }
    }
}
