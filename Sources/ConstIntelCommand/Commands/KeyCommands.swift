import ArgumentParser
import Contract
import Foundation
import Kernel

struct KeyGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Create, list and revoke a brand's API keys.",
        discussion: """
            Example:
              constintel key create acme --name "web shop" --scope events:write
            """,
        subcommands: [KeyCreate.self, KeyList.self, KeyRevoke.self])
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
            Example:
              constintel key create acme --name reports --scope stats:read --expires-at 2027-12-31
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

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let draft = KeyDraft(
            name: name, scopes: scope.isEmpty ? nil : scope.map(\.rawValue), expiresAt: expiresAt,
            environment: environment.rawValue)
        let request = try Request(
            .post, "/api/admin/brands/\(slug)/keys", json: draft, doing: "create a key of '\(slug)'")
        guard let answer = try await service.write(request, unless: plan) else { return }
        try service.report(answer) {
            let created = try answer.decode(KeyCreated.self)
            service.note("The key is shown only this once.")
            return Description([
                ("key", created.key), ("public id", created.view.publicId),
                ("scopes", created.view.scopes.joined(separator: ", ")),
                ("expires", created.view.expiresAt?.description ?? "never"),
            ]).lines
        }
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
                    .init("created"),
                    .init("expires"), .init("revoked"),
                ],
                rows: keys.map {
                    [
                        $0.publicId, $0.name, $0.environment, $0.scopes.joined(separator: ","),
                        $0.createdAt.description, $0.expiresAt?.description ?? "never",
                        $0.revokedAt?.description ?? "",
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
