import AsyncHTTPClient
import Contract
import Foundation
import Kernel

/// The service that a command was meant for, and the way to answer the person who gave the command.
struct Service: Sendable {
    let control: Endpoint
    let output: OutputFormat
    let surroundings: Surroundings
    let progress: ProgressLine

    var streams: Streams { surroundings.streams }

    /// Runs `body` with the service that `options` and the surroundings lead to.
    static func with(_ options: ServiceOptions, _ body: (Service) async throws -> Void) async throws {
        let surroundings = Surroundings.current
        try await withHTTPClient { http in
            let control = try endpoint(options, surroundings, http)
            let progress = ProgressLine(surroundings.streams)
            let service = Service(
                control: control, output: options.output, surroundings: surroundings, progress: progress)
            do {
                try await body(service)
            } catch {
                await progress.clear()
                throw error
            }
        }
    }

    /// Runs `body` with an HTTP client that is shut down after it.
    static func withHTTPClient(_ body: (HTTPClient) async throws -> Void) async throws {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(10)))
        configuration.connectionPool.retryConnectionEstablishment = false
        let http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        do {
            try await body(http)
        } catch {
            try? await http.shutdown()
            throw error
        }
        try await http.shutdown()
    }

    /// The instance of `brand`, reached through the edge with a token for it.
    func instance(of brand: Slug) async throws -> Endpoint {
        let clock = surroundings.clock
        let since = clock.now()
        let token = try await BrandCredentials.ask(control, for: brand)
        let credentials = BrandCredentials(token, since: since, brand: brand, control: control, clock: clock)
        return Endpoint(
            http: control.http, address: try Discovery.address(token.url), credentials: credentials)
    }

    /// Follows operations at `path` of `endpoint`.
    func follower(_ path: String, at endpoint: Endpoint) -> OperationFollower {
        OperationFollower(
            endpoint: endpoint, path: path, progress: progress, pollInterval: surroundings.pollInterval)
    }

    /// Prints `answer`: itself as JSON, or the lines that `lines` makes of it for a person.
    func report(_ answer: Answer, _ lines: () throws -> [String]) throws {
        switch output {
        case .json:
            if !answer.body.isEmpty { streams.print(answer.text) }
        case .table:
            for line in try lines() { streams.print(line) }
        }
    }

    /// Prints one page of a list, and how to get the next one.
    func report<Item: Codable & Sendable>(
        page answer: Answer, of type: Item.Type, _ table: ([Item]) -> Table
    ) throws {
        try report(answer) {
            let page = try answer.decode(Page<Item>.self)
            if let cursor = page.nextCursor { streams.printError("There are more: add --cursor \(cursor)") }
            return lines(table(page.items))
        }
    }

    /// The lines of `table`, styled where a person reads them.
    func lines(_ table: Table) -> [String] { table.lines(styled: streams.outputIsTerminal) }

    /// Tells a person something that is not part of the result.
    func note(_ text: String) { streams.printError(text) }

    private static func endpoint(
        _ options: ServiceOptions, _ surroundings: Surroundings, _ http: HTTPClient
    ) throws -> Endpoint {
        switch try Discovery(url: options.url, in: surroundings).locate() {
        case .local(let socket):
            return Endpoint(http: http, address: .socket(path: socket), credentials: NoCredentials())
        case .remote(let address):
            let store = try SessionStore(in: surroundings)
            let saved = try store.load()
            guard let session = saved, ServiceAddress(webURL: session.url) == address else {
                throw Fault(
                    .unauthenticated, doing: "use the service at \(address)",
                    "you are not logged in there; run: constintel login --url \(address)")
            }
            let open = Endpoint(http: http, address: address, credentials: NoCredentials())
            let credentials = SessionCredentials(
                session: session, store: store, endpoint: open, clock: surroundings.clock)
            return Endpoint(http: http, address: address, credentials: credentials)
        }
    }
}
