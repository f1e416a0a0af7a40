import ArgumentParser
import Kernel

/// How results are printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
    case table, json
}

/// The options that every command has.
struct ServiceOptions: ParsableArguments {
    @Option(help: "The service's base URL (default: CONSTINTEL_URL, or a local service).")
    var url: String?

    @Option(help: "How to print the result: aligned for reading, or the service's own JSON.")
    var output: OutputFormat = .table
}

/// The options of commands that print one page of a list.
struct PageOptions: ParsableArguments {
    @Option(help: "How many to list at most.")
    var limit: Int?

    @Option(help: "Where to go on, as the page before said.")
    var cursor: String?

    var query: [(name: String, value: String)] { query(with: []) }

    /// The query of a page of what `filters` leave, those without a value left out.
    func query(with filters: [(name: String, value: String?)]) -> [(name: String, value: String)] {
        (filters + [("limit", limit.map(String.init)), ("cursor", cursor)]).compactMap { name, value in
            value.map { (name, $0) }
        }
    }

    func validate() throws {
        guard limit ?? 1 > 0 else { throw ValidationError("--limit is at least 1") }
    }
}

/// The option of commands about what is in one brand.
struct BrandOptions: ParsableArguments {
    @Option(name: .customLong("brand"), help: "The brand's slug.", transform: parseSlug)
    var slug: Slug
}

/// A command that talks to the service.
protocol ServiceCommand: AsyncParsableCommand {
    var options: ServiceOptions { get }

    /// Does what the command is for.
    func run(on service: Service) async throws
}

extension ServiceCommand {
    func run() async throws { try await Service.with(options, run(on:)) }
}

/// `text` as a slug; the rule that it breaks is the usage error.
@Sendable func parseSlug(_ text: String) throws -> Slug {
    do {
        return try Slug(text)
    } catch {
        throw ValidationError(error.detail)
    }
}

/// `text` as an instant: RFC 3339, or a day, which stands for its first moment in UTC.
@Sendable func parseInstant(_ text: String) throws -> Timestamp {
    guard let instant = Timestamp(rfc3339: text) ?? Timestamp(rfc3339: text + "T00:00:00Z") else {
        throw ValidationError(
            "expected a date-time such as 2027-01-31T00:00:00Z, or a day such as 2027-01-31")
    }
    return instant
}

/// `text` as a length of time, such as `90s`, `15m`, `2h` or `1d`.
@Sendable func parseDuration(_ text: String) throws -> Duration {
    let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
    guard let unit = text.last.flatMap({ units[$0] }), let count = Int(text.dropLast()),
        (0...1_000_000).contains(count)
    else {
        throw ValidationError("expected a length of time such as 90s, 15m, 2h or 1d")
    }
    return .seconds(count * unit)
}

/// `text` as an id.
@Sendable func parseID<Subject>(_ text: String) throws -> TypedID<Subject> {
    guard let id = TypedID<Subject>(text) else { throw ValidationError("expected an id of 36 characters") }
    return id
}
