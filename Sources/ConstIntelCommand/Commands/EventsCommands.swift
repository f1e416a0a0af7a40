import ArgumentParser
import Contract
import Foundation
import Kernel

struct EventsGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Import, send and list a brand's events.",
        discussion: """
            Example:
              constintel events list --brand acme --limit 5
            """,
        subcommands: [
            EventsImport.self, EventsSend.self, EventsList.self, EventsShow.self, EventsFeed.self,
            EventsTypes.self,
        ])
}

struct EventsList: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List a brand's events, the newest first.",
        discussion: """
            Example:
              constintel events list --brand acme --limit 5
            """)

    private static let columns = [
        "occurredAt", "type", "channel", "identifiers", "customerProfileId", "id",
    ]

    @Option(help: "Only events of this type, such as purchase.")
    var type: String?

    @Option(help: "Only events of the profile with this id.", transform: parseID)
    var profile: ProfileID?

    @OptionGroup var brand: BrandOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let filters = [("type", type), ("profile", profile?.description)].compactMap { name, value in
            value.map { (name: name, value: $0) }
        }
        let answer = try await service.instance(of: brand.slug).send(
            Request(
                .get, "/api/events", query: filters + page.query, doing: "list the events of '\(brand.slug)'")
        )
        try service.report(page: answer, columns: Self.columns)
    }
}

struct ProfilesGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profiles",
        abstract: "Find, show, merge and unmerge a brand's customers.",
        discussion: """
            Example:
              constintel profiles find --brand acme --identifier email=ana@example.com
            """,
        subcommands: [
            ProfilesFind.self, ProfilesShow.self, ProfilesHistory.self, ProfilesMerge.self,
            ProfilesUnmerge.self, ProfilesNever.self, ProfilesAllow.self, ProfilesDecisions.self,
        ])
}

struct ProfilesFind: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "find",
        abstract: "List the profiles of a brand, or find the one that has an identifier.",
        discussion: """
            Kinds of identifiers: phone, email, loyalty_id, whatsapp, device_id, cookie_id, qr_id, upi_id, \
            card_last4.

            Example:
              constintel profiles find --brand acme --identifier loyalty_id=00001
            """)

    private static let columns = [
        "id", "identifiers", "totalOrders", "lifetimeValue", "profileStrength", "lastSeenAt",
    ]

    @Option(help: "An identifier, as kind=value.", transform: ProfilesFind.parseIdentifier)
    var identifier: Identifier?

    @OptionGroup var brand: BrandOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let search = identifier.map { [(name: $0.kind, value: $0.value)] } ?? []
        let answer = try await service.instance(of: brand.slug).send(
            Request(
                .get, "/api/profiles", query: search + page.query,
                doing: "find profiles of '\(brand.slug)'"))
        try service.report(page: answer, columns: Self.columns)
    }

    /// What a customer is known by; the service knows the kinds.
    struct Identifier: Sendable {
        var kind: String
        var value: String
    }

    @Sendable static func parseIdentifier(_ text: String) throws -> Identifier {
        let parts = text.split(separator: "=", maxSplits: 1)
        guard parts.count == 2 else {
            throw ValidationError("expected kind=value, such as email=ana@example.com")
        }
        return Identifier(kind: String(parts[0]), value: String(parts[1]))
    }
}

struct ProfilesShow: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one profile.",
        discussion: """
            Example:
              constintel profiles show 0198c5f2-8b7a-7c3e-9d0a-0242ac120002 --brand acme
            """)

    @Argument(help: "The profile's id.", transform: parseID)
    var id: ProfileID

    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(.get, "/api/profiles/\(id)", doing: "show the profile \(id)"))
        let order = ["id", "identifiers", "totalOrders", "lifetimeValue", "profileStrength"]
        try service.report(answer) {
            Description(try answer.decode(JSONValue.self).fields(order: order)).lines
        }
    }
}

extension Service {
    /// Prints one page of values whose shape belongs to the instance, with a column for each of `columns`.
    func report(page answer: Answer, columns: [String]) throws {
        try report(answer) {
            let page = try answer.decode(JSONValue.self)
            if let cursor = page["nextCursor"] { note("There are more: add --cursor \(cursor.text)") }
            return lines(JSONValue.table(page["items"]?.elements ?? [], columns: columns))
        }
    }
}
