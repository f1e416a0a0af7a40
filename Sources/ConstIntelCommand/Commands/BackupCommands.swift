import ArgumentParser
import Contract
import Foundation
import Kernel

struct BackupGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Back brands up, try backups, restore them, and take a restore back.",
        discussion: """
            Brands are backed up by themselves as often as their plan says, and a backup of each is restored \
            beside it once a week and compared: 'verified' in the list.

            Example:
              constintel backup create acme
              constintel backup list acme
              constintel backup restore acme
            """,
        subcommands: [
            BackupCreate.self, BackupList.self, BackupVerify.self, BackupReceipt.self,
            BackupRestoreCommand.self, BackupSwapBack.self, BackupRecover.self,
        ])
}

struct BackupCreate: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Back a brand up now.",
        discussion: """
            The brand goes on meanwhile; one that sleeps is not woken. 'constintel operation unwind' gives \
            it up.

            Example:
              constintel backup create acme
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let doing = "back up '\(slug)'"
        let request = Request(.post, "/api/admin/brands/\(slug)/backups", doing: doing)
        guard let started = try await service.write(request, unless: change.plan),
            try await service.finish(started, change, doing: doing) != nil
        else { return }
        try await service.showBackups(of: slug, query: [("limit", "1")])
    }
}

struct BackupList: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List a brand's backups, the newest first, and whether each was restored and compared.",
        discussion: """
            Example:
              constintel backup list acme
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        try await service.showBackups(of: slug, query: page.query)
    }
}

struct BackupVerify: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Restore a brand's newest backup beside the brand, compare every row, and re-fold it.",
        discussion: """
            Nothing of the brand is touched. What was found is signed and kept: 'constintel backup receipt'. \
            The exit status is 1 when the backup is not what was written.

            Example:
              constintel backup verify acme
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Option(help: "The backup's id (default: the newest).", transform: parseID)
    var backup: OperationID?

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let doing = "verify the backup of '\(slug)'"
        let request = try Request(
            .post, "/api/admin/brands/\(slug)/backups/verify", json: BackupChoice(backup: backup),
            doing: doing)
        guard let started = try await service.write(request, unless: change.plan),
            try await service.finish(started, change, doing: doing) != nil
        else { return }
        try await service.showReceipt(of: slug)
    }
}

struct BackupReceipt: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "receipt",
        abstract: "Show what the last try of a brand's backup has found, and whether its signature holds.",
        discussion: """
            Example:
              constintel backup receipt acme
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws { try await service.showReceipt(of: slug) }
}

struct BackupRestoreCommand: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Put the state of a backup in the place of a brand's present one.",
        discussion: """
            What came after the backup, events and decisions, is brought into it, unless --discard-later \
            says otherwise. The brand stops only at the end, while that is done. Whatever fails, the brand \
            is as it was. The former state is kept: 'constintel backup swap-back' brings it back.

            Example:
              constintel backup restore acme
              constintel backup restore acme --backup 0198c5f2-8b7a-7c3e-9d0a-0242ac120002 --discard-later
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Option(help: "The backup's id (default: the newest).", transform: parseID)
    var backup: OperationID?

    @Flag(help: "Give up events and decisions that came after the backup.")
    var discardLater = false

    @Option(help: "For how many days the former state is kept, 1 to 365 (default: 30).")
    var keepDays: Int?

    @Option(help: "The slug once more, instead of typing it.")
    var confirm: String?

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let doing = "restore '\(slug)'"
        if confirm == nil, !change.plan.plan {
            let later =
                discardLater ? "What came after the backup is given up." : "What came later is brought over."
            try service.confirm(
                slug.text, "'\(slug)' will be as its backup says, and stop for a while. \(later)",
                option: "--confirm", doing: doing)
        }
        let request = try Request(
            .post, "/api/admin/brands/\(slug)/restore",
            json: BackupRestore(
                backup: backup, discardLater: discardLater, confirm: confirm ?? slug.text,
                keepDays: keepDays),
            doing: doing)
        guard let started = try await service.write(request, unless: change.plan),
            try await service.finish(started, change, doing: doing) != nil
        else { return }
        service.note("The former state is kept: 'constintel backup swap-back \(slug)' brings it back.")
        try await service.show(slug)
    }
}

struct BackupSwapBack: BrandChangeCommand {
    static let configuration = CommandConfiguration(
        commandName: "swap-back",
        abstract: "Bring the state back that the last restore has put aside.",
        discussion: """
            What came since the restore is brought over. Swapping once more goes the other way.

            Example:
              constintel backup swap-back acme
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func request() throws -> Request {
        Request(.post, "/api/admin/brands/\(slug)/swap-back", doing: "swap '\(slug)' back")
    }
}

