import ArgumentParser
import Contract
import Foundation
import Kernel

struct BrandUpdate: BrandChangeCommand {
    static let configuration = CommandConfiguration(
        commandName: "update",
        abstract: "Change a brand's name and what else describes it; the slug never changes.",
        discussion: """
            What is not named stays as it is. An empty --domain or --industry takes it away.

            Example:
              constintel brand update acme --name "Acme Stores" --time-zone Asia/Kolkata
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Option(help: "The display name.")
    var name: String?

    @Option(help: "The brand's web domain; '' for none.")
    var domain: String?

    @Option(help: "The brand's industry; '' for none.")
    var industry: String?

    @Option(help: "An IANA name, for reports.")
    var timeZone: String?

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func validate() throws {
        guard [name, domain, industry, timeZone].contains(where: { $0 != nil }) else {
            throw ValidationError("Say what to change: --name, --domain, --industry or --time-zone.")
        }
    }

    func request() throws -> Request {
        try .brand(
            .patch, slug,
            json: BrandChange(name: name, domain: domain, industry: industry, timeZone: timeZone),
            doing: "update the brand '\(slug)'")
    }
}

struct BrandSuspend: BrandChangeCommand {
    static let configuration = CommandConfiguration(
        commandName: "suspend",
        abstract: "Refuse a brand's keys, with a reason, until it is resumed; nothing is lost.",
        discussion: """
            Its keys and users are answered 403 with the reason. Its process goes on running.

            Example:
              constintel brand suspend acme --reason "invoice 1001 is not paid"
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Option(help: "Why, as the brand's people will read it.")
    var reason: String

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func request() throws -> Request {
        try .brand(
            .post, slug, "/suspend", json: ReasonBody(reason: reason), doing: "suspend the brand '\(slug)'")
    }
}

struct BrandResume: BrandChangeCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Accept a suspended brand's keys again.",
        discussion: """
            Example:
              constintel brand resume acme
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func request() throws -> Request { .brand(.post, slug, "/resume", doing: "resume the brand '\(slug)'") }
}

struct BrandPlan: BrandChangeCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Put a brand on another plan, whose limits then hold.",
        discussion: """
            A brand that uses more than the new plan allows is refused, and told what is over; with
            --accept-over it keeps what it has, but for raw events older than the plan keeps them, and gets no
            more. --plan shows the steps of the change, as it
            does everywhere.

            Example:
              constintel brand usage acme --under free
              constintel brand plan acme enterprise
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Argument(help: "A plan's name, as 'constintel plan list' shows it.")
    var name: String

    @Flag(help: "Change also where the brand uses more than the plan allows.")
    var acceptOver = false

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func request() throws -> Request {
        try .brand(
            .post, slug, "/plan", json: PlanChange(plan: name, acceptOver: acceptOver ? true : nil),
            doing: "put '\(slug)' on the plan '\(name)'")
    }
}

struct BrandTrial: BrandChangeCommand {
    static let configuration = CommandConfiguration(
        commandName: "trial",
        abstract: "Let a brand's trial last so many days from now.",
        discussion: """
            A brand that was suspended because its trial had ended is on trial again.

            Example:
              constintel brand trial acme --days 14
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Option(help: "How many days from now.")
    var days: Int

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func request() throws -> Request {
        try .brand(
            .post, slug, "/trial", json: TrialChange(days: days), doing: "extend the trial of '\(slug)'")
    }
}

extension Request {
    /// Asks for the brand called `slug`.
    static func brand(_ slug: Slug) -> Request {
        .brand(.get, slug, doing: "show the brand '\(slug)'")
    }

    /// A request about the brand called `slug`, or what is at `path` below it.
    static func brand(_ method: Method, _ slug: Slug, _ path: String = "", doing: String) -> Request {
        Request(method, "/api/admin/brands/\(slug)\(path)", doing: doing)
    }

    /// The same with a body.
    static func brand(
        _ method: Method, _ slug: Slug, _ path: String = "", json: some Encodable, doing: String
    ) throws -> Request {
        try Request(method, "/api/admin/brands/\(slug)\(path)", json: json, doing: doing)
    }
}
