import Glibc
import Kernel
import Logging

/// One unit of a `ChildProcessSupervisor`: its process, what is known of it, and the loop that keeps it
/// alive.
actor ChildUnit {
    /// A unit that has ended so many times in a row before it was ready is reported to whoever waits for it.
    static let attemptsBeforeReport = 7
    /// How often a probe is asked.
    static let probeInterval = Duration.milliseconds(50)

    nonisolated let name: String
    nonisolated let digest: String
    let specification: UnitSpecification
    let surroundings: Surroundings
    private let files: UnitFiles

    private(set) var status: UnitStatus
    private var process: ChildProcess?
    private var notifications: NotifySocket?
    private var isWanted = true
    private var isHurried = false
    private var pause = RestartPause()
    /// Tells how long the process has been ready.
    private var standing: (@Sendable () -> Duration)?
    private var pausing: Task<Void, Never>?
    private var attemptsInVain = 0
    private var readers: [AsyncStream<UnitStatus>.Continuation] = []

    /// What all units of a supervisor share.
    struct Surroundings: Sendable {
        let directory: String
        let logger: Logger
        let clock: any Clock<Duration>
        let wallClock: any WallClock
        let board = UnitChangeBoard()
    }

    init(_ specification: UnitSpecification, in surroundings: Surroundings) {
        name = specification.name
        digest = specification.digest
        self.specification = specification
        self.surroundings = surroundings
        files = UnitFiles(directory: surroundings.directory, unit: specification.name)
        status = UnitStatus(
            state: .starting, since: surroundings.wallClock.now(), specification: specification.digest)
    }

    private var logger: Logger { surroundings.logger }
    private var clock: any Clock<Duration> { surroundings.clock }
}

// MARK: - Beginning and ending

extension ChildUnit {
    /// Adopts the process that an earlier supervisor left, or launches one.
    func begin() async throws(Fault) {
        try await launch(adopting: true)
    }

    /// Keeps the unit alive until it is stopped. When the task is cancelled the process is left running.
    func supervise() async {
        while let process {
            await watch(process)
            guard isWanted, !Task.isCancelled, self.process === process else { return }
            await bury(process)
            await relaunch()
        }
    }

    /// Stops the process and forgets it. A cancelled stop kills at once.
    func stop() async {
        isWanted = false
        pausing?.cancel()
        if let process {
            enter(.stopping)
            await end(process)
            note("\(name) was stopped", .info)
        }
        process = nil
        notifications = nil
        files.remove()
        enter(.stopped)
    }

    /// Makes the process leave; `supervise` then launches another without a pause.
    func restart() async {
        isHurried = true
        pausing?.cancel()
        guard let process else { return }
        enter(.stopping)
        await end(process)
    }

    private func end(_ process: ChildProcess) async {
        let limit = specification.stopTimeout
        let left = await process.end(by: specification.stopSignal, within: limit, on: clock)
        if !left { note("\(name) did not leave when asked and was killed", .warning) }
    }
}

// MARK: - Launching

extension ChildUnit {
    private func launch(adopting: Bool) async throws(Fault) {
        notifications = try NotifySocket(path: files.notifySocket)
        if adopting, await takeOver() { return }
        do {
            try await specification.beforeLaunch()
        } catch {
            throw Fault.wrapping(error, doing: "start \(name)")
        }
        guard isWanted else { return }
        let launched = try await ChildProcess.launch(specification, notifySocket: files.notifySocket)
        do {
            try record(launched, isReady: false)
        } catch {
            await end(launched)
            throw error
        }
        guard isWanted else {
            await end(launched)
            return files.remove()
        }
        process = launched
        note("\(name) was launched as process \(launched.identity.pid)", .debug)
        enter(.starting)
    }

    /// Adopts what an earlier supervisor left, and answers true; ends what cannot be adopted.
    private func takeOver() async -> Bool {
        if let record = files.load() {
            if let found = ChildProcess(adopting: record.process) {
                if record.specification == digest {
                    note("\(name) is running already and is adopted", .info, pidMetadata(found))
                    process = found
                    enter(record.isReady ? .ready : .starting)
                    return true
                }
                logger.info(
                    "\(name) runs by another specification and is replaced", metadata: pidMetadata(found))
                let limit = Duration.seconds(record.stopTimeoutSeconds)
                await found.end(by: record.stopSignal, within: limit, on: clock)
            }
            await record.process.endSurvivors()
        }
        for stray in ProcessIdentity.leaders(writingTo: specification.logFile) {
            guard let found = ChildProcess(adopting: stray) else { continue }
            logger.info("\(name) runs without a record and is replaced", metadata: pidMetadata(found))
            await end(found)
        }
        await ProcessIdentity.endAll(writingTo: specification.logFile)
        return false
    }

    /// Launches the process again after a pause, and again until it can be launched or is unwanted.
    private func relaunch() async {
        while isWanted, !Task.isCancelled {
            if !isHurried { await rest(for: pause.next()) }
            isHurried = false
            guard isWanted, !Task.isCancelled else { return }
            status.restarts += 1
            do {
                return try await launch(adopting: false)
            } catch {
                note("\(name) cannot be started: \(error)", .error)
                attemptsInVain += 1
                status.lastExit = error.detail
                enter(.failed)
            }
        }
    }

