import ArgumentParser
import AsyncHTTPClient
import Contract
import Foundation
import Kernel

struct Status: ServiceCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show where the service is and how its parts and brands are.",
        discussion: """
            Example:
              constintel status
            """)

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let platform = try await service.control.send(
            Request(.get, "/api/admin/platform", doing: "read the service's status"))
        let brands = try await service.control.send(
            Request(.get, "/api/admin/brands", query: [("limit", "100")], doing: "list the brands"))
        let stuck = try await service.control.send(
            Request(
                .get, "/api/admin/operations", query: [("state", "stuck"), ("limit", "100")],
                doing: "list the stuck operations"))
        switch service.output {
        case .json:
            service.streams.print(
                #"{"platform":\#(platform.text),"brands":\#(brands.text),"stuck":\#(stuck.text)}"#)
        case .table:
            let view = try platform.decode(PlatformView.self)
            let page = try brands.decode(Page<BrandView>.self)
            let operations = try stuck.decode(Page<OperationView>.self).items
            for line in Self.lines(view, page, stuck: operations) { service.streams.print(line) }
        }
    }

    /// What a person reads: the edge, the release, each part, how many brands are in which state, and what
    /// needs somebody.
    private static func lines(
        _ platform: PlatformView, _ page: Page<BrandView>, stuck: [OperationView]
    ) -> [String] {
        let parts = platform.services.sorted { $0.key < $1.key }.map {
            (name: $0.key, value: Optional($0.value))
        }
        let count = "\(page.items.count)\(page.nextCursor == nil ? "" : " or more")"
        let isEmpty = page.items.isEmpty
        let brands = isEmpty ? count : "\(count): \(counts(page.items.map(\.status.rawValue)))"
        return Description(
            [("edge", platform.edge), ("release", platform.release)] + parts
                + [
                    ("brands", brands),
                    ("instances", isEmpty ? nil : counts(page.items.map(\.instance.state))),
                    ("paused", slugs(page.items.filter { $0.instance.pausedReason != nil })),
                    ("quarantined", slugs(page.items.filter { $0.instance.quarantine != nil })),
                ] + stuck.map { ("stuck", "\($0.kind) of '\($0.subject)', operation \($0.id)") }
        ).lines
    }

    private static func slugs(_ brands: [BrandView]) -> String? {
        brands.isEmpty ? nil : brands.map(\.slug.text).joined(separator: ", ")
    }

    /// How often each of `names` is there: `2 active, 1 suspended`.
    private static func counts(_ names: [String]) -> String {
        let counts = Dictionary(grouping: names) { $0 }.sorted { $0.key < $1.key }
        return counts.map { "\($0.value.count) \($0.key)" }.joined(separator: ", ")
    }
}

struct Wait: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Wait until the service is ready.",
        discussion: """
            Ready means that it accepts requests and all its parts run. Whatever started it need not have \
            finished, or even begun, to make its state directory.

            Example:
              constintel wait --timeout 120 && constintel status
            """)

    @Option(help: "How many seconds to wait at most.")
    var timeout: Double = 60

    @OptionGroup var options: ServiceOptions

    func validate() throws {
        guard timeout >= 0, timeout <= 86_400 else {
            throw ValidationError("--timeout is 0 to 86400 seconds")
        }
    }

    func run() async throws {
        let surroundings = Surroundings.current
        let deadline = ContinuousClock.now + .seconds(timeout)
        try await Service.withHTTPClient { http in
            while true {
                do {
                    let answer = try await readiness(surroundings, http)
                    if options.output == .json { surroundings.streams.print(answer.text) }
                    return
                } catch let fault as Fault {
                    guard ContinuousClock.now + surroundings.pollInterval < deadline else {
                        throw Fault(
                            .unavailable, doing: "wait for the service",
                            "it was not ready after \(timeout.formatted()) s; at last: \(fault)")
                    }
                }
                try await Task.sleep(for: surroundings.pollInterval)
            }
        }
        if options.output == .table { surroundings.streams.print("The service is ready.") }
    }

    private func readiness(_ surroundings: Surroundings, _ http: HTTPClient) async throws -> Answer {
        let address: ServiceAddress =
            switch try Discovery(url: options.url, in: surroundings).locate() {
            case .local(let socket): .socket(path: socket)
            case .remote(let address): address
            }
        let endpoint = Endpoint(http: http, address: address, credentials: NoCredentials())
        return try await endpoint.send(Request(.get, "/readyz", doing: "ask whether the service is ready"))
    }
}
