import ArgumentParser
import Contract
import Foundation
import Kernel

struct InstanceGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "instance",
        abstract: "Start, stop, upgrade and pause the processes that serve brands, and read their logs.",
        discussion: """
            Example:
              constintel instance restart acme
            """,
        subcommands: [
            InstanceShow.self, InstanceLogs.self, InstanceStart.self, InstanceStop.self, InstanceRestart.self,
            InstanceUpgrade.self, InstanceRollback.self, InstancePause.self, InstanceUnpause.self,
        ])
}

struct InstanceShow: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show how a brand's instance is: what is meant, what is seen, what is wrong.",
        discussion: """
            As JSON it is the brand, as 'constintel brand show' prints it.

            Example:
              constintel instance show acme
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.control.send(.brand(slug))
        try service.report(answer) {
            let instance = try answer.decode(BrandView.self).instance
            return Description(
                [("brand", slug.text)] + instance.fields
                    + [("generation", String(instance.generation))]
            ).lines
        }
    }
}

/// What commands about one brand's instance have in common.
struct InstanceArguments: ParsableArguments {
    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @OptionGroup var change: ChangeOptions
}

/// A command that changes a brand's instance and needs to be told nothing else.
protocol InstanceChangeCommand: BrandChangeCommand {
    static var verb: String { get }
    /// Finishes "could not …"; the brand's slug in quotes follows.
    static var doing: String { get }
    var target: InstanceArguments { get }
}

extension InstanceChangeCommand {
    var slug: Slug { target.slug }
    var change: ChangeOptions { target.change }

    func request() throws -> Request {
        .brand(.post, slug, "/instance/\(Self.verb)", doing: "\(Self.doing) '\(slug)'")
    }

    fileprivate static func configured(_ abstract: String, _ discussion: String = "") -> CommandConfiguration
    {
        CommandConfiguration(
            commandName: verb, abstract: abstract,
            discussion: (discussion.isEmpty ? "" : discussion + "\n\n")
                + "Example:\n  constintel instance \(verb) acme")
    }
}

struct InstanceStart: InstanceChangeCommand {
    static let verb = "start"
    static let doing = "start the instance of"
    static let configuration = configured("Start a brand's instance, and wait until it is ready.")

    @OptionGroup var target: InstanceArguments
    @OptionGroup var options: ServiceOptions
}

struct InstanceStop: InstanceChangeCommand {
    static let verb = "stop"
    static let doing = "stop the instance of"
    static let configuration = configured(
        "Stop a brand's instance; it stays stopped until it is started.",
        "Requests are answered 503 meanwhile. What was acknowledged is not lost.")

    @OptionGroup var target: InstanceArguments
    @OptionGroup var options: ServiceOptions
}

struct InstanceRestart: InstanceChangeCommand {
    static let verb = "restart"
    static let doing = "restart the instance of"
    static let configuration = configured("Stop a brand's instance and start it again.")

    @OptionGroup var target: InstanceArguments
    @OptionGroup var options: ServiceOptions
}

struct InstanceRollback: InstanceChangeCommand {
    static let verb = "rollback"
    static let doing = "roll back the release of"
    static let configuration = configured(
        "Serve a brand by the release that it was upgraded from.",
        "'constintel instance show' says which one that is.")

    @OptionGroup var target: InstanceArguments
    @OptionGroup var options: ServiceOptions
}

struct InstanceUpgrade: BrandChangeCommand {
    static let configuration = CommandConfiguration(
        commandName: "upgrade",
        abstract: "Serve a brand by another installed release.",
        discussion: """
            If the release does not become ready, the one before it serves again. 'constintel release \
            list' shows which are installed; 'current' is the daemon's own.

            Example:
              constintel instance upgrade acme 0.2.0
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Argument(help: "The release's name, or 'current'.")
    var release: String

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func request() throws -> Request {
        try .brand(
            .post, slug, "/instance/upgrade", json: ReleaseChange(release: release),
            doing: "upgrade '\(slug)' to '\(release)'")
    }
}

struct InstancePause: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: "Have the daemon leave a brand alone, whatever happens to it.",
        discussion: """
            Its instance goes on running or not, as it is. Nothing is started, stopped or written for it by \
            itself, until it is unpaused.

            Example:
              constintel instance pause acme --reason "looking into its tables, ana"
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Option(help: "Why, as others will read it.")
    var reason: String

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let request = try Request.brand(
            .post, slug, "/instance/pause", json: ReasonBody(reason: reason),
            doing: "pause the instance of '\(slug)'")
        guard let answer = try await service.write(request, unless: plan) else { return }
        try service.report(answer) { try answer.decode(BrandView.self).description.lines }
    }
}

struct InstanceUnpause: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "unpause",
        abstract: "Have the daemon look after a paused brand again.",
        discussion: """
            Example:
              constintel instance unpause acme
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let request = Request.brand(
            .post, slug, "/instance/unpause", doing: "unpause the instance of '\(slug)'")
        guard let answer = try await service.write(request, unless: plan) else { return }
        try service.report(answer) { try answer.decode(BrandView.self).description.lines }
    }
}
