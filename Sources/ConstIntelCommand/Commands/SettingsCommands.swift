import ArgumentParser
import Contract
import Foundation
import Kernel

struct SettingsGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "settings",
        abstract: "Show and change what describes a brand, with its history.",
        discussion: """
            Example:
              constintel brand settings set acme --origin https://shop.acme.example --retention-days 365
            """,
        subcommands: [SettingsShow.self, SettingsSet.self, SettingsHistory.self, SettingsRevertCommand.self])
}

struct SettingsShow: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a brand's settings and their version.",
        discussion: """
            Example:
              constintel brand settings show acme
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.control.send(
            .brand(.get, slug, "/settings", doing: "show the settings of '\(slug)'"))
        try service.report(answer) { try answer.decode(BrandSettingsView.self).description.lines }
    }
}

struct SettingsSet: BrandChangeCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Change a brand's settings; its running instance has them within a second.",
        discussion: """
            What is not named stays as it is. An empty text takes away what a brand may lack, and \
            --retention-days 0 keeps events as long as the plan says. Country and currency stay as they are \
            once the brand has events.

            Example:
              constintel brand settings set acme --contact-email it@acme.example --feature campaigns=off
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Option(help: "The display name.")
    var name: String?

    @Option(help: "The brand's web domain; '' for none.")
    var domain: String?

    @Option(help: "What it sells, such as apparel, grocery or other; '' for none.")
    var industry: String?

    @Option(help: "ISO 3166 code of two letters, for phone numbers without a country code.")
    var country: String?

    @Option(help: "An IANA name, for reports.")
    var timeZone: String?

    @Option(help: "ISO 4217 code of three letters.")
    var currency: String?

    @Option(help: "Whom to write to about the brand; '' for nobody.")
    var contactEmail: String?

    @Option(help: "A number with its country code; '' for none.")
    var contactPhone: String?

    @Option(help: "How long raw events are kept, 30 days at least; 0 for what the plan says.")
    var retentionDays: Int?

    @Option(help: "A feature as name=on, name=off or name=plan; repeat it for several.")
    var feature: [String] = []

    @Option(help: "A site whose pages may use browser keys; all of them, repeated; '' for none.")
    var origin: [String] = []

    @Option(help: "Refuse unless this is the present version.")
    var version: Int64?

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func validate() throws {
        let texts = [name, domain, industry, country, timeZone, currency, contactEmail, contactPhone]
        guard
            texts.contains(where: { $0 != nil }) || retentionDays != nil || !feature.isEmpty
                || !origin.isEmpty
        else { throw ValidationError("Say what to change, such as --name or --retention-days.") }
        _ = try features()
    }

    func request() throws -> Request {
        var body = BrandChange(
            name: name, domain: domain, industry: industry, timeZone: timeZone, version: version)
        body.country = country
        body.currency = currency
        body.contactEmail = contactEmail
        body.contactPhone = contactPhone
        body.retentionDays = retentionDays
        body.features = try features()
        if !origin.isEmpty { body.origins = origin.filter { !$0.isEmpty } }
        return try .brand(.patch, slug, json: body, doing: "change the settings of '\(slug)'")
    }

    private func features() throws -> [String: Bool?]? {
        guard !feature.isEmpty else { return nil }
        var features: [String: Bool?] = [:]
        for text in feature {
            let parts = text.split(separator: "=", maxSplits: 1)
            let values: [String: Bool?] = ["on": true, "off": false, "plan": nil]
            guard parts.count == 2, let value = values[String(parts[1])] else {
                throw ValidationError("--feature is name=on, name=off or name=plan")
            }
            features.updateValue(value, forKey: String(parts[0]))
        }
        return features
    }
}

struct SettingsHistory: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "List the changes of a brand's settings, the newest first.",
        discussion: """
            Example:
              constintel brand settings history acme
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.control.send(
            Request(
                .get, "/api/admin/brands/\(slug)/settings/history", query: page.query,
                doing: "list the changes of the settings of '\(slug)'"))
        try service.report(page: answer, of: BrandSettingsVersion.self) { versions in
            Table(
                [.init("version", .right), .init("at"), .init("by"), .init("change")],
                rows: versions.map { [String($0.version), $0.at.description, $0.actor, $0.changes] })
        }
    }
}

struct SettingsRevertCommand: BrandChangeCommand {
    static let configuration = CommandConfiguration(
        commandName: "revert",
        abstract: "Make a brand's settings what they were at an earlier version.",
        discussion: """
            That is a change too, of a version of its own: reverting to the version before undoes it.

            Example:
              constintel brand settings revert acme 3
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Argument(help: "The version, as 'constintel brand settings history' shows it.")
    var version: Int64

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func request() throws -> Request {
        try .brand(
            .post, slug, "/settings/revert", json: SettingsRevert(version: version),
            doing: "revert the settings of '\(slug)' to version \(version)")
    }
}

extension BrandSettings {
    /// The settings as a person reads them.
    fileprivate var fields: [(name: String, value: String?)] {
        [
            ("name", name), ("domain", domain), ("industry", industry), ("country", country),
            ("time zone", timeZone), ("currency", currency), ("contact e-mail", contactEmail),
            ("contact phone", contactPhone), ("retention days", retentionDays.map(String.init)),
            (
                "features",
                features?.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value ? "on" : "off")" }
                    .joined(separator: ", ")
            ),
            ("origins", origins?.joined(separator: ", ")),
        ]
    }
}

extension BrandSettingsView {
    fileprivate var description: Description {
        Description([(name: "version", value: Optional(String(version)))] + settings.fields)
    }
}

extension BrandSettingsVersion {
    /// What it changed, each with both values.
    fileprivate var changes: String {
        zip(before.fields, after.fields).filter { $0.value != $1.value }
            .map { "\($0.name): \($0.value ?? "none") -> \($1.value ?? "none")" }.joined(separator: "; ")
    }
}
