import ArgumentParser
import Contract
import Foundation
import Kernel

struct PlatformBackup: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Back the control plane up now: its database, and its keys, wrapped and sealed.",
        discussion: """
            It is done by itself every six hours. Brands have backups of their own: 'constintel backup'.

            Example:
              constintel platform backup
            """)

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let request = Request(.post, "/api/admin/platform/backups", doing: "back the control plane up")
        try await service.backUp(request, change, list: .controlBackups)
    }
}

extension Request {
    fileprivate static let controlBackups = Request(
        .get, "/api/admin/platform/backups", doing: "list the backups")
}

struct PlatformBackups: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "backups",
        abstract: "List the backups of the control plane, the newest first.",
        discussion: """
            Example:
              constintel platform backups
            """)

    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        var request = Request.controlBackups
        request.query = page.query
        try await service.showBackups(request)
    }
}

struct PlatformRecover: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract:
            "Bring a lost installation back into this new one: what the control plane knew, and every brand.",
        discussion: """
            The new installation has no brands yet, the lost one's master key, and the repositories with \
            their password: runbooks/machine-lost.md says how. Each brand comes back by an operation of its \
            own, which is waited for.

            Example:
              constintel platform recover
            """)

    @Flag(help: "Do not wait for the brands.")
    var noWait = false

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let doing = "recover the installation"
        var request = Request(.post, "/api/admin/platform/recover", doing: doing)
        request.isLong = true
        guard let answer = try await service.write(request, unless: plan) else { return }
        let recovered = try answer.decode(PlatformRecovered.self)
        if !noWait { try await service.await(recovered.brands, doing: doing) }
        try service.report(answer) {
            [
                "The control plane is as of \(recovered.takenAt), with \(recovered.brands.count) brands."
            ]
        }
        service.note("Restart constinteld now: its own keys have come back with it.")
    }
}

extension Service {
    /// Waits until each brand's recovery has ended; fails at the end when one has not ended well.
    fileprivate func await(_ brands: [String], doing: String) async throws {
        var failed: [String] = []
        for brand in brands {
            var request = Request(.get, "/api/admin/operations", doing: doing)
            request.query = [("subject", brand), ("limit", "1")]
            let page = try await control.send(request).decode(Page<OperationView>.self)
            guard let newest = page.items.first else { continue }
            let ended = try await operations.follow(control.send(operations.request(newest.id)))
                .decode(OperationView.self)
            if ended.state == .done {
                note("'\(brand)' is back.")
            } else {
                failed.append(brand)
                note("'\(brand)' is not: \(ended.error ?? ended.state.rawValue)")
            }
        }
        guard !failed.isEmpty else { return }
        throw Fault(
            .conflict, doing: doing,
            "\(failed.count) of \(brands.count) brands are not back: \(failed.joined(separator: ", ")); "
                + "try each again with 'constintel backup recover'")
    }
}
