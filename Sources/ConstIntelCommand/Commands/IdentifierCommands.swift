import ArgumentParser
import Contract
import Kernel

struct IdentifiersGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "identifiers",
        abstract: "Say what a value proves: block it, or share it.",
        discussion: """
            A blocked value is as if it never was: it ties and places nothing. A shared one, such as a \
            family's phone, ties nobody and keeps what is placed on it.

            Example:
              constintel identifiers block email=test@test.com --brand acme --reason "a placeholder"
            """,
        subcommands: [
            IdentifiersList.self, IdentifiersBlock.self, IdentifiersUnblock.self, IdentifiersShare.self,
            IdentifiersUnshare.self,
        ])
}

struct IdentifiersList: ServiceCommand {
    /// What a value can be.
    enum Flag: String, ExpressibleByArgument, CaseIterable {
        case blocked, shared
    }

    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the values that are blocked or shared.",
        discussion: """
            Example:
              constintel identifiers list --brand acme --flag blocked
            """)

    private static let columns = ["kind", "value", "flag", "since", "actor", "reason"]

    @Option(help: "Only these.") var flag: Flag?
    @OptionGroup var brand: BrandOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let filter = flag.map { [(name: "flag", value: $0.rawValue)] } ?? []
        let answer = try await service.instance(of: brand.slug).send(
            Request(.get, "/api/identifiers", query: filter + page.query, doing: "list the identifiers"))
        try service.report(page: answer, columns: Self.columns)
    }
}

/// Which value it is about, and why.
struct ValueArguments: ParsableArguments {
    @Argument(help: "The value, as kind=value.", transform: ProfilesFind.parseIdentifier)
    var value: ProfilesFind.Identifier
    @OptionGroup var decision: DecisionOptions
    @OptionGroup var brand: BrandOptions
}

/// A decision about one value.
protocol ValueCommand: ServiceCommand {
    static var verb: String { get }
    var arguments: ValueArguments { get }
}

extension ValueCommand {
    func run(on service: Service) async throws {
        let (value, decision) = (arguments.value, arguments.decision)
        let draft = ValueDraft(
            kind: value.kind, value: value.value, reason: decision.reason, shown: decision.shown)
        try await service.decide(
            "/api/identifiers/\(Self.verb)", draft, decision, of: arguments.brand.slug,
            doing: "\(Self.verb) the value")
    }

    fileprivate static func configured(_ abstract: String, _ example: String) -> CommandConfiguration {
        CommandConfiguration(
            commandName: verb, abstract: abstract,
            discussion: """
                Example:
                  constintel identifiers \(verb) \(example) --brand acme --reason "..." --preview
                """)
    }
}

struct IdentifiersBlock: ValueCommand {
    static let verb = "block"
    static let configuration = configured("Take a value as if it never was.", "email=test@test.com")

    @OptionGroup var arguments: ValueArguments
    @OptionGroup var options: ServiceOptions
}

struct IdentifiersUnblock: ValueCommand {
    static let verb = "unblock"
    static let configuration = configured("Take a value for what it says again.", "email=test@test.com")

    @OptionGroup var arguments: ValueArguments
    @OptionGroup var options: ServiceOptions
}

struct IdentifiersShare: ValueCommand {
    static let verb = "share"
    static let configuration = configured(
        "Take a value for several people's: it ties nobody.", "phone=+919876543210")

    @OptionGroup var arguments: ValueArguments
    @OptionGroup var options: ServiceOptions
}

struct IdentifiersUnshare: ValueCommand {
    static let verb = "unshare"
    static let configuration = configured("Take a value for one person's again.", "phone=+919876543210")

    @OptionGroup var arguments: ValueArguments
    @OptionGroup var options: ServiceOptions
}
