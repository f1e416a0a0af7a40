import Contract
import Kernel

/// Whether the installation's own keys can be brought back, and no rotation of one was left halfway.
struct KeyChecks: Sendable {
    let keys: PlatformKeys
    let store: SealedStore
    let clock: any WallClock

    /// How long after its time a former token key may go on verifying.
    static let retirement = KeyRotation.period * 6

    var all: [Check] {
        [
            Check(
                name: "recovery passphrase",
                remedy: "constintel platform rotate-recovery-passphrase; runbooks/key-rotation.md"
            ) {
                keys.hasRecovery
                    ? .ok("made")
                    : .warning("none: with the master key all brands' passwords would be lost")
            },
            Check(
                name: "master key", needs: [.controlDatabase],
                remedy: "constintel platform rotate-master-key finishes it; runbooks/key-rotation.md"
            ) {
                let sealer = keys.sealer
                let left = try await store.countNotUnder(sealer.keyId)
                guard let former = sealer.formerKeyIds.first else {
                    return left == 0
                        ? .ok(sealer.keyId)
                        : .failed("\(counted(left, "instance")) sealed under a key that is not here")
                }
                return .warning("a rotation is halfway: \(counted(left, "instance")) still under \(former)")
            },
            Check(
                name: "token keys", remedy: "see why in constinteld's log; runbooks/key-rotation.md"
            ) {
                let uses = keys.tokens.uses.map { "\($0.id.prefix(8)) \($0.use)" }.joined(separator: ", ")
                guard let end = keys.tokens.retireAt, clock.now() - end > KeyChecks.retirement else {
                    return .ok(uses)
                }
                return .failed("\(uses): the former one should have been refused since \(end)")
            },
        ]
    }
}
