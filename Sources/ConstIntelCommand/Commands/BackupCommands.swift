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
            BackupRestoreCommand.self, BackupSwapBack.self, BackupClone.self, BackupRecover.self,
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
        let request = Request(
            .post, "/api/admin/brands/\(slug)/backups", doing: "back up '\(slug)'")
        try await service.backUp(request, change, list: .backups(of: slug))
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
        var request = Request.backups(of: slug)
        request.query = page.query
        try await service.showBackups(request)
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

struct BackupClone: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "clone",
        abstract: "Make a new brand from a backup of another: for a try, or to look something up.",
        discussion: """
            The new brand has the other's customers and events, its settings and its plan. It has no keys \
            and no users yet, and nothing is sent to customers in its name.

            Example:
              constintel backup clone acme acme-trial
              constintel backup clone acme acme-trial --backup 0198c5f2-8b7a-7c3e-9d0a-0242ac120002
            """)

    @Argument(help: "The slug of the brand whose backup it is.", transform: parseSlug)
    var source: Slug

    @Argument(help: "The new brand's slug.", transform: parseSlug)
    var slug: Slug

    @Option(help: "The backup's id (default: the newest).", transform: parseID)
    var backup: OperationID?

    @Option(help: "The new brand's name (default: its slug).")
    var name: String?

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let doing = "clone '\(source)' as '\(slug)'"
        let request = try Request(
            .post, "/api/admin/brands/\(source)/clone",
            json: BrandClone(slug: slug.text, name: name, backup: backup), doing: doing)
        guard let started = try await service.write(request, unless: change.plan),
            try await service.finish(started, change, doing: doing) != nil
        else { return }
        service.note("It has no API keys yet: 'constintel key create \(slug) …' makes one.")
        try await service.show(slug)
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

extension Request {
    fileprivate static func backups(of slug: Slug) -> Request {
        Request(.get, "/api/admin/brands/\(slug)/backups", doing: "list the backups of '\(slug)'")
    }
}

extension Service {
    /// Begins a backup, waits for it, and prints what was made, which is the first of `list`.
    func backUp(_ request: Request, _ change: ChangeOptions, list: Request) async throws {
        guard let started = try await write(request, unless: change.plan),
            try await finish(started, change, doing: request.doing) != nil
        else { return }
        var list = list
        list.query = [("limit", "1")]
        let answer = try await control.send(list)
        try report(answer) {
            let made = try answer.decode(Page<BackupView>.self).items
            return lines(table(made))
        }
    }

    /// Prints a page of backups.
    func showBackups(_ request: Request) async throws {
        try report(page: try await control.send(request), of: BackupView.self) { table($0) }
    }

    private func table(_ backups: [BackupView]) -> Table {
        let now = surroundings.clock.now()
        return Table(
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
