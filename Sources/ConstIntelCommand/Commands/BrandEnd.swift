import ArgumentParser
import Contract
import Foundation
import Kernel

struct BrandDelete: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete a brand; until its grace period has passed it can be undeleted.",
        discussion: """
            It serves nothing from then on, and keeps everything, keys included. When the grace period has \
            passed, all of it but the audit log is removed for good, and the slug is never used again. \
            You are asked to type the slug; where there is no terminal, say --yes.

            Example:
              constintel brand delete acme --grace-days 60
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Option(help: "How many days it can be undeleted, 0 to 365 (default: 30).")
    var graceDays: Int?

    @Flag(help: "Do not ask.")
    var yes = false

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let request = try request()
        if !yes, !change.plan.plan {
            try service.confirm(slug.text, warning, option: "--yes", doing: request.doing)
        }
        guard let started = try await service.write(request, unless: change.plan),
            try await service.finish(started, change, doing: request.doing) != nil
        else { return }
        try await service.show(slug)
    }

    private func request() throws -> Request {
        let doing = "delete the brand '\(slug)'"
        guard let graceDays else { return .brand(.delete, slug, doing: doing) }
        return try .brand(.delete, slug, json: BrandDeletion(graceDays: graceDays), doing: doing)
    }

    private var warning: String {
        let grace = graceDays.map { "for \($0) days" } ?? "for 30 days"
        return
            "The brand '\(slug)' will serve nothing from now on. Its data and keys are kept \(grace): until "
            + "then, 'constintel brand undelete \(slug)' brings all of it back."
    }
}

struct BrandUndelete: BrandChangeCommand {
    static let configuration = CommandConfiguration(
        commandName: "undelete",
        abstract: "Bring a deleted brand back as it was, keys included.",
        discussion: """
            Example:
              constintel brand undelete acme
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func request() throws -> Request {
        .brand(.post, slug, "/undelete", doing: "undelete the brand '\(slug)'")
    }
}

struct BrandPurge: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "purge",
        abstract: "Remove a deleted brand's data now, for good.",
        discussion: """
            This cannot be taken back: only the audit log and the slug, which is never used again, remain. \
            The brand must have been deleted before. You are asked to type the slug; where there is no \
            terminal, say --confirm <slug>.

            Example:
              constintel brand purge acme --confirm acme
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Option(help: "The slug once more, instead of typing it.")
    var confirm: String?

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    func validate() throws {
        guard confirm == nil || confirm == slug.text else {
            throw ValidationError("--confirm is the slug once more: '\(slug)'")
        }
    }

    func run(on service: Service) async throws {
        let doing = "purge the brand '\(slug)'"
        if confirm == nil, !change.plan.plan {
            try service.confirm(
                slug.text, "All data of the brand '\(slug)' will be removed. This cannot be taken back.",
                option: "--confirm \(slug)", doing: doing)
        }
        let request = try Request.brand(
            .post, slug, "/purge", json: Contract.BrandPurge(confirm: slug.text), doing: doing)
        guard let started = try await service.write(request, unless: change.plan),
            let ended = try await service.finish(started, change, doing: doing)
        else { return }
        try service.report(ended) {
            ["Purged '\(slug)': its data is gone, and its slug is never used again."]
        }
    }
}
