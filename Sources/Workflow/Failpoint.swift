import Glibc
import Synchronization

/// A named point in the code where a test makes the process die, or the work fail, at the worst moment.
///
/// Armed by `CONSTINTEL_FAILPOINT=<name>[=kill|fail|halt][@<nth>]` (several are separated by commas; `kill`
/// and the first hit when not said), or by `arm` from a test in the same process. While nothing is armed, a
/// hit costs one relaxed load.
package enum Failpoint {
    /// What a hit does to who hits it.
    package enum Action: String, Sendable {
        /// `kill -9` of this process.
        case kill
        /// Throws `Injected`: the work fails here.
        case fail
        /// Throws `CancellationError`: to its journal the work looks as if its process had died here.
        case halt
    }

    /// The error that an armed `fail` throws.
    package struct Injected: Error, CustomStringConvertible {
        package let name: String
        package var description: String { "failpoint \(name) was hit" }
    }

    private struct Arming {
        let action: Action
        /// The hits that fire, counted from 1.
        let firing: ClosedRange<Int>
        var hits = 0
    }

    private static let armings = Mutex<[String: Arming]>(environmentArmings())
    private static let anything = Atomic<Bool>(armings.withLock { !$0.isEmpty })

    /// Does what the point's arming says, if it is armed and this is the hit that it waits for.
    package static func hit(_ name: @autoclosure () -> String) throws {
        guard anything.load(ordering: .relaxed) else { return }
        let name = name()
        let action: Action? = armings.withLock { armings in
            guard var arming = armings[name] else { return nil }
            arming.hits += 1
            armings[name] = arming
            return arming.firing.contains(arming.hits) ? arming.action : nil
        }
        switch action {
        case .kill: Glibc.kill(getpid(), SIGKILL)
        case .fail: throw Injected(name: name)
        case .halt: throw CancellationError()
        case nil: break
        }
    }

    /// Makes the next `times` hits from the `nth` on do `action`.
    package static func arm(_ name: String, _ action: Action, nth: Int = 1, times: Int = 1) {
        armings.withLock { $0[name] = Arming(action: action, firing: nth...(nth + times - 1)) }
        anything.store(true, ordering: .relaxed)
    }

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
                fatalError("CONSTINTEL_FAILPOINT is not <name>[=kill|fail|halt][@<nth>]: \(entry)")
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
