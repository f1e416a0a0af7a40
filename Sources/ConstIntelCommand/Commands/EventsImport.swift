import ArgumentParser
import Contract
import Foundation
import Kernel

struct EventsImport: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Import a file of rows, each of which is an event.",
        discussion: """
            The file is sent as it is; the options say how it is written. --map says which column holds \
            what: a target is a part of an event, such as occurredAt, total, currency or orderId, or an \
            identifier, such as email, phone or loyalty_id; a column is a name in the header or a number \
            from 1. A file exported again with rows appended adds only the new rows. Rows that are rejected \
            are shown with their reason, and the exit status is 3.

            Example:
              constintel events import orders.txt --brand acme \
                --delimiter whitespace --date-format yyyyMMdd \
                --map loyalty_id=customer_id --map occurredAt=date \
                --map total=dollar_value
            """)

    /// Rejected rows that are shown; the service keeps the others.
    private static let shownRejections = 20

    @Argument(help: "The file; '-' is standard input.", completion: .file())
    var file: String

    @OptionGroup var brand: BrandOptions
    @OptionGroup var format: FormatOptions
    @OptionGroup var options: ServiceOptions

    private var fileName: String { file == "-" ? "stdin" : URL(fileURLWithPath: file).lastPathComponent }

    func run(on service: Service) async throws {
        let doing = "import '\(fileName)' into '\(brand.slug)'"
        let input = try InputFile(file, doing: doing)
        let instance = try await service.instance(of: brand.slug)
        let started = try await upload(input, to: instance, progress: service.progress, doing: doing)
        let ended = try await service.follower("/api/operations", at: instance).follow(started)
        let operation = try ended.decode(OperationView.self)
        try service.report(ended) { operation.state == .done ? [summary(operation)] : [] }
        let rejected = operation.counts?["rejected"] ?? 0
        if rejected > 0 { try await showRejections(operation.id, rejected, at: instance, service) }
        try operation.requireDone(doing: doing)
        if rejected > 0 { throw ExitStatus.rejections }
    }

    private func upload(
        _ input: InputFile, to instance: Endpoint, progress: ProgressLine, doing: String
    ) async throws -> Answer {
        let label = "uploading \(fileName)"
        let upload = FileUpload(file: input) { sent in
            await progress.show(ProgressBar(label: label, done: sent, total: input.length, unit: "bytes"))
        }
        let query = format.query + [(name: "fileName", value: fileName)]
        let request = Request(
            .post, "/api/integrations/csv", query: query, body: .file(upload, contentType: "text/csv"),
            doing: doing)
        do {
            return try await instance.send(request)
        } catch let fault as Fault where fault.code == .unavailable {
            throw Fault(
                .unavailable, doing: doing,
                "\(fault.detail). Give the same command again: rows that arrived already count once")
        }
    }

    private func summary(_ operation: OperationView) -> String {
        let counts = operation.counts ?? [:]
        let figures = ["rows", "accepted", "duplicates", "rejected"].map {
            "\(grouped(counts[$0] ?? 0)) \($0)"
        }
        return "Imported \(printable(fileName)) into '\(brand.slug)': \(figures.joined(separator: ", "))."
    }

    /// Shows the first rejected rows beside the result, which stays alone on standard output.
    private func showRejections(
        _ id: OperationID, _ count: Int64, at instance: Endpoint, _ service: Service
    ) async throws {
        let page = try await instance.send(
            Request(
                .get, "/api/operations/\(id)/rejections", query: [("limit", String(Self.shownRejections))],
                doing: "list the rejected rows of '\(fileName)'")
        ).decode(Page<RejectedRow>.self)
        let rows = page.items.prefix(Self.shownRejections)
        let table = Table(
            [.init("row", .right), .init("reason")], rows: rows.map { [String($0.row), $0.reason] })
        for line in table.lines(styled: false) { service.note(line) }
        let rest = count - Int64(rows.count)
        if rest > 0 { service.note("and \(grouped(rest)) more") }
    }
}

/// How an imported file is written and what its columns mean, as the query of `POST /api/integrations/csv`.
struct FormatOptions: ParsableArguments {
    /// The delimiters that have names; any other is one character.
    static let namedDelimiters = ["comma", "semicolon", "tab", "pipe", "whitespace"]

    @Option(help: "comma, semicolon, tab, pipe, whitespace (any run of blanks), or a character.")
    var delimiter = "comma"

    @Flag(help: "The first row is data; columns are named by their numbers.")
    var noHeader = false

    @Option(help: "The type of the events.")
    var type = "purchase"

    @Option(help: "What a column holds, as target=column; repeat it for several.")
    var map: [String] = []

    @Option(help: "How dates are written: yyyyMMdd, dd/MM/yyyy and the like, or auto.")
    var dateFormat: String?

    @Option(help: "Where the rows come from: the same row from another source is another event.")
    var source = "csv"

    @Option(help: "The channel of the events, such as web or pos.")
    var channel: String?

    @Option(help: "The time zone of dates without one (default: the brand's).")
    var timeZone: String?

    func validate() throws {
        let isCharacter = delimiter.utf8.count == 1 && delimiter.utf8.allSatisfy { $0 >= 0x20 || $0 == 0x09 }
        guard Self.namedDelimiters.contains(delimiter) || isCharacter else {
            throw ValidationError(
                "--delimiter is an ASCII character or \(Self.namedDelimiters.joined(separator: ", "))"
            )
        }
        for mapping in map where Self.parts(mapping) == nil {
            throw ValidationError("--map '\(mapping)' is not of the form target=column")
        }
    }

    /// The options as parameters of the query, `map` as often as it was given.
    var query: [(name: String, value: String)] {
        var query = [
            (name: "delimiter", value: delimiter), (name: "header", value: noHeader ? "false" : "true"),
            (name: "type", value: type), (name: "source", value: source),
        ]
        for (name, value) in [("dateFormat", dateFormat), ("channel", channel), ("timeZone", timeZone)] {
            if let value { query.append((name, value)) }
        }
        for mapping in map {
            if let (target, column) = Self.parts(mapping) { query.append(("map", "\(target):\(column)")) }
        }
        return query
    }

    private static func parts(_ mapping: String) -> (target: Substring, column: Substring)? {
        guard let sign = mapping.firstIndex(of: "=") else { return nil }
        let target = mapping[..<sign]
        let column = mapping[mapping.index(after: sign)...]
        return target.isEmpty || column.isEmpty ? nil : (target, column)
    }
}
