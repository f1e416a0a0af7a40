import ArgumentParser
import Contract
import Foundation
import Kernel

struct BrandCreate: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Create a brand and wait until its instance is ready.",
        discussion: """
            With --no-wait the operation is printed, to follow with 'constintel operation show'; otherwise \
            the brand. With --if-absent a brand that exists already is left as it is; one that is still \
            being made is waited for.

            Example:
              constintel brand create acme --name "Acme Stores" --country IN \
                --currency INR --brand-plan pro
            """)

    @Argument(help: "2 to 32 of a-z, 0-9 and '-'; chosen once, never changed.", transform: parseSlug)
    var slug: Slug

    @Option(help: "The display name (default: the slug).")
    var name: String?

    @Option(help: "The brand's web domain.")
    var domain: String?

    @Option(help: "The brand's industry.")
    var industry: String?

    @Option(help: "ISO 3166-1 alpha-2, for phone numbers (default: US).")
    var country: String?

    @Option(help: "An IANA name, for reports (default: UTC).")
    var timeZone: String?

    @Option(help: "ISO 4217, what revenue is counted in (default: USD).")
    var currency: String?

    @Option(help: "free, pro or enterprise (default: free).")
    var brandPlan: String?

    @Flag(help: "Leave a brand of this slug as it is.")
    var ifAbsent = false

    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: ServiceOptions

    private var doing: String { "create the brand '\(slug)'" }

    func run(on service: Service) async throws {
        if change.plan.plan { return try await service.show(planOf: request()) }
        if let started = try await start(on: service) {
            guard try await service.finish(started, change, doing: doing) != nil else { return }
        }
        try await service.show(slug)
    }

    private func request() throws -> Request {
        let draft = BrandDraft(
            slug: slug.text, name: name, domain: domain, industry: industry, country: country,
            timeZone: timeZone, currency: currency, plan: brandPlan)
        return try Request(.post, "/api/admin/brands", json: draft, doing: doing)
    }

    /// The operation that makes the brand: a new one, or, with `--if-absent`, the one that is under way; nil
    /// when the brand is made already.
    private func start(on service: Service) async throws -> Answer? {
        do {
            return try await service.write(request())
        } catch let fault as Fault where ifAbsent && fault.code == .conflict {
            let brand = try await service.control.send(.brand(slug)).decode(BrandView.self)
            return brand.status == .provisioning ? try await underway(on: service) : nil
        }
    }

    private func underway(on service: Service) async throws -> Answer? {
        let page = try await service.control.send(
            Request(.get, "/api/admin/operations", query: [("subject", slug.text)], doing: doing)
        ).decode(Page<OperationView>.self)
        let own = page.items.filter { ["brand.provision", "brand.clone"].contains($0.kind) }
        guard let latest = own.max(by: { $0.createdAt < $1.createdAt }) else { return nil }
        return try await service.control.send(
            service.follower("/api/admin/operations", at: service.control).request(latest.id))
    }
}
