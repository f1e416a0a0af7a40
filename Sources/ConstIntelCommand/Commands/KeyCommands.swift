import ArgumentParser
import Contract
import Foundation
import Kernel

struct KeyGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Create, list, rotate and revoke API keys.",
        discussion: """
            Example:
              constintel key create acme --name "web shop" --scope events:write
            """,
        subcommands: [
            KeyCreate.self, KeyList.self, KeyRotate.self, KeyRevoke.self, KeyReportLeak.self,
        ])
}

extension KeyScope: ExpressibleByArgument {}

struct KeyCreate: ServiceCommand {
    /// Whether a key's events count.
    enum Environment: String, ExpressibleByArgument, CaseIterable {
        case live, test
    }

    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Create an API key, which is shown this once.",
        discussion: """
            A browser key is for the pages of a site, where everybody can see it: it may only send what \
            visitors do, from the sites that --origin names or, without one, those of the brand's settings.

            Example:
              constintel key create acme --name reports --scope stats:read --expires-at 2027-12-31
              constintel key create acme --name pages --browser --origin https://shop.acme.example
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Option(help: "What the key is for.")
    var name: String

    @Option(help: "What the key may do; repeat it for several (default: everything).")
    var scope: [KeyScope] = []

    @Option(help: "When the key ends: a day or a date-time (default: never).", transform: parseInstant)
    var expiresAt: Timestamp?

    @Option(help: "Events sent with a test key are kept and not counted.")
    var environment: Environment = .live

    @Flag(help: "A key for web pages.")
    var browser = false

    @Option(help: "A site whose pages may use the browser key; repeat it for several.")
    var origin: [String] = []

    @Option(help: "Events per second that the key may bring (default: what the plan allows).")
    var rate: Int?

    @Option(help: "Requests per second that the key may bring (default: no limit of its own).")
    var requestRate: Int?

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    func validate() throws {
        guard browser || origin.isEmpty else { throw ValidationError("--origin goes with --browser.") }
        guard !browser || environment == .live else {
            throw ValidationError("A key is a test key or for a browser, and not both.")
        }
    }

    func run(on service: Service) async throws {
        var draft = KeyDraft(
            name: name, scopes: scope.isEmpty ? nil : scope.map(\.rawValue), expiresAt: expiresAt,
            environment: browser ? "browser" : environment.rawValue)
        draft.origins = origin.isEmpty ? nil : origin
        draft.eventsPerSecond = rate
        draft.requestsPerSecond = requestRate
        let request = try Request(
            .post, "/api/admin/brands/\(slug)/keys", json: draft, doing: "create a key of '\(slug)'")
        guard let answer = try await service.write(request, unless: plan) else { return }
        try service.report(created: answer)
    }
}

extension Service {
    /// Prints a key that was made, which is shown this once.
    func report(created answer: Answer) throws {
        try report(answer) {
            let created = try answer.decode(KeyCreated.self)
            let view = created.view
            note("The key is shown only this once.")
            return Description([
                ("key", created.key), ("public id", view.publicId),
                ("scopes", view.scopes.joined(separator: ", ")),
                ("origins", view.origins?.joined(separator: ", ")), ("limits", view.limits),
                ("expires", view.expiresAt?.description ?? "never"), ("replaces", view.replaces),
            ]).lines
        }
    }
}

extension KeyView {
    /// What it may bring in a second, where that is limited.
    fileprivate var limits: String? {
        let parts = [
            eventsPerSecond.map { "\($0) events/s" }, requestsPerSecond.map { "\($0) requests/s" },
        ].compactMap(\.self)
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }

    /// Whether it works, and why not.
    fileprivate var state: String {
        if let revokedAt { return "revoked \(revokedAt)" }
        if let replacedBy { return "replaced by \(replacedBy)" }
        return ""
    }
}

struct KeyList: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List a brand's API keys, without the keys themselves.",
        discussion: """
            Example:
              constintel key list acme
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.control.send(
            Request(
                .get, "/api/admin/brands/\(slug)/keys", query: page.query, doing: "list the keys of '\(slug)'"
            ))
        try service.report(page: answer, of: KeyView.self) { keys in
            Table(
                [
                    .init("public id"), .init("name"), .init("environment"), .init("scopes"),
                    .init("limits"), .init("created"), .init("last used"), .init("expires"), .init("state"),
                ],
                rows: keys.map {
                    [
                        $0.publicId, $0.name, $0.environment, $0.scopes.joined(separator: ","),
                        $0.limits ?? "", $0.createdAt.description, $0.lastUsedAt?.description ?? "never",
                        $0.expiresAt?.description ?? "never", $0.state,
                    ]
                })
        }
    }
}

struct KeyRevoke: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Revoke an API key: within a second nothing accepts it.",
        discussion: """
            Example:
              constintel key revoke acme 0aB1cD2eF3gH
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Argument(help: "The key's public id, as 'constintel key list' shows it.")
    var publicId: String

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let request = Request(
            .delete, "/api/admin/brands/\(slug)/keys/\(escaped(publicId))",
            doing: "revoke the key \(publicId) of '\(slug)'")
        guard let answer = try await service.write(request, unless: plan) else { return }
        try service.report(answer) { ["Revoked the key \(publicId) of '\(slug)'."] }
    }
}
