import ArgumentParser
import Contract
import Kernel

struct EventsFeed: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "feed",
        abstract: "Print a brand's events in the order of their commits, a line each.",
        discussion: """
            It begins at the oldest event that is kept, or behind --cursor, which the last run has printed; \
            'newest' is what comes from now on. A reader that goes on there misses none and sees none twice. \
            With --output json a line is a page as the API shows it.

            Example:
              constintel events feed --brand acme --cursor newest --follow
            """)

    @Option(help: "Behind which event to begin, as an earlier run has printed it; or newest.")
    var cursor: String?

    @Option(help: "Only events of this type, such as purchase.")
    var type: String?

    @Option(help: "Only events of the profile with this id.", transform: parseID)
    var profile: ProfileID?

    @Flag(help: "Events of test keys too.")
    var test = false

    @Flag(help: "Go on with what comes, until interrupted.")
    var follow = false

    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    private static let columns = ["occurredAt", "type", "channel", "customerProfileId", "eventId"]

    func run(on service: Service) async throws {
        let instance = try await service.instance(of: brand.slug)
        var cursor = cursor
        while true {
            let answer = try await instance.send(request(behind: cursor))
            let page = try answer.decode(JSONValue.self)
            let events = page["items"]?.elements ?? []
            switch service.output {
            case .json: service.streams.print(answer.text)
            case .table: for event in events { service.streams.print(EventsFeed.line(event)) }
            }
            let next = page["nextCursor"]?.text
            if events.isEmpty, next == cursor {
                guard follow else { break }
                try await Task.sleep(for: .seconds(1))
            }
            cursor = next
        }
        if let cursor { service.note("Go on with --cursor \(cursor)") }
    }

    private func request(behind cursor: String?) -> Request {
        let filters = [
            ("cursor", cursor), ("type", type), ("profile", profile?.description),
            ("test", test ? "true" : nil), ("limit", "200"),
        ].compactMap { name, value in value.map { (name: name, value: $0) } }
        return Request(
            .get, "/api/events/feed", query: filters, doing: "read the feed of '\(brand.slug)'")
    }

    private static func line(_ event: JSONValue) -> String {
        columns.map { event[$0]?.text ?? "" }.joined(separator: "  ")
    }
}
