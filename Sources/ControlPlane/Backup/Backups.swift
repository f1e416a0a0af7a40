import Backup
import Contract
import Kernel
import Logging
import Postgres
import Sealing
import Workflow

/// Beginning backups, drills and restores, and saying what there is.
struct Backups: Sendable {
    let store: BackupStore
    let receipts: BackupReceiptStore
    let formers: FormerSchemaStore
    let scratch: ScratchSchemaStore
    let brands: BrandStore
    let intents: BrandIntentStore
    let operations: OperationStore
    let executor: SagaExecutor
    let backingUp: Saga
    let drill: Saga
    let restore: Saga
    let swapBack: Saga
    let recovery: Saga
    let cloning: Saga
    let controlBackup: Saga
    let tenants: TenantStore
    let receiptKey: VerifyingKey
    let clock: any WallClock

    /// How often each brand's newest backup is tried.
    static let drillPeriod = Duration.days(7)
    /// Backups and drills that wait at most; the rest comes with the next look.
    static let mostOpen = 50
    /// How long a former state may be kept.
    static let longestKeepDays = 365

    /// Begins a backup of the brand.
    ///
    /// - Throws: `Fault.notFound`, `Fault.conflict` when one is going on or the brand is not provisioned.
    func backUp(
        _ slug: Slug, by principal: String, in transaction: PostgresTransaction
    ) async throws -> OperationView {
        try await requireLiving(slug, doing: "back the brand up", in: transaction)
        return try await begin(backingUp, slug.backupSubject, [:], by: principal, in: transaction)
    }

    /// Begins a drill with a backup of the brand; with the newest where none is named.
    func verify(
        _ slug: Slug, _ backup: OperationID?, by principal: String, in transaction: PostgresTransaction
    ) async throws -> OperationView {
        try await requireLiving(slug, doing: "verify the backup", in: transaction)
        try await requireBackup(slug, backup, doing: "verify the backup")
        return try await begin(
            drill, slug.backupSubject, backup.map { ["backup": "\($0)"] } ?? [:], by: principal,
            in: transaction)
    }

    /// Begins to restore a backup over the brand.
    func restore(
        _ slug: Slug, _ wish: BackupRestore, by principal: String, in transaction: PostgresTransaction
    ) async throws -> OperationView {
        let input = try await checked(slug, wish, in: transaction)
        return try await begin(restore, slug.text, input, by: principal, in: transaction)
    }

    /// What `restore` would do; it refuses what that would refuse.
    func planRestore(_ slug: Slug, _ wish: BackupRestore) async throws -> OperationPlan {
        let input = try await intents.pool.transaction { try await checked(slug, wish, in: $0) }
        return try await OperationPlan(of: restore, on: slug, input: input)
    }

    /// Begins to put the state back that the last restore has put aside.
    func swapBack(
        _ slug: Slug, by principal: String, in transaction: PostgresTransaction
    ) async throws -> OperationView {
        try await checkSwapBack(slug, in: transaction)
        return try await begin(swapBack, slug.text, [:], by: principal, in: transaction)
    }

    /// What `swapBack` would do.
    func planSwapBack(_ slug: Slug) async throws -> OperationPlan {
        try await intents.pool.transaction { try await checkSwapBack(slug, in: $0) }
        return try await OperationPlan(of: swapBack, on: slug, input: [:])
    }

    /// Begins to bring back a brand of which nothing is left but what the control plane knows.
    ///
    /// - Throws: `Fault.conflict` when its schema is there: that is restored instead.
    func recover(
        _ slug: Slug, by principal: String, in transaction: PostgresTransaction
    ) async throws -> OperationView {
        _ = try await intents.read(slug, in: transaction)
        guard try await !tenants.hasSchema(slug) else {
            throw Fault(
                .conflict, doing: Recovering.doing,
                "its schema is there; 'constintel backup restore' brings back an earlier state of it")
        }
        return try await begin(recovery, slug.text, [:], by: principal, in: transaction)
    }

    /// Reserves a new brand, and begins to fill it from a backup of `source`.
    func clone(
        _ source: Slug, _ wish: BrandClone, by principal: String, in transaction: PostgresTransaction
    ) async throws -> OperationView {
        let copy = try BrandCopy(wish)
        let input = try await checked(source, wish, in: transaction)
        try await brands.insert(copy, of: source, id: BrandID(at: clock.now()), in: transaction)
        return try await begin(cloning, copy.slug.text, input, by: principal, in: transaction)
    }

