import ArgumentParser
import Contract
import Foundation
import Kernel

struct DeadLetterGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead-letters",
        abstract: "See, replay and discard events that were accepted and could not be stored.",
        discussion: """
            Example:
              constintel dead-letters list --brand acme
            """,
        subcommands: [
            DeadLettersList.self, DeadLettersShow.self, DeadLettersReplay.self, DeadLettersDiscard.self,
        ])
}

struct DeadLettersList: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List a brand's dead letters with their reasons, the oldest first.",
        discussion: """
            Example:
              constintel dead-letters list --brand acme --limit 20
            """)

    private static let columns = ["id", "refusedAt", "type", "eventId", "reason"]

    @OptionGroup var brand: BrandOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(
                .get, "/api/dead-letters", query: page.query,
                doing: "list the dead letters of '\(brand.slug)'"))
        try service.report(page: answer, columns: Self.columns)
    }
}

struct DeadLettersShow: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one dead letter with all that its event carries.",
        discussion: """
            Example:
              constintel dead-letters show 1767225600000-0 --brand acme
            """)

    @Argument(help: "Its id, as 'constintel dead-letters list' shows it.") var id: String
    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(.get, "/api/dead-letters/\(escaped(id))", doing: "show the dead letter \(id)"))
        let order = ["id", "refusedAt", "reason", "eventId", "source", "type", "occurredAt", "receivedAt"]
        try service.report(answer) {
            Description(try answer.decode(JSONValue.self).fields(order: order)).lines
        }
    }
}

/// Which dead letters a command is for.
struct DeadLetterChoice: ParsableArguments {
    @Argument(help: "The id of one, as 'constintel dead-letters list' shows it.")
    var id: String?

    @Flag(help: "All that there are now.")
    var all = false

    @Option(help: "All whose reason has this text in it.")
    var reason: String?

    @Option(help: "All events of this type.")
    var type: String?

    @OptionGroup var brand: BrandOptions

    func validate() throws {
        let ways = [id != nil, all, reason != nil || type != nil].filter { $0 }.count
        guard ways == 1 else {
            throw ValidationError("say which: an id, or --all, or --reason and --type")
        }
    }

    /// Deals with all of them, request after request.
    func sweep(_ path: String, _ service: Service, doing: String) async throws -> DeadLetterProgress {
        let instance = try await service.instance(of: brand.slug)
        var selection = DeadLetterSelection(reason: reason, type: type)
        var total = DeadLetterProgress(count: 0, after: nil, left: 0)
        repeat {
            let progress = try await instance.send(Request(.post, path, json: selection, doing: doing))
                .decode(DeadLetterProgress.self)
            total.count += progress.count
            (selection.after, selection.atMost) = (progress.after, progress.left)
            if progress.left > 0 { service.note("\(grouped(Int64(progress.left))) are left.") }
        } while selection.after != nil
        return total
    }
}

struct DeadLettersReplay: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Have dead letters stored after all, once what refused them was mended.",
        discussion: """
            Of one alone, --event says what it should have been, as 'constintel events send' takes it; its \
            eventId stays. An event that cannot be stored yet comes back as another dead letter.

            Example:
              constintel dead-letters replay --all --brand acme
            """)

    @OptionGroup var choice: DeadLetterChoice

    @Option(help: "A file with the event as it should have been; '-' is standard input.", completion: .file())
    var event: String?

    @OptionGroup var options: ServiceOptions

    private static let doing = "replay the dead letters"
    private static let largestEvent = 64 << 10

    func validate() throws {
        guard event == nil || choice.id != nil else {
            throw ValidationError("--event is for one dead letter: name its id")
        }
    }

    func run(on service: Service) async throws {
        let progress: DeadLetterProgress
        if let id = choice.id {
            let answer = try await service.instance(of: choice.brand.slug).send(
                Request(
                    .post, "/api/dead-letters/\(escaped(id))/replay",
                    body: try body(), doing: "replay the dead letter \(id)"))
            progress = try answer.decode(DeadLetterProgress.self)
        } else {
            progress = try await choice.sweep("/api/dead-letters/replay", service, doing: Self.doing)
        }
        try service.report(progress, "replayed")
    }

    private func body() throws -> Request.Body {
        guard let event else { return .none }
        let input = try InputFile(event, doing: Self.doing)
        var bytes = Array(#"{"event":"#.utf8)
        while let piece = try input.read(upTo: 1 << 16) {
            bytes.append(contentsOf: piece.readableBytesView)
            guard bytes.count <= Self.largestEvent else {
                throw Fault(.tooLarge, doing: Self.doing, "an event has at most 64 KiB")
            }
        }
        return .bytes(bytes + [UInt8(ascii: "}")], contentType: "application/json")
    }
}

struct DeadLettersDiscard: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "discard",
        abstract: "Forget dead letters for good.",
        discussion: """
            Asks for the brand's slug first.

            Example:
              constintel dead-letters discard 1767225600000-0 --brand acme --yes
            """)

    @OptionGroup var choice: DeadLetterChoice

    @Flag(help: "Do not ask.")
    var yes = false

    @OptionGroup var options: ServiceOptions

    private static let doing = "discard the dead letters"

    func run(on service: Service) async throws {
        let slug = choice.brand.slug
        if !yes {
            try service.confirm(
                slug.text, "These events of '\(slug)' will be gone for good.", option: "--yes",
                doing: Self.doing)
        }
        guard let id = choice.id else {
            let progress = try await choice.sweep("/api/dead-letters/discard", service, doing: Self.doing)
            return try service.report(progress, "discarded")
        }
        _ = try await service.instance(of: slug).send(
            Request(.delete, "/api/dead-letters/\(escaped(id))", doing: "discard the dead letter \(id)"))
        try service.report(DeadLetterProgress(count: 1, after: nil, left: 0), "discarded")
    }
}

extension Service {
    fileprivate func report(_ progress: DeadLetterProgress, _ done: String) throws {
        switch output {
        case .json: streams.print(String(decoding: try JSONEncoder().encode(progress), as: UTF8.self))
        case .table:
            let count = grouped(Int64(progress.count))
            streams.print("\(count) dead \(progress.count == 1 ? "letter" : "letters") \(done).")
        }
    }
}
