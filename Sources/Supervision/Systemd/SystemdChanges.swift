import Kernel

extension SystemdSupervisor {
    /// Writes down what is meant, has systemd read it, and sees to the socket and, unless it is to run on
    /// request, the process. A process that runs by another specification is replaced; the socket stays, so
    /// that who connects meanwhile waits and is not refused.
    public func start(_ unit: UnitSpecification) async throws {
        try check(unit.name)
        let dropIn = try UnitDropIn(unit)
        await turns.take(unit.name)
        defer { turns.give(unit.name) }
        known.add([unit.name])
        try await lay(dropIn, unit)
        try await listen(unit.name)
        try await launch(unit)
        board.announce(unit.name)
    }

    public func stop(_ name: String) async throws {
        try check(name)
        await turns.take(name)
        defer { turns.give(name) }
        // The socket first, so that nobody's request starts what is being stopped.
        try await end("\(name).socket")
        try await end("\(name).service")
        let pair = try await look(name)
        let units = ["\(name).socket", "\(name).service"]
        var isStale = false
        // A mask would outlive the unit, and hides whether what is under it is enabled.
        if pair.isMasked { try await bus.unmask(units) }
        if pair.isMasked || pair.isEnabled {
            try await bus.disable(units)
            isStale = true
        }
        if try files.remove(name) { isStale = true }
        if try pauses.remove(name) { isStale = true }
        if isStale { try await bus.reload() }
        for kind in ["socket", "service"] { try await bus.resetFailed("\(name).\(kind)") }
        known.remove(name)
        board.announce(name)
    }

    public func restart(_ name: String) async throws {
        try check(name)
        await turns.take(name)
        defer { turns.give(name) }
        guard files.written(name) != nil else {
            throw Fault(.notFound, doing: "restart \(name)", "no unit of this name has been started")
        }
        let before = try await look(name)
        try await listen(name)
        // One that is asleep has no process to replace.
        if before.state == .asleep { return }
        try await bus.queue(.restart, "\(name).service")
        board.announce(name)
    }
}

extension SystemdSupervisor {
    public func wake(_ name: String) async throws {
        try check(name)
        await turns.take(name)
        defer { turns.give(name) }
        // What is stopped stays so.
        guard try await look(name).state == .asleep else { return }
        try await bus.queue(.start, "\(name).service")
    }

    public func clean(_ name: String) async throws {
        try check(name)
        await turns.take(name)
        defer { turns.give(name) }
        try await bus.clean("\(name).service")
    }
}

extension SystemdSupervisor {
    /// Sees to it that systemd has read what is meant, and will listen again after a boot.
    private func lay(_ dropIn: UnitDropIn, _ unit: UnitSpecification) async throws {
        let name = unit.name
        let isNew = files.written(name) == nil
        let isWritten = try files.write(dropIn.text, for: name)
        if isWritten, !isNew { report("the drop-in of a unit is another and was written", name) }
        var pair = try await look(name)
        var isStale = false
        if pair.isMasked {
            report("a unit was masked and is not any more", name)
            try await bus.unmask(["\(name).service", "\(name).socket"])
            isStale = true
        }
        if isStale || pair.needsReload || pair.loaded != unit.digest {
            try await bus.reload()
            pair = try await look(name)
        }
        do {
            try checkLoaded(pair, unit)
        } catch {
            if isNew { _ = try files.remove(name) }
            throw error
        }
        if pair.socket.unitFileState != "enabled" { try await bus.enable(["\(name).socket"]) }
    }

    private func checkLoaded(_ pair: UnitPair, _ unit: UnitSpecification) throws(Fault) {
        for (kind, properties) in [("service", pair.service), ("socket", pair.socket)] {
            let file = "\(pair.name).\(kind)"
            switch properties.loadState {
            case "loaded": continue
            case "not-found":
                throw Fault(
                    .unavailable, doing: "start \(pair.name)", "\(template)@.\(kind) is not installed")
            case "masked":
                throw Fault(
                    .conflict, doing: "start \(pair.name)",
                    "\(file) is masked by \(properties.fragmentPath ?? "its template")")
            case let state:
                throw Fault(
                    .unavailable, doing: "start \(pair.name)",
                    "systemd cannot read \(file): \(properties.loadError ?? state)")
            }
        }
        guard pair.loaded == unit.digest else {
            let mine = files.path(pair.name)
            let others = pair.service.dropInPaths.filter { $0 != mine }.joined(separator: ", ")
            throw Fault(
                .conflict, doing: "start \(pair.name)",
                "systemd reads something else than \(mine); see \(others)")
        }
    }

    /// Sees to it that the socket listens.
    ///
    /// A service that reached its start limit takes its socket with it (`service-start-limit-hit`): both stay
    /// failed until both are reset. And a socket cannot begin to listen while its service runs without it.
    private func listen(_ name: String) async throws {
        let pair = try await look(name)
        if pair.service.activeState == "failed" { try await bus.resetFailed("\(name).service") }
        if pair.socket.activeState == "failed" { try await bus.resetFailed("\(name).socket") }
        if pair.socket.isActive { return }
        if pair.hasProcess { try await bus.carryOut(.stop, "\(name).service") }
        try await bus.carryOut(.start, "\(name).socket")
    }

    private func launch(_ unit: UnitSpecification) async throws {
        let service = "\(unit.name).service"
        let pair = try await look(unit.name)
        // One that is on its way out is followed by one of what is loaded, also where a restart waits.
        if pair.hasProcess, pair.state != .stopping {
            if pair.running == unit.digest { return }
            report("a unit runs by another specification and is replaced", unit.name)
            try await prepare(unit)
            try await bus.queue(.restart, service)
        } else if unit.activation == .atOnce {
            try await prepare(unit)
            try await bus.queue(.start, service)
        }
    }

    private func prepare(_ unit: UnitSpecification) async throws {
        do { try await unit.beforeLaunch() } catch {
            throw Fault.wrapping(error, doing: "start \(unit.name)")
        }
    }

    /// Stops what may not even be known.
    private func end(_ unit: String) async throws {
        do {
            try await bus.carryOut(.stop, unit)
        } catch let fault as Fault where fault.code == .notFound {}
    }
}

extension UnitPair {
    fileprivate var needsReload: Bool { service.needDaemonReload || socket.needDaemonReload }

    fileprivate var isMasked: Bool {
        [service, socket].contains {
            $0.loadState == "masked" || $0.unitFileState?.hasPrefix("masked") == true
        }
    }

    fileprivate var isEnabled: Bool {
        [service, socket].contains { $0.unitFileState?.hasPrefix("enabled") == true }
    }
}