struct BackupRecover: BrandChangeCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract: "Bring back a brand of which nothing is left but what the control plane knows.",
        discussion: """
            'constintel platform recover' begins it for every brand of a lost installation; this tries one \
            again. A brand whose tables are there is restored instead.

            Example:
              constintel backup recover acme
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func request() throws -> Request {
        Request(.post, "/api/admin/brands/\(slug)/recover", doing: "recover '\(slug)'")
    }
}

extension Service {
    fileprivate func showBackups(of slug: Slug, query: [(name: String, value: String)]) async throws {
        var request = Request(
            .get, "/api/admin/brands/\(slug)/backups", doing: "list the backups of '\(slug)'")
        request.query = query
        try await showBackups(request)
    }

    /// Prints a page of backups.
    func showBackups(_ request: Request) async throws {
        let now = surroundings.clock.now()
        try report(page: try await control.send(request), of: BackupView.self) { backups in
            Table(
                [
                    .init("id"), .init("taken"), .init("events", .right), .init("profiles", .right),
                    .init("orders", .right), .init("size", .right), .init("added", .right), .init("verified"),
                ],
                rows: backups.map {
                    [
                        "\($0.id)", $0.takenAt.description, grouped($0.events), grouped($0.profiles),
                        grouped($0.orders), megabytes($0.bytes), megabytes($0.addedBytes),
                        $0.verified(at: now),
                    ]
                })
        }
    }

    fileprivate func showReceipt(of slug: Slug) async throws {
        let answer = try await control.send(
            Request(
                .get, "/api/admin/brands/\(slug)/backups/receipt",
                doing: "show the receipt of '\(slug)'"))
        let receipt = try answer.decode(BackupReceiptView.self)
        try report(answer) { receipt.lines }
    }
}

extension BackupReceiptView {
    fileprivate var lines: [String] {
        let said = try? JSONDecoder().decode(BackupStatement.self, from: Data(statement.utf8))
        let rows = said?.tables.reduce(0) { $0 + $1.rows } ?? 0
        let what =
            isPassed
            ? "passed: \(grouped(rows)) rows of \(said?.tables.count ?? 0) tables are what was written, "
                + "\(grouped(said?.eventsFolded ?? 0)) events fold to the same"
            : "FAILED: \(failure ?? "")"
        return [
            "backup     \(backup)", "tried      \(at)", "result     \(what)",
            "signature  \(isVerified == true ? "holds" : "DOES NOT HOLD") (Ed25519, key \(key ?? "unknown"))",
        ]
    }
}

extension BackupView {
    /// What the last drill said, and how long ago.
    fileprivate func verified(at now: Timestamp) -> String {
        guard let drill else { return "not yet" }
        let age = (now - drill.at).inWords
        return drill.isPassed ? "\(age) ago" : "FAILED \(age) ago: \(drill.failure ?? "")"
    }
}

/// Megabytes with one digit behind the point.
private func megabytes(_ bytes: Int64) -> String {
    let tenths = (bytes * 10 + 524_288) / 1_048_576
    return "\(grouped(tenths / 10)).\(tenths % 10) MB"
}
