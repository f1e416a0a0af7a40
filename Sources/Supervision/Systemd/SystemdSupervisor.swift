import Kernel
import Logging
import Reactor
import Synchronization

/// Has systemd run units, each an instance of one template: `<template>@<instance>.socket`, which listens,
/// and `<template>@<instance>.service`, which serves.
///
/// The template's two files are installed by somebody else. What one unit has of its own is written over them
/// as a drop-in, so that all of it lives on without us: systemd starts units again that died, and at boot
/// listens for them. What was done by hand since (a drop-in edited or taken away, a unit masked, stopped or
/// failed for good) `start` puts right, and until then `UnitStatus.specification` is nil.
///
/// When systemd cannot be reached, methods throw an unavailable `Fault` and no status is known.
public actor SystemdSupervisor: Supervisor {
    /// Where systemd looks for what the administrator of a machine wants.
    public static let systemUnits = "/etc/systemd/system"
    /// A unit that has died so many times while somebody waits for it is reported.
    static let attemptsBeforeReport = 7
    /// Units that are looked at at the same time.
    static let parallel = 32

    let template: String
    let bus: SystemdBus
    let journal: Journal
    let files: DropInFiles
    /// What is put over the template for units that keep dying.
    nonisolated let pauses: DropInFiles
    let turns = UnitTurns()
    nonisolated let board = UnitChangeBoard()
    let known = KnownNames()
    private let logger: Logger
    let wallClock: any WallClock

    /// A supervisor of the units of `template`, such as `constintel-instance`.
    ///
    /// - Parameters:
    ///   - bus: the line to systemd.
    ///   - journal: where units' last words are read.
    ///   - dropInRoot: a directory that systemd reads unit files in.
    public init(
        template: String, bus: SystemdBus, journal: Journal,
        dropInRoot: String = SystemdSupervisor.systemUnits, logger: Logger
    ) {
        pauses = DropInFiles(root: SystemdSupervisor.runtimeUnits, file: "60-pause.conf")
        self.template = template
        self.bus = bus
        self.journal = journal
        files = DropInFiles(root: dropInRoot)
        self.logger = logger
        wallClock = SystemWallClock()
        bus.listen { [board, known] news in
            switch news {
            case .unit(let unit):
                if let name = SystemdSupervisor.name(of: unit, template) { board.announce(name) }
            case .everything:
                for name in known.all { board.announce(name) }
            }
        }
    }

    /// The unit's name without its kind; nil when it is not of the template.
    private static func name(of unit: String, _ template: String) -> String? {
        guard unit.hasPrefix(template + "@") else { return nil }
        for kind in [".service", ".socket"] where unit.hasSuffix(kind) {
            return String(unit.dropLast(kind.count))
        }
        return nil
    }
}

/// The names that are announced when anything may have changed.
final class KnownNames: Sendable {
    private let names = Mutex<Set<String>>([])

    var all: Set<String> { names.withLock { $0 } }

    func add(_ more: some Sequence<String>) { names.withLock { $0.formUnion(more) } }

    func remove(_ name: String) { names.withLock { _ = $0.remove(name) } }
}

// MARK: - Looking

extension SystemdSupervisor {
    public func status(_ name: String) async -> UnitStatus? {
        guard (try? check(name)) != nil, let pair = try? await look(name) else { return nil }
        return pair.status(otherwise: wallClock.now())
    }

    public func statuses() async -> [String: UnitStatus] {
        let patterns = ["\(template)@*.service", "\(template)@*.socket"]
        guard let listed = try? await bus.units(matching: patterns) else { return [:] }
        var names = Set(listed.compactMap { SystemdSupervisor.name(of: $0.name, template) })
        names.formUnion(files.names(of: template))
        known.add(names)
        return await withTaskGroup(of: (String, UnitStatus?).self) { group in
            var statuses: [String: UnitStatus] = [:]
            for (index, name) in names.sorted().enumerated() {
                if index >= SystemdSupervisor.parallel, let (name, status) = await group.next() {
                    statuses[name] = status
                }
                group.addTask { (name, await self.status(name)) }
            }
            for await (name, status) in group { statuses[name] = status }
            return statuses
        }
    }

    public func changes() async -> UnitChanges {
        let changes = board.changes()
        await bus.watch()
        return changes
    }

    public func log(_ name: String, file: String, from start: LogStart) async throws -> any UnitLogReader {
        try check(name)
        return journal.reader(of: "\(name).service", from: start)
    }

    /// What systemd, the files and the process say of the unit.
    func look(_ name: String) async throws -> UnitPair {
        let written = files.written(name)
        async let service = bus.properties(of: "\(name).service")
        async let socket = bus.properties(of: "\(name).socket")
        var pair = try await UnitPair(name: name, service: service, socket: socket, written: written)
        pair.declared = pair.service.mainPID.flatMap {
            ProcessEnvironment.value(of: UnitDropIn.variable, in: $0)
        }
        return pair
    }

    /// Refuses what is no instance of the template: systemd would read it as something else, or not at all.
    func check(_ name: String) throws(Fault) {
        let instance = name.dropFirst(template.count + 1)
        let isPlain = instance.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                || "-_.:".utf8.contains(byte)
        }
        // systemd's own limit is 255 bytes with the kind.
        guard name.hasPrefix(template + "@"), !instance.isEmpty, isPlain, name.utf8.count <= 240 else {
            throw Fault(
                .invalid, doing: "supervise a unit", "'\(name)' is no instance of \(template)@",
                field: "name")
        }
    }

    func report(_ message: String, _ name: String) {
        logger.notice("\(message)", metadata: ["unit": "\(name)"])
    }
}

// MARK: - Waiting

extension SystemdSupervisor {
    public func awaitReady(_ name: String) async throws {
        try check(name)
        // Before the first look, so that no change is missed between looks.
        let changes = await changes()
        known.add([name])
        let first = try await look(name)
        guard first.status(otherwise: wallClock.now()) != nil else {
            throw Fault(.notFound, doing: "wait for \(name)", "no unit of this name has been started")
        }
        if try await isThere(first, deathsBefore: first.service.restarts) { return }
        for await changed in changes where changed == name {
            if try await isThere(try await look(name), deathsBefore: first.service.restarts) { return }
        }
        throw Fault(.unavailable, doing: "wait for \(name)", "the wait was cancelled")
    }

    /// Whether the unit serves or listens; throws when it will not by itself.
    private func isThere(_ pair: UnitPair, deathsBefore: Int) async throws -> Bool {
        if pair.service.hasJob, !pair.service.isAutoRestarting { return false }
        switch pair.state {
        case .ready, .asleep: return true
        case .starting, .stopping: return false
        case .stopped: throw Fault(.unavailable, doing: "wait for \(pair.name)", "it has been stopped")
        case .failed:
            let deaths = pair.service.restarts - deathsBefore
            if pair.service.isAutoRestarting, deaths < SystemdSupervisor.attemptsBeforeReport { return false }
            let end = pair.status(otherwise: wallClock.now())?.lastExit ?? pair.service.result ?? "unknown"
            let words = await lastWords(pair.name)
            throw Fault(.unavailable, doing: "start \(pair.name)", "it ended (\(end)); \(words)")
        }
    }

    private func lastWords(_ name: String) async -> String {
        let entries = (try? await journal.last(3, of: "\(name).service")) ?? []
        return entries.isEmpty
            ? "the journal has nothing of it"
            : "its journal ends with: " + entries.map(\.message).joined(separator: " | ")
    }
}