    /// What `clone` would do; it refuses what that would refuse.
    func planClone(_ source: Slug, _ wish: BrandClone) async throws -> OperationPlan {
        let copy = try BrandCopy(wish)
        let input = try await intents.pool.transaction { try await checked(source, wish, in: $0) }
        try await brands.requireFree(copy.slug, plan: brands.brand(source)?.plan ?? "")
        return try await OperationPlan(of: cloning, on: copy.slug, input: input)
    }

    /// Begins a backup of the control plane itself.
    func backUpControl(
        by principal: String, in transaction: PostgresTransaction
    ) async throws -> OperationView {
        try await begin(controlBackup, ControlBackingUp.subject, [:], by: principal, in: transaction)
    }

    /// The newest receipt of the brand.
    ///
    /// - Throws: `Fault.notFound` when no backup of it was tried yet.
    func receipt(_ slug: Slug) async throws -> BackupReceiptView {
        guard var receipt = try await receipts.newest(of: slug) else {
            throw Fault(.notFound, doing: "show the receipt", "no backup of the brand was verified yet")
        }
        receipt.key = Base64URL.encode(receiptKey.bytes)
        receipt.isVerified = Base64URL.decode(receipt.signature).map {
            receiptKey.verify($0, of: Array(receipt.statement.utf8))
        }
        return receipt
    }
}

extension Backups {
    private func begin(
        _ saga: Saga, _ subject: String, _ input: Step.Output, by principal: String,
        in transaction: PostgresTransaction
    ) async throws -> OperationView {
        let now = clock.now()
        let id = UUIDv7(at: now)
        try await operations.insert(
            OperationDraft(id: id, saga: saga, subject: subject, input: input, requestedBy: principal),
            in: transaction)
        return OperationView(
            id: OperationID(id), kind: saga.kind, subject: subject, state: .pending,
            requestedBy: principal, createdAt: now, updatedAt: now)
    }

    private func requireBackup(_ slug: Slug, _ backup: OperationID?, doing: String) async throws {
        guard try await store.backup(of: slug, backup?.uuid) == nil else { return }
        throw Fault(
            backup == nil ? .conflict : .invalid, doing: doing,
            backup == nil ? "the brand has no backup yet" : "the brand has no such backup",
            field: backup == nil ? nil : "backup")
    }

    private func checked(
        _ slug: Slug, _ wish: BackupRestore, in transaction: PostgresTransaction
    ) async throws -> Step.Output {
        let doing = "restore the brand"
        guard wish.confirm == slug.text else {
            throw Fault(.invalid, doing: doing, "expected the brand's slug once more", field: "confirm")
        }
        guard (1...Backups.longestKeepDays).contains(wish.keepDays ?? 1) else {
            throw Fault(
                .invalid, doing: doing, "expected 1 to \(Backups.longestKeepDays) days", field: "keepDays")
        }
        try await requireLiving(slug, doing: doing, in: transaction)
        try await requireBackup(slug, wish.backup, doing: doing)
        var input: Step.Output = ["discardLater": "\(wish.discardLater ?? false)"]
        input["backup"] = wish.backup.map { "\($0)" }
        input["keepDays"] = wish.keepDays.map { "\($0)" }
        return input
    }

    private func checked(
        _ source: Slug, _ wish: BrandClone, in transaction: PostgresTransaction
    ) async throws -> Step.Output {
        try await requireLiving(source, doing: BrandCopy.doing, in: transaction)
        try await requireBackup(source, wish.backup, doing: BrandCopy.doing)
        var input: Step.Output = ["source": source.text]
        input["backup"] = wish.backup.map { "\($0)" }
        return input
    }

    private func checkSwapBack(_ slug: Slug, in transaction: PostgresTransaction) async throws {
        let doing = "swap the brand back"
        try await requireLiving(slug, doing: doing, in: transaction)
        guard try await formers.newest(of: slug) != nil else {
            throw Fault(.conflict, doing: doing, "no former state of the brand is kept")
        }
    }

    private func requireLiving(
        _ slug: Slug, doing: String, in transaction: PostgresTransaction
    ) async throws {
        let intent: BrandIntent
        do {
            intent = try await intents.read(slug, in: transaction)
        } catch let fault as Fault {
            throw Fault(fault.code, doing: doing, fault.detail, field: fault.field)
        }
        guard intent.status != .deleted else {
            throw Fault(.conflict, doing: doing, "the brand is deleted; undelete it first")
        }
    }
}

