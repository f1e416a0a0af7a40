import ArgumentParser
import Contract
import Kernel

struct StreamsGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "streams",
        abstract: "See what of a brand waits to be stored, and what did not get there.",
        discussion: """
            Example:
              constintel streams info --brand acme
            """,
        subcommands: [StreamsInfo.self, StreamsRead.self, StreamsQueues.self])
}

struct StreamsInfo: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "info",
        abstract: "List a brand's streams with how much is in each.",
        discussion: """
            Example:
              constintel streams info --brand acme
            """)

    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(.get, "/api/streams/info", doing: "describe the streams of '\(brand.slug)'"))
        try service.report(page: answer, columns: ["name", "length", "limit", "oldestAt"])
    }
}

struct StreamsRead: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "read",
        abstract: "List what is in a stream, the oldest first. Nothing is taken out of it.",
        discussion: """
            Example:
              constintel streams read events --brand acme
            """)

    /// What can be read.
    enum Name: String, ExpressibleByArgument, CaseIterable {
        case events
        case deadLetters = "dead-letters"
    }

    @Argument(help: "Which stream.") var name: Name
    @OptionGroup var brand: BrandOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(
                .get, "/api/streams/\(name.rawValue)", query: page.query,
                doing: "read a stream of '\(brand.slug)'"))
        try service.report(
            page: answer, columns: ["id", "type", "eventId", "source", "occurredAt", "reason"])
    }
}

struct StreamsQueues: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "queues",
        abstract: "Show how much of a brand waits, has failed and could not be stored.",
        discussion: """
            Example:
              constintel streams queues --brand acme
            """)

    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(.get, "/api/monitoring/queues", doing: "read the queues of '\(brand.slug)'"))
        try service.report(answer) {
            let queues = try answer.decode(QueuesView.self)
            let work = queues.operations.filter { $0.value > 0 }.sorted { $0.key < $1.key }
            return Description(
                [
                    ("waiting", grouped(Int64(queues.waiting))),
                    ("oldest waiting since", queues.oldestWaitingAt.map { "\($0)" }),
                    ("dead letters", grouped(Int64(queues.deadLetters))),
                ] + work.map { ("work \($0.key)", grouped($0.value)) }
            ).lines
        }
    }
}
