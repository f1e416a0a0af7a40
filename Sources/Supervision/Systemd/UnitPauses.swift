import Kernel

/// How long a unit rests between two starts, by how often it has died without standing: the template's own
/// pause first, then 2 s, doubled each time, 30 s at most.
struct RestartSteps: Sendable, Equatable {
    /// A process that has run for so long begins again with the template's pause.
    static let standing = Duration.seconds(30)
    static let longest = 30

    /// Deaths in a row.
    private(set) var deaths = 0
    /// What systemd's counter, which it sets back itself, was last.
    private var counted: Int

    /// - Parameter restarts: systemd's count when the unit is seen for the first time; what was before is
    ///   forgotten.
    init(restarts: Int) { counted = restarts }

    /// Seconds of the pause that is to hold from now on; nil for the template's.
    var pause: Int? { deaths < 2 ? nil : min(1 << min(deaths - 1, 5), RestartSteps.longest) }

    /// Takes in what is seen of the unit: systemd's count of its restarts, and how long its process has run.
    mutating func see(restarts: Int, running: Duration?) {
        deaths += restarts >= counted ? restarts - counted : restarts
        counted = restarts
        if let running, running >= RestartSteps.standing { deaths = 0 }
    }
}

extension SystemdSupervisor {
    /// Where the pauses are written: they are of no use after a boot.
    public static let runtimeUnits = "/run/systemd/system"

    /// Has units that keep dying rest longer and longer, which systemd 252 cannot do by itself; until it is
    /// cancelled. One at a time may do this for a template.
    public func tend() async throws {
        let changes = await changes()
        var steps: [String: RestartSteps] = [:]
        for name in await statuses().keys { board.announce(name) }
        for await name in changes {
            try Task.checkCancellation()
            guard let pair = try? await look(name) else { continue }
            let running = pair.hasProcess ? pair.service.mainStarted.map { wallClock.now() - $0 } : nil
            var seen = steps[name] ?? RestartSteps(restarts: pair.service.restarts)
            seen.see(restarts: pair.service.restarts, running: running)
            steps[name] = files.written(name) == nil ? nil : seen
            do {
                try await rest(seen.pause, name)
            } catch {
                report("the pause of a unit that keeps dying cannot be made longer: \(error)", name)
            }
            // A process that stands changes nothing by which we would hear of it.
            if seen.pause != nil, pair.hasProcess { lookAgain(name) }
        }
    }

    private func lookAgain(_ name: String) {
        let board = board
        Task {
            try? await Task.sleep(for: RestartSteps.standing)
            board.announce(name)
        }
    }

    /// Sees to it that the unit rests so many seconds, or as long as its template says.
    private func rest(_ seconds: Int?, _ name: String) async throws {
        await turns.take(name)
        defer { turns.give(name) }
        // What is stopped for good has no pause.
        guard let seconds, files.written(name) != nil else {
            if try pauses.remove(name) { try await bus.reload() }
            return
        }
        let text = "# Written by ConstIntel for a unit that keeps dying.\n[Service]\nRestartSec=\(seconds)s\n"
        if try pauses.write(text, for: name) {
            try await bus.reload()
            report("a unit keeps dying and is started again after \(seconds) s", name)
        }
    }
}
