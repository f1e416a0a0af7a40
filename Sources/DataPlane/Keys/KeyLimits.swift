import Contract
import Kernel
import Synchronization
import Web

/// Holds each key to its own limits of a second. Those of the brand's plan hold beside them.
///
/// A bucket is kept for each limited key that is used. Ten seconds' worth may come at once, and a batch that
/// is larger is let through from a full bucket and paid for afterwards.
final class KeyLimits: Sendable {
    /// Seconds' worth that may come at once.
    static let burstSeconds = 10

    /// What a limit counts.
    enum Kind: String {
        case requests, events
    }

    private struct Name: Hashable {
        let publicID: String
        let kind: Kind
    }

    private let clock: any WallClock
    private let buckets = Mutex<[Name: TokenBucket]>([:])

    init(clock: any WallClock) { self.clock = clock }

    /// Lets `count` of `kind` through for a key of which `perSecond` are allowed; nil is without a limit. The
    /// answer tells how many are left, also where it is a refusal.
    ///
    /// - Throws: `Fault.limited` with how long to wait.
    func admit(
        _ count: Int, _ kind: Kind, of publicID: String, perSecond: Int?, telling headers: AnswerHeaders
    ) throws(Fault) {
        guard let perSecond else { return }
        let now = clock.now()
        let (rate, burst) = (Double(perSecond), Double(perSecond * KeyLimits.burstSeconds))
        let (wait, remaining) = buckets.withLock { buckets in
            let name = Name(publicID: publicID, kind: kind)
            // Keys are bounded by what is projected; those of long ago are forgotten with all others.
            if buckets.count > 2 * KeyLimits.mostBuckets { buckets.removeAll() }
            var bucket = buckets[name] ?? TokenBucket(rate: rate, burst: burst, at: now)
            bucket.change(rate: rate, burst: burst, at: now)
            let wait = bucket.take(count, at: now)
            let remaining = bucket.available(at: now)
            buckets[name] = bucket
            return (wait, remaining)
        }
        let missing = Double(perSecond * KeyLimits.burstSeconds - remaining)
        headers.tell([
            RateLimit(
                name: "key-\(kind.rawValue)", quota: perSecond, windowSeconds: 1, remaining: remaining,
                resetSeconds: Int((missing / rate).rounded(.up)))
        ])
        if let wait {
            throw Fault(
                .limited, doing: kind == .events ? "accept the events" : "answer the request",
                "the API key may bring \(perSecond) \(kind.rawValue) per second", retryAfter: wait)
        }
    }

    private static let mostBuckets = 1000
}
