import Kernel
import Logging
import ServiceLifecycle

/// Runs units as child processes, each in a session of its own, where there is no systemd.
///
/// A unit's credentials, limits and activation mean nothing here: each child runs from its start on, without
/// limits.
///
/// It is a `Service`: `start` works once `run` does. On graceful shutdown all units are stopped, the last
/// started first. If it is killed, or `run` is cancelled, the children go on; a later supervisor over the
/// same directory adopts those that it is asked to start. Only one may use a directory at a time.
public actor ChildProcessSupervisor: Supervisor, Service {
    private let surroundings: ChildUnit.Surroundings
    /// In the order of their start.
    private var units: [ChildUnit] = []
    private var isStopping = false
    private let begun: AsyncStream<ChildUnit>
    private let begin: AsyncStream<ChildUnit>.Continuation
    private let turns = UnitTurns()
    /// How often the children's logs are looked at, whether they have grown too large.
    static let logPeriod = Duration.seconds(20)

    /// Keeps records and notification sockets in `directory`, which must be private; `clock` is waited on for
    /// pauses and time-outs, `wallClock` dates the statuses.
    public init(
        directory: String, logger: Logger, clock: any Clock<Duration> = ContinuousClock(),
        wallClock: any WallClock = SystemWallClock()
    ) throws(Fault) {
        try UnitFiles.prepare(directory)
        surroundings = .init(directory: directory, logger: logger, clock: clock, wallClock: wallClock)
        (begun, begin) = AsyncStream.makeStream()
    }

    /// Keeps the units alive until graceful shutdown, then stops them.
    public func run() async throws {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.boundLogs() }
            defer { group.cancelAll() }
            for await unit in begun.cancelOnGracefulShutdown() {
                group.addTask { await unit.supervise() }
            }
            if !Task.isCancelled { await stopAll() }
        }
    }

    public func start(_ unit: UnitSpecification) async throws {
        try check(unit.name)
        await turns.take(unit.name)
        defer { turns.give(unit.name) }
        if let present = find(unit.name) {
            if present.digest == unit.digest { return }
            await remove(present)
        }
        guard !isStopping else {
            throw Fault(.unavailable, doing: "start \(unit.name)", "everything is being stopped")
        }
        let child = ChildUnit(unit, in: surroundings)
        units.append(child)
        do {
            try await child.begin()
        } catch {
            await remove(child)
            throw error
        }
        begin.yield(child)
    }
}

extension ChildProcessSupervisor {
    public func awaitReady(_ name: String) async throws {
        guard let unit = find(name) else {
            throw Fault(.notFound, doing: "wait for \(name)", "no unit of this name has been started")
        }
        try await unit.awaitReady()
    }

    /// Also stops a process that an earlier supervisor left under this name.
    public func stop(_ name: String) async throws {
        try check(name)
        await turns.take(name)
        defer { turns.give(name) }
        if let unit = find(name) {
            await remove(unit)
        } else {
            await stopLeftover(name)
        }
    }

    public func restart(_ name: String) async throws {
        await turns.take(name)
        defer { turns.give(name) }
        guard let unit = find(name) else {
            throw Fault(.notFound, doing: "restart \(name)", "no unit of this name has been started")
        }
        await unit.restart()
    }

    public func status(_ name: String) async -> UnitStatus? { await find(name)?.status }

    public func statuses() async -> [String: UnitStatus] {
        var statuses: [String: UnitStatus] = [:]
        for unit in units { statuses[unit.name] = await unit.status }
        return statuses
    }

    public func changes() -> UnitChanges { surroundings.board.changes() }

    public nonisolated func log(
        _ name: String, file: String, from start: LogStart
    ) async -> any UnitLogReader {
        LogFileReader(file, from: start, clock: surroundings.clock)
    }

    /// The units that an earlier supervisor left running or recorded, and that have not been started since.
    public func leftovers() -> [String] {
        let known = Set(units.map(\.name))
        return UnitFiles.recordedUnits(in: surroundings.directory).filter { !known.contains($0) }
    }

    /// Stops everything, the last started first, and whatever an earlier supervisor left; nothing can be
    /// started afterwards.
    public func stopAll() async {
        isStopping = true
        for name in leftovers() { await stopLeftover(name) }
        while let unit = units.last {
            await turns.take(unit.name)
            await remove(unit)
            turns.give(unit.name)
        }
        begin.finish()
    }
}

extension ChildProcessSupervisor {
    /// Keeps the children's logs small until it is cancelled.
    private func boundLogs() async {
        while !Task.isCancelled {
            do { try await surroundings.clock.sleep(for: ChildProcessSupervisor.logPeriod) } catch { return }
            for file in Set(units.map(\.specification.logFile)) {
                do { try LogFile.bound(file) } catch {
                    surroundings.logger.warning("the log \(file) is not kept small: \(error)")
                }
            }
        }
    }

    private func find(_ name: String) -> ChildUnit? { units.first { $0.name == name } }

    private func remove(_ unit: ChildUnit) async {
        await unit.stop()
        units.removeAll { $0 === unit }
        surroundings.board.announce(unit.name)
    }

    private func stopLeftover(_ name: String) async {
        let files = UnitFiles(directory: surroundings.directory, unit: name)
        guard let record = files.load() else { return }
        if let process = ChildProcess(adopting: record.process) {
            surroundings.logger.info("\(name) was left by an earlier run and is stopped")
            let limit = Duration.seconds(record.stopTimeoutSeconds)
            await process.end(by: record.stopSignal, within: limit, on: surroundings.clock)
        }
        await record.process.endSurvivors()
        files.remove()
    }

    private func check(_ name: String) throws(Fault) {
        guard !name.isEmpty, name.first != ".", !name.contains("/"), !name.utf8.contains(0) else {
            throw Fault(
                .invalid, doing: "supervise a unit", "'\(name)' cannot be a file's name", field: "name")
        }
    }
}
