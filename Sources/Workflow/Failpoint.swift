import Glibc
import Synchronization

/// A named point in the code where a test makes the process die, or the work fail, at the worst moment.
///
/// Armed by `CONSTINTEL_FAILPOINT=<name>[:<subject>][=kill|fail|halt|stop|again][@<nth>]` (several are
/// separated by commas; `kill` and the first hit when not said), or by `arm` from a test in the same process.
/// With a subject, only what is done about it hits the point. `CONSTINTEL_INSTANCE_FAILPOINT` of a daemon
/// arms those of its instances. While nothing is armed, a hit costs one relaxed load.
///
/// A saga's points are, for each step, `<kind>.<step>.beforeEffect`, `.repeat` (with `again`, the effect is
/// done twice), `.afterEffect` and `.afterJournal`, the same but the last with `.undo` before them, and
/// `.effect`, which the step itself hits before each thing that it changes.
package enum Failpoint {
    /// What a hit does to who hits it.
    package enum Action: String, Sendable {
        /// `kill -9` of this process.
        case kill
        /// Throws `Injected`: the work fails here.
        case fail
        /// Throws `Halted`: to its journal the work looks as if its process had died here.
        case halt
        /// Freezes this process until somebody sends SIGCONT.
        case stop
        /// Tells who asks to do its work once more.
        case again
        /// Nothing; the hits are counted.
        case count
    }

    /// The error that an armed `fail` throws.
    package struct Injected: Error, CustomStringConvertible {
        package let name: String
        package var description: String { "failpoint \(name) was hit" }
    }

    /// The error that an armed `halt` throws.
    package struct Halted: Error {}

    /// What is being done, and about what: a step of a saga, and the brand that it changes.
    package struct Scope: Sendable {
        /// `<kind>.<step>`, with `.undo` when it is taken back.
        let step: String
        let subject: String
    }

    /// The step that this task works on.
    @TaskLocal package static var scope: Scope?

    private struct Arming {
        let action: Action
        /// The hits that fire, counted from 1.
        let firing: ClosedRange<Int>
        var hits = 0

        /// Counts a hit, and gives what it does.
        mutating func hit() -> Action? {
            hits += 1
            return firing.contains(hits) ? action : nil
        }
    }

    private static let armings = Mutex<[String: Arming]>(environmentArmings())
    private static let anything = Atomic<Bool>(armings.withLock { !$0.isEmpty })

    /// Does what the point's arming says, if it is armed and this is the hit that it waits for; gives whether
    /// the work is to be done once more.
    @discardableResult
    package static func hit(_ name: @autoclosure () -> String) throws -> Bool {
        guard anything.load(ordering: .relaxed) else { return false }
        let name = name()
        let names = [name] + (scope.map { ["\(name):\($0.subject)"] } ?? [])
        let actions = armings.withLock { armings in names.compactMap { armings[$0]?.hit() } }
        switch actions.first {
        case .kill: Glibc.kill(getpid(), SIGKILL)
        case .fail: throw Injected(name: name)
        case .halt: throw Halted()
        // To this thread: sent to the process, another would take it, and this one go on meanwhile.
        case .stop: raise(SIGSTOP)
        case .again: return true
        case .count, nil: break
        }
        return false
    }

    /// Within a step, before each thing that it changes outside of this process: a transaction, a command to
    /// Redis, a file, a call of the supervisor. Elsewhere it does nothing.
    package static func effect() throws {
        guard let scope else { return }
        try hit("\(scope.step).effect")
    }

    /// Makes the next `times` hits from the `nth` on do `action`.
    package static func arm(_ name: String, _ action: Action, nth: Int = 1, times: Int = 1) {
        armings.withLock { $0[name] = Arming(action: action, firing: nth...(nth + times - 1)) }
        anything.store(true, ordering: .relaxed)
    }

    /// Counts the hits of a point from now on, without doing anything; `disarm` gives their number.
    package static func count(_ name: String) { arm(name, .count) }

    /// Takes the arming back and says how often the point was hit under it: 0 means that it proved nothing.
    @discardableResult
    package static func disarm(_ name: String) -> Int {
        armings.withLock { $0.removeValue(forKey: name)?.hits ?? 0 }
    }

    /// A text that cannot be read ends the process: a test whose failpoint is silently ignored would pass.
    private static func environmentArmings() -> [String: Arming] {
        guard let value = getenv("CONSTINTEL_FAILPOINT") else { return [:] }
        var armings: [String: Arming] = [:]
        for entry in String(cString: value).split(separator: ",") {
            guard let (name, arming) = parse(entry) else {
                fatalError("CONSTINTEL_FAILPOINT is not <name>[=kill|fail|halt|stop|again][@<nth>]: \(entry)")
            }
            armings[name] = arming
        }
        return armings
    }

    private static func parse(_ entry: Substring) -> (String, Arming)? {
        let parts = entry.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let words = parts[0].split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let nth = parts.count > 1 ? Int(parts[1]) : 1, nth > 0, !words[0].isEmpty,
            let action = words.count > 1 ? Action(rawValue: String(words[1])) : .kill
        else { return nil }
        return (String(words[0]), Arming(action: action, firing: nth...nth))
    }
}
