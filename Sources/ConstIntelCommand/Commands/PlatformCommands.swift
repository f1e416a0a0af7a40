import ArgumentParser
import Contract
import Foundation
import Kernel

struct PlatformGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "platform",
        abstract: "See and rotate the installation's own keys, see what it measures, and clear a trial one.",
        discussion: """
            Example:
              constintel platform keys
            """,
        subcommands: [
            PlatformKeys.self, RotateMasterKey.self, RotateTokenKey.self, RotateRecoveryPassphrase.self,
            RecoverMasterKey.self, PlatformBackup.self, PlatformBackups.self, PlatformRecover.self,
            PlatformMetrics.self, ClearAllData.self,
        ])
}

struct PlatformKeys: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys",
        abstract: "Show the installation's keys by their ids, and what is left of a rotation.",
        discussion: """
            Example:
              constintel platform keys
            """)

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.control.send(
            Request(.get, "/api/admin/platform/keys", doing: "show the platform's keys"))
        try service.report(answer) { try answer.decode(PlatformKeysView.self).description.lines }
    }
}

struct RotateMasterKey: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate-master-key",
        abstract: "Seal every secret under a new master key, and drop the old one.",
        discussion: """
            Brands serve on meanwhile. What is interrupted goes on by itself. Where systemd delivers the \
            key, a new one is put before it first: see runbooks/key-rotation.md.

            Example:
              constintel platform rotate-master-key
            """)

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let request = Request(
            .post, "/api/admin/platform/master-key/rotate", doing: "rotate the master key")
        guard let answer = try await service.write(request, unless: plan) else { return }
        let keys = try answer.decode(PlatformKeysView.self)
        try service.report(answer) { keys.description.lines }
        if keys.formerMasterKey != nil, !keys.isMasterKeyDelivered {
            service.note("The former key is dropped by itself once no brand is being provisioned any more.")
        }
    }
}

struct RotateTokenKey: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate-token-key",
        abstract: "Sign user tokens with the next key, and drop the old one once its tokens have ended.",
        discussion: """
            Nobody is logged out: a session refreshes its tokens by itself.

            Example:
              constintel platform rotate-token-key --overlap-seconds 0
            """)

    @Option(help: "How long the old key's tokens go on; 0 for no longer (default: as long as one lives).")
    var overlapSeconds: Int?

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let request = try Request(
            .post, "/api/admin/platform/token-key/rotate",
            json: TokenKeyRotation(overlapSeconds: overlapSeconds), doing: "rotate the token key")
        guard let answer = try await service.write(request, unless: plan) else { return }
        try service.report(answer) { try answer.decode(PlatformKeysView.self).description.lines }
    }
}

struct RotateRecoveryPassphrase: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate-recovery-passphrase",
        abstract: "Make the passphrase that brings the master key back; it is shown this once.",
        discussion: """
            An earlier passphrase opens nothing any more. Write it down where the machine's loss does not \
            take it too.

            Example:
              constintel platform rotate-recovery-passphrase
            """)

    @Flag(help: "Do nothing when there is one.")
    var ifAbsent = false

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        if ifAbsent {
            let keys = try await service.control.send(
                Request(.get, "/api/admin/platform/keys", doing: "show the platform's keys"))
            if try keys.decode(PlatformKeysView.self).hasRecoveryPassphrase { return }
        }
        let request = Request(
            .post, "/api/admin/platform/recovery-passphrase/rotate", doing: "make a recovery passphrase")
        guard let answer = try await service.write(request, unless: plan) else { return }
        try service.report(answer) {
            service.note("The recovery passphrase is shown only this once. Write it down.")
            return [try answer.decode(RecoveryPassphraseView.self).passphrase]
        }
    }
}

extension PlatformKeysView {
    /// The keys as a person reads them.
    fileprivate var description: Description {
        let master: [(name: String, value: String?)] = [
            ("master key", masterKey + (isMasterKeyDelivered ? ", delivered by the service manager" : "")),
            (
                "former master key",
                formerMasterKey.map { "\($0), which \(sealedUnderFormer) instances are still sealed under" }
            ), ("recovery passphrase", hasRecoveryPassphrase ? "made" : "none"),
        ]
        let tokens = tokenKeys.map { (name: "token key", value: Optional("\($0.id), \($0.use)")) }
        return Description(
            master + tokens + [("former token key until", formerTokenKeyUntil?.description)])
    }
}