// MARK: - What is done by itself

extension Backups {
    /// Begins the backups that are due, spread over the time that the plan says between two, and gives how
    /// many.
    func backUpDue(logger: Logger) async throws -> Int {
        let now = clock.now()
        return try await beginAll(BackingUp.kind, logger: logger) { brand in
            BackupSchedule(slug: brand.slug, everyHours: brand.everyHours)
                .isDue(at: now, last: brand.last, since: brand.createdAt)
        } begin: { slug, transaction in
            try await backUp(slug, by: "constinteld", in: transaction)
        }
    }

    /// Begins a backup of the control plane when one is due, and gives whether.
    func backUpControlDue(logger: Logger) async throws -> Bool {
        let last = try await store.newestOfControl()
        let now = clock.now()
        if let last, last <= now, now - last < ControlBackingUp.period { return false }
        // A new installation has nothing to lose yet.
        if last == nil, try await !store.hasBrand(since: now - BackupSchedule.first) { return false }
        if try await store.hasFailedLately(ControlBackingUp.kind, ControlBackingUp.subject) { return false }
        do {
            _ = try await intents.pool.transaction {
                try await backUpControl(by: "constinteld", in: $0)
            }
        } catch let fault as Fault where fault.code == .conflict {
            return false
        }
        executor.poke()
        return true
    }

    /// Begins the drills that are due, and gives how many.
    func verifyDue(logger: Logger) async throws -> Int {
        let tried = try await receipts.newest()
        let now = clock.now()
        return try await beginAll(Drill.kind, logger: logger) { brand in
            guard brand.last != nil else { return false }
            return tried[brand.slug].map { now - $0 >= Backups.drillPeriod } ?? true
        } begin: { slug, transaction in
            try await verify(slug, nil, by: "constinteld", in: transaction)
        }
    }

    /// Drops former states whose time is over, and gives how many.
    func dropFormers(logger: Logger) async throws -> Int {
        var count = 0
        for former in try await formers.due(limit: 100) {
            guard try await formers.deleteDue(former.name) else { continue }
            try await scratch.drop(former.name, of: former.brand)
            logger.notice(
                "a former state was dropped",
                metadata: ["brand": "\(former.slug)", "schema": "\(former.name)"])
            count += 1
        }
        return count
    }

    private func beginAll(
        _ kind: String, logger: Logger, where isDue: (BackupStore.Due) -> Bool,
        begin: (Slug, PostgresTransaction) async throws -> OperationView
    ) async throws -> Int {
        var (count, cursor) = (0, "")
        var room = Backups.mostOpen - (try await store.open())
        while room > 0 {
            let page = try await store.scheduled(kind, after: cursor, limit: 200)
            guard let last = page.last else { break }
            cursor = last.slug.text
            for brand in page where room > 0 && isDue(brand) {
                do {
                    _ = try await intents.pool.transaction { try await begin(brand.slug, $0) }
                    (count, room) = (count + 1, room - 1)
                } catch let fault as Fault where fault.code == .conflict {
                    logger.debug("a brand waits for its backup: \(fault)")
                }
            }
        }
        if count > 0 { executor.poke() }
        return count
    }
}

/// When a brand is backed up by itself: once in each of the periods that its plan says, which begin at
/// another moment for each brand.
struct BackupSchedule: Sendable {
    let slug: Slug
    let everyHours: Int

    /// When the period began that `now` lies in.
    func periodStart(at now: Timestamp) -> Timestamp {
        let period = Int64(everyHours) * 3_600_000_000
        let hash = SHA256.hash(slug.text.utf8).prefix(7).reduce(Int64(0)) { $0 << 8 | Int64($1) }
        let offset = hash % period
        let since = (now.microseconds - offset) % period
        return Timestamp(microseconds: now.microseconds - (since + period) % period)
    }

    /// How old a brand is when it is first backed up.
    static let first = Duration.seconds(3600)

    /// Whether it is time.
    func isDue(at now: Timestamp, last: Timestamp?, since createdAt: Timestamp) -> Bool {
        guard let last else { return now - createdAt >= BackupSchedule.first }
        // One that lies ahead is a clock that was set back.
        return last > now || last < periodStart(at: now)
    }
}