    private func rest(for duration: Duration) async {
        let pausing = Task { [clock] in
            do { try await clock.sleep(for: duration) } catch {}
        }
        self.pausing = pausing
        await withTaskCancellationHandler {
            await pausing.value
        } onCancel: {
            pausing.cancel()
        }
        self.pausing = nil
    }

    private func record(_ process: ChildProcess, isReady: Bool) throws(Fault) {
        try files.save(UnitRecord(specification, process: process.identity, isReady: isReady))
    }

    private func pidMetadata(_ process: ChildProcess) -> Logger.Metadata {
        ["pid": "\(process.identity.pid)"]
    }
}

// MARK: - Watching

extension ChildUnit {
    /// Follows the process until it has ended or the task is cancelled.
    private func watch(_ process: ChildProcess) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.followReadiness(of: process) }
            group.addTask { await self.enforceStartTimeout(of: process) }
            _ = await process.ended()
            group.cancelAll()
        }
    }

    private func followReadiness(of process: ChildProcess) async {
        switch specification.readiness {
        case .notify:
            guard let messages = notifications?.messages else { return }
            for await message in messages { take(message, from: process) }
        case .probe(let isReady):
            while !Task.isCancelled, status.state == .starting {
                if await isReady() { return becomeReady(process) }
                do { try await clock.sleep(for: ChildUnit.probeInterval) } catch { return }
            }
        }
    }

    private func take(_ message: NotifyMessage, from process: ChildProcess) {
        if let text = message.status {
            status.message = text
            publish()
        }
        if message.isReady { becomeReady(process) }
        if message.isStopping, status.state == .ready { enter(.stopping) }
    }

    private func becomeReady(_ process: ChildProcess) {
        guard self.process === process, status.state == .starting else { return }
        attemptsInVain = 0
        enter(.ready)
        note("\(name) is ready", .info, pidMetadata(process))
        do {
            try record(process, isReady: true)
        } catch {
            logger.warning("\(name) is ready, and the record of it stays behind: \(error)")
        }
    }

    private func enforceStartTimeout(of process: ChildProcess) async {
        do { try await clock.sleep(for: specification.startTimeout) } catch { return }
        guard self.process === process, status.state == .starting else { return }
        note("\(name) was not ready in \(specification.startTimeout) and is killed", .error)
        process.signal(SIGKILL)
    }

    private func bury(_ process: ChildProcess) async {
        await process.identity.endSurvivors()
        let epitaph = await process.epitaph()
        if status.state == .starting { attemptsInVain += 1 }
        if let standing, standing() >= RestartPause.standing { pause.reset() }
        self.process = nil
        status.lastExit = epitaph
        status.message = nil
        if !isHurried { note("\(name) ended (\(epitaph)) and is started again", .warning) }
        enter(.failed)
    }
}

// MARK: - Telling others

extension ChildUnit {
    /// Tells our own log, and the unit's where that is wanted.
    private func note(_ text: String, _ level: Logger.Level, _ metadata: Logger.Metadata? = nil) {
        logger.log(level: level, "\(text)", metadata: metadata)
        guard specification.notesInLog else { return }
        let line = LogLine.note(text, level: level.rawValue, at: surroundings.wallClock.now())
        LogFile.append(line, to: specification.logFile)
    }

    /// Returns when the unit is ready.
    func awaitReady() async throws(Fault) {
        for await status in statusUpdates() {
            switch status.state {
            case .ready:
                return
            case .stopped:
                throw Fault(.unavailable, doing: "wait for \(name)", "it has been stopped")
            case .failed where attemptsInVain >= ChildUnit.attemptsBeforeReport:
                throw Fault(
                    .unavailable, doing: "start \(name)",
                    """
                    it ended \(attemptsInVain) times before it was ready (\(status.lastExit ?? "unknown")); \
                    \(LogTail(path: specification.logFile))
                    """)
            case .starting, .stopping, .failed, .asleep:
                continue
            }
        }
        throw Fault(.unavailable, doing: "wait for \(name)", "the wait was cancelled")
    }

    /// The present status and every later one that the reader is quick enough to see.
    private func statusUpdates() -> AsyncStream<UnitStatus> {
        let (updates, reader) = AsyncStream.makeStream(
            of: UnitStatus.self, bufferingPolicy: .bufferingNewest(1))
        reader.yield(status)
        readers.append(reader)
        return updates
    }

    private func enter(_ state: UnitStatus.State) {
        if state == .starting { standing = nil }
        if state == .ready { standing = clock.stopwatch() }
        status.state = state
        status.pid = process?.identity.pid
        status.since = surroundings.wallClock.now()
        publish()
    }

    /// Tells every reader, and drops those that are no longer listening.
    private func publish() {
        surroundings.board.announce(name)
        readers.removeAll { reader in
            if case .terminated = reader.yield(status) { return true }
            return false
        }
    }
}
