import Contract
import Hummingbird
import Kernel
import Web

/// `/api/admin/platform/keys` and what rotates them.
struct PlatformKeyRoutes: Sendable {
    let rotation: KeyRotation
    let changes: Changes

    func add(to admin: RouterGroup<WebContext>) {
        admin.get("platform/keys") { _, context in
            let doing = "show the platform's keys"
            try context.authenticated(doing: doing).require(.readPlatform, doing: doing)
            return try WebResponse.json(try await rotation.view())
        }
        admin.post("platform/master-key/rotate") { request, context in
            let change = try await request.change(
                context, .changePlatform, doing: KeyRotation.rotatingMasterKey)
            return try await changes.answer(change) {
                plan(
                    "platform.rotateMasterKey",
                    [
                        ("files", "write secrets/master.key: a new key before the present one"),
                        ("control database", "update instance: what is sealed, under the new key"),
                        ("files", "write secrets/master.key: the new key alone"),
                    ])
            } _: { _ in
                try await rotation.rotateMasterKey()
                return try await rotation.view()
            }
        }
        admin.post("platform/token-key/rotate") { request, context in
            let doing = KeyRotation.rotatingTokenKey
            let change = try await request.change(
                TokenKeyRotation.self, context, .changePlatform, absent: TokenKeyRotation(), doing: doing)
            let overlap = try overlap(change.body, doing: doing)
            return try await changes.answer(change) {
                plan(
                    "platform.rotateTokenKey",
                    [
                        ("files", "write secrets/token-keys.json: the next key signs"),
                        ("brands database", "update brand_state of every brand after \(overlap)"),
                    ])
            } _: { _ in
                try await rotation.rotateTokenKey(overlap: overlap)
                return try await rotation.view()
            }
        }
        addRecovery(to: admin)
    }

    private func addRecovery(to admin: RouterGroup<WebContext>) {
        admin.post("platform/recovery-passphrase/rotate") { request, context in
            let change = try await request.change(
                context, .changePlatform, doing: "make a recovery passphrase")
            return try await changes.answer(change) {
                plan(
                    "platform.rotateRecoveryPassphrase",
                    [("files", "write secrets/master.key.recovery: under a new passphrase")])
            } remembered: { _ in
                RecoveryPassphraseView(passphrase: "shown once, when it was made")
            } _: { _ in
                RecoveryPassphraseView(passphrase: try rotation.keys.newRecoveryPassphrase().reveal())
            }
        }
    }

    private func overlap(_ body: TokenKeyRotation, doing: String) throws(Fault) -> Duration {
        guard let seconds = body.overlapSeconds else { return Sessions.accessLifetime }
        let longest = KeyRotation.longestOverlap.components.seconds
        guard (0...Int(longest)).contains(seconds) else {
            throw Fault(.invalid, doing: doing, "expected 0 to \(longest) seconds", field: "overlapSeconds")
        }
        return .seconds(seconds)
    }

    private func plan(_ kind: String, _ effects: [(String, String)]) -> OperationPlan {
        OperationPlan(
            kind: kind, subject: "platform",
            effects: effects.map { (target: $0.0, action: $0.1) })
    }
}
