import ArgumentParser
import Contract
import Foundation
import Kernel

/// The options of commands that decide who is who.
struct DecisionOptions: ParsableArguments {
    @Option(help: "Why; it is kept for ever.")
    var reason: String

    @Flag(help: "Show what would change, and change nothing.")
    var preview = false

    @Option(help: "What --preview has shown: refuse if that has changed since.")
    var shown: String?

    fileprivate var query: [(name: String, value: String)] { preview ? [("preview", "true")] : [] }
}

extension Service {
    /// Sends a decision to the brand's instance and prints what it changes.
    func decide(
        _ path: String, _ draft: some Encodable, _ options: DecisionOptions, of brand: Slug, doing: String
    ) async throws {
        var request = try Request(.post, path, json: draft, doing: doing)
        request.query = options.query
        let answer = try await instance(of: brand).send(request)
        try report(answer) { try lines(ofDecision: answer.decode(JSONValue.self), options) }
        guard options.preview, try answer.decode(JSONValue.self)["refusal"] != nil else { return }
        throw ExitStatus.failed
    }

    private func lines(ofDecision report: JSONValue, _ options: DecisionOptions) -> [String] {
        if let refusal = report["refusal"] {
            return ["It would be refused: \(refusal["detail"]?.text ?? "")"]
        }
        let columns = ["id", "identifiers", "totalOrders", "lifetimeValue"]
        var lines: [String] = []
        func list(_ title: String, _ items: [JSONValue]?, _ columns: [String]) {
            guard let items, !items.isEmpty else { return }
            if !lines.isEmpty { lines.append("") }
            lines.append(title)
            lines += self.lines(JSONValue.table(items, columns: columns)).map { "  " + $0 }
        }
        list("Before", report["before"]?.elements, columns)
        list(options.preview ? "After it" : "Now", report["after"]?.elements, columns)
        list("Rows of the merge queue", report["rows"]?.elements, ["id", "status", "reason", "events"])
        let held = report["held"]?.text ?? "0"
        if held != "0" { lines += ["", "Pairs that a limit holds: \(held)"] }
        if lines.isEmpty { lines.append("No profile changes.") }
        if options.preview {
            lines += [
                "",
                "Nothing has been changed. To decide exactly this: --shown \(report["shown"]?.text ?? "")",
            ]
        }
        return lines
    }
}

/// Which two profiles it is about, and why.
struct ProfilePairArguments: ParsableArguments {
    @Argument(help: "A profile's id.", transform: parseID) var one: ProfileID
    @Argument(help: "The other's.", transform: parseID) var other: ProfileID
    @OptionGroup var decision: DecisionOptions
    @OptionGroup var brand: BrandOptions
}

/// A decision about two profiles.
protocol ProfilePairCommand: ServiceCommand {
    static var verb: String { get }
    static var doing: String { get }
    var pair: ProfilePairArguments { get }
}

extension ProfilePairCommand {
    func run(on service: Service) async throws {
        let decision = pair.decision
        let draft = ProfilePairDraft(with: pair.other, reason: decision.reason, shown: decision.shown)
        try await service.decide(
            "/api/profiles/\(pair.one)/\(Self.verb)", draft, decision, of: pair.brand.slug, doing: Self.doing)
    }

    fileprivate static func configured(_ abstract: String, because reason: String) -> CommandConfiguration {
        CommandConfiguration(
            commandName: verb, abstract: abstract,
            discussion: """
                Example:
                  constintel profiles \(verb) 0198c5f2-8b7a-7c3e-9d0a-0242ac120002 \
                    0198c5f2-9c11-7001-8000-0242ac120003 --brand acme --reason "\(reason)" --preview
                """)
    }
}

struct ProfilesMerge: ProfilePairCommand {
    static let verb = "merge"
    static let doing = "merge the profiles"
    static let configuration = configured(
        "Make two profiles one; 'profiles unmerge' takes it back exactly.", because: "same person, asked")

    @OptionGroup var pair: ProfilePairArguments
    @OptionGroup var options: ServiceOptions
}

struct ProfilesNever: ProfilePairCommand {
    static let verb = "never"
    static let doing = "keep the profiles apart"
    static let configuration = configured(
        "Keep two profiles apart, whatever events tie them.", because: "father and son")

    @OptionGroup var pair: ProfilePairArguments
    @OptionGroup var options: ServiceOptions
}

struct ProfilesAllow: ProfilePairCommand {
    static let verb = "allow"
    static let doing = "allow the profiles to come together"
    static let configuration = configured(
        "Let two profiles come together again that were unmerged or kept apart.",
        because: "it was one after all")

    @OptionGroup var pair: ProfilePairArguments
    @OptionGroup var options: ServiceOptions
}

struct ProfilesUnmerge: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmerge",
        abstract: "Part identifiers from a profile, with their events and orders; they stay apart.",
        discussion: """
            Example:
              constintel profiles unmerge 0198c5f2-8b7a-7c3e-9d0a-0242ac120002 --brand acme \
            --identifier email=anne@example.com --reason "her sister's" --preview
            """)

    @Argument(help: "The profile's id.", transform: parseID) var id: ProfileID

    @Option(
        help: "An identifier that leaves, as kind=value; repeat it for several.",
        transform: ProfilesFind.parseIdentifier)
    var identifier: [ProfilesFind.Identifier]

    @OptionGroup var decision: DecisionOptions
    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let leaving = Dictionary(grouping: identifier, by: \.kind).mapValues { $0.map(\.value) }
        let draft = UnmergeDraft(
            identifiers: leaving, reason: decision.reason, shown: decision.shown)
        try await service.decide(
            "/api/profiles/\(id)/unmerge", draft, decision, of: brand.slug, doing: "unmerge the profile")
    }
}

struct ProfilesHistory: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Show which merges and unmerges a profile has been through.",
        discussion: """
            Example:
              constintel profiles history 0198c5f2-8b7a-7c3e-9d0a-0242ac120002 --brand acme
            """)

    private static let columns = [
        "createdAt", "action", "baseProfileId", "mergedProfileId", "actor", "reason",
    ]

    @Argument(help: "The profile's id.", transform: parseID) var id: ProfileID
    @OptionGroup var brand: BrandOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(
                .get, "/api/profiles/\(id)/merge-history", query: page.query,
                doing: "show the history of profile \(id)"))
        try service.report(page: answer, columns: Self.columns)
    }
}
