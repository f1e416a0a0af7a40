import Commerce
import Contract
import Events
import Kernel
import Logging
import Postgres
import ServiceLifecycle

/// Imports delimited files. An upload that was answered is kept on disk until every row of it is committed;
/// killed anywhere, the import begins again, and what had come in is not brought in twice.
public struct Imports: Service {
    /// The kind of these operations.
    public static let kind = "events.import"
    /// How often work that another process has left is looked for.
    static let period = Duration.seconds(5)
    /// Imports that may be open, those included that are still being uploaded.
    static let maximumOpen = 8

    /// What an import needs of the rooms around it.
    public struct Surroundings: Sendable {
        let events: Events
        let commits: CommitWatch
        let database: PostgresPool
        let products: Products
        let inventory: Inventory
        let directory: String
        let clock: any WallClock
        let metrics = ImportMetrics()

        public init(
            intake: (events: Events, commits: CommitWatch), database: PostgresPool,
            catalogue: (products: Products, inventory: Inventory), directory: String, clock: any WallClock
        ) {
            (events, commits) = intake
            self.database = database
            (products, inventory) = catalogue
            self.directory = directory
            self.clock = clock
        }
    }

    /// What is kept with the operation.
    struct Input: Codable, Sendable {
        var options: ImportOptions
        var isTest: Bool
        var bytes: Int64 = 0
        /// What the columns are called, but for those that a report of rejected rows has of its own.
        var columns: [String] = []
        /// How many these are.
        var ownColumns = 0
    }

    let surroundings: Surroundings
    let operations: OperationStore
    let receiving = Receiving()
    /// Files that are sent in pieces.
    public let uploads: Uploads
    private let logger: Logger
    private let poke = Arrivals()

    public init(_ surroundings: Surroundings, logger: Logger) {
        self.surroundings = surroundings
        self.logger = logger
        uploads = Uploads(surroundings)
        operations = OperationStore(database: surroundings.database)
    }

    /// Takes an upload. When this returns, every row of it will be imported or listed as rejected.
    ///
    /// - Parameter length: how many bytes `pieces` were announced to have.
    /// - Throws: `Fault.invalid` for a file that is no text, whose header lacks a mapped column, or of which
    ///   a part is missing; `Fault.limited` and `Fault.unavailable` where there is no room for it at
    ///   present. Nothing is kept of it then.
    public func receive<Pieces: AsyncSequence>(
        _ pieces: Pieces, length: Int64?, options: ImportOptions, isTest: Bool
    ) async throws -> OperationView where Pieces.Element == [UInt8] {
        let now = surroundings.clock.now()
        let id = OperationID(at: now)
        let underWay = receiving.begin(id)
        defer { receiving.end(id) }
        try await checkRoom(receiving: underWay)
        let file = ImportFile(directory: surroundings.directory, operation: id)
        var input = Input(options: options, isTest: isTest)
        input.bytes = try await file.receive(pieces, length: length) { sample in
            try input.settle(by: sample)
        }
        do {
            return try await begin(id, input, at: now)
        } catch {
            file.remove()
            throw error
        }
    }

    /// Makes the operation that imports a file which is there.
    func begin(_ id: OperationID, _ input: Input, at now: Timestamp) async throws -> OperationView {
        let name = input.options.fileName
        try await operations.create(
            .init(
                id: id, kind: Imports.kind, subject: name, input: JSONB(encoding: input), createdAt: now))
        poke.announce()
        return OperationView(
            id: id, kind: Imports.kind, subject: name, state: .pending,
            progress: .init(done: 0, total: input.bytes, unit: "bytes"), createdAt: now, updatedAt: now)
    }

    /// The rows of an import that were not taken, as a file; nil for work of another kind.
    public func report(of operation: OperationView) async throws -> RejectionReport? {
        guard operation.kind == Imports.kind else { return nil }
        guard let input = try await operations.input(of: operation.id)?.decode(Input.self) else { return nil }
        return RejectionReport(
            of: operation.id, subject: operation.subject, columns: input.columns,
            store: RejectionStore(database: surroundings.database))
    }

    /// What the clock shows.
    public func now() -> Timestamp { surroundings.clock.now() }

    /// The uploads are counted before the operations: one that becomes the other meanwhile is counted twice
    /// rather than not at all.
    func checkRoom(receiving underWay: Int) async throws {
        guard try await operations.open(kind: Imports.kind).count + underWay <= Imports.maximumOpen else {
            throw Fault(
                .limited, doing: ImportOptions.doing,
                "\(Imports.maximumOpen) imports are open already; wait until one has ended",
                retryAfter: .seconds(30))
        }
    }

    /// Does the imports that are open, one after the other, until a graceful shutdown.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await removeLeftovers()
            while !Task.isCancelled {
                await removeExpired()
                await performOpen()
                await poke.wait(atMost: Imports.period)
            }
        }
    }

    /// Removes the files that nobody will read: a process that was killed during an upload, or between the
    /// end of an import and the removal of its file, has left them.
    private func removeLeftovers() async {
        do {
            try await uploads.removeLeftovers()
            for file in try ImportFile.all(in: surroundings.directory) {
                // In this order: an upload that ends meanwhile has its operation by then.
                guard !receiving.contains(file.operation) else { continue }
                if try await operations.show(file.operation)?.state.isFinal ?? true { file.remove() }
            }
        } catch {
            warn("files that uploads have left cannot be removed", error)
        }
    }

    private func removeExpired() async {
        do { try await uploads.removeExpired() } catch { warn("old uploads cannot be removed", error) }
    }

    /// Does what is open. An import that cannot go on at present does not hold up those behind it.
    private func performOpen() async {
        do {
            for operation in try await operations.open(kind: Imports.kind) where !Task.isCancelled {
                do {
                    try await perform(operation)
                } catch {
                    warn("an import waits and begins again", error)
                }
            }
        } catch {
            warn("the open imports cannot be read", error)
        }
    }

    private func warn(_ what: String, _ error: any Error) {
        if !Task.isCancelled { logger.warning("\(what)", metadata: ["error": "\(error)"]) }
    }

    private func perform(_ operation: OperationStore.Open) async throws {
        let file = ImportFile(directory: surroundings.directory, operation: operation.id)
        var run = try ImportRun(operation, surroundings)
        do {
            try await run.perform(file)
            try await operations.finish(operation.id, as: .done, counts: run.counts.byName)
        } catch let error as DelimitedParser.Failure {
            try await operations.finish(
                operation.id, as: .failed, counts: run.counts.byName, error: "\(error)")
        } catch let fault as Fault where [.gone, .invalid, .limited].contains(fault.code) {
            try await operations.finish(
                operation.id, as: .failed, counts: run.counts.byName, error: "\(fault)")
        } catch let error as PostgresError where error.isDataError {
            try await operations.finish(
                operation.id, as: .failed, counts: run.counts.byName, error: "\(error)")
        }
        file.remove()
        logger.info(
            "an import ended", metadata: ["operation": "\(operation.id)", "counts": "\(run.counts.byName)"])
    }
}

extension Imports.Input {
    /// Finds out how the file is written where nobody has said it, and refuses what cannot be a file of the
    /// mapped columns, by its beginning.
    mutating func settle(by sample: [UInt8]) throws(Fault) {
        let beginning = try FileBeginning(sample, options)
        try beginning.check()
        options = beginning.options
        ownColumns = beginning.isReport ? RowColumns.reported.count : 0
        columns = Array(beginning.columns.dropFirst(ownColumns))
    }
}
