import ArgumentParser
import Contract
import Kernel

struct OpenAPI: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "openapi",
        abstract: "Print what the service says of its own HTTP API, as OpenAPI 3.1.",
        discussion: """
            Example:
              constintel openapi --brand acme > acme.yaml
            """)

    @Option(help: "The API of this brand's instance instead of the control plane's.", transform: parseSlug)
    var brand: Slug?

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let doing = "read the description of the API"
        guard let brand else {
            return try await service.print(
                service.control.send(Request(.get, "/api/admin/openapi.yaml", doing: doing)))
        }
        let instance = try await service.instance(of: brand)
        try await service.print(instance.send(Request(.get, "/api/openapi.yaml", doing: doing)))
    }
}

struct PlatformMetrics: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "metrics",
        abstract: "Print what the daemon and the running instances measure, for Prometheus or a look.",
        discussion: """
            Instances' samples have the label brand. An instance that does not run is not started for it.

            Example:
              constintel platform metrics
            """)

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        try await service.print(
            service.control.send(Request(.get, "/metrics", doing: "read the measurements")))
    }
}

struct BrandTokenCommand: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Make a token for a brand's API, good for ten minutes.",
        discussion: """
            For who may use the brand. It works below the url that is shown with it.

            Example:
              constintel brand token acme
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.control.send(
            Request(
                .post, "/api/auth/brand-token", json: BrandTokenRequest(brand: slug.text),
                doing: "make a token for '\(slug)'"))
        let token = try answer.decode(BrandToken.self)
        try service.report(answer) { [token.accessToken] }
        service.note("It is good for \(token.expiresIn) seconds, below \(token.url)")
    }
}

struct BrandHealth: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Show whether what a brand's instance depends on answers.",
        discussion: """
            Anything but ok is a failure.

            Example:
              constintel brand health acme
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: slug).send(
            Request(.get, "/api/monitoring/health", doing: "read the health of '\(slug)'"))
        let health = try answer.decode(JSONValue.self)
        let checks = health["checks"]?.fields(order: []) ?? []
        try service.report(answer) {
            Description([("status", health["status"]?.text)] + checks).lines
        }
        guard health["status"]?.text == "ok" else { throw ExitStatus.failed }
    }
}

struct EventsShow: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one stored event.",
        discussion: """
            Example:
              constintel events show 0198c5f2-8b7a-7c3e-9d0a-0242ac120002 --brand acme
            """)

    @Argument(help: "Its id, as 'constintel events list' shows it.", transform: parseID)
    var id: EventID

    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(.get, "/api/events/\(id)", doing: "show the event \(id)"))
        let order = ["id", "eventId", "type", "occurredAt", "channel", "identifiers", "customerProfileId"]
        try service.report(answer) {
            Description(try answer.decode(JSONValue.self).fields(order: order)).lines
        }
    }
}

struct ProfilesDecisions: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "decisions",
        abstract: "List what people and limits have decided about who is who, the newest first.",
        discussion: """
            The log is appended to and never changed.

            Example:
              constintel profiles decisions --brand acme --limit 10
            """)

    private static let columns = ["createdAt", "kind", "actor", "reason", "left", "right", "sequence"]

    @OptionGroup var brand: BrandOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(
                .get, "/api/identity/decisions", query: page.query,
                doing: "list the decisions of '\(brand.slug)'"))
        try service.report(page: answer, columns: Self.columns)
    }
}

extension Service {
    /// Prints a text as it is.
    fileprivate func print(_ answer: Answer) { streams.print(answer.text.trimmingSuffix("\n")) }
}

extension String {
    fileprivate func trimmingSuffix(_ suffix: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
    }
}
