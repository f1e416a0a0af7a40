import ArgumentParser
import Contract
import Foundation
import Kernel

struct EventsImport: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Import a file of rows: events, profiles, products or inventory.",
        discussion: """
            Begin with --preview: it finds out how the file is written, suggests what its columns are, and \
            shows what the first rows become; nothing is imported. --map says which column holds what: a \
            target is a part of an event, such as occurredAt, total, currency or orderId, or an identifier, \
            such as email, phone or loyalty_id, or consent.email.marketing; a column is a name in the \
            header or a number from 1. A file exported again with rows appended adds only the new rows.

            A large file is sent in pieces: when its connection breaks, give the same command again within \
            a day. Rows that are rejected are shown with their reason, and the exit status is 3; --report \
            keeps them all in a file that can be mended and imported with the same options.

            Example:
              constintel events import orders.csv --brand acme --preview
              constintel events import orders.csv --brand acme \
                --map loyalty_id=customer_id --map occurredAt=date \
                --map total=dollar_value --report rejected.csv
              constintel events import stock.csv --brand acme --kind inventory \
                --map productId=sku --map storeId=store --map quantity=on_hand
            """)

    /// Rejected rows that are shown; the service keeps the others.
    private static let shownRejections = 20

    @Argument(help: "The file; '-' is standard input.", completion: .file())
    var file: String

    @Flag(help: "Show what would become of the file, and import nothing.")
    var preview = false

    @Option(help: "Where to keep the rejected rows, as a CSV file.", completion: .file())
    var report: String?

    @OptionGroup var brand: BrandOptions
    @OptionGroup var format: FormatOptions
    @OptionGroup var options: ServiceOptions

    private var fileName: String { file == "-" ? "stdin" : URL(fileURLWithPath: file).lastPathComponent }

    func run(on service: Service) async throws {
        let doing = "import '\(fileName)' into '\(brand.slug)'"
        let input = try InputFile(file, doing: doing)
        let instance = try await service.instance(of: brand.slug)
        let looking = FilePreview(file: input, query: query, instance: instance, doing: doing)
        if preview {
            let answer = try await looking.ask()
            return try service.report(answer) {
                looking.lines(try answer.decode(ImportPreview.self), service)
            }
        }
        if let report, FileManager.default.fileExists(atPath: report) {
            throw Fault(
                .conflict, doing: "keep the rejected rows in \(report)", "there is a file of this name")
        }
        let started = try await upload(input, to: instance, looking, service, doing: doing)
        let ended = try await service.follower("/api/operations", at: instance).follow(started)
        let operation = try ended.decode(OperationView.self)
        try service.report(ended) { operation.state == .done ? [summary(operation)] : [] }
        let rejected = operation.counts?["rejected"] ?? 0
        if rejected > 0 {
            try await showRejections(operation.id, rejected, at: instance, service)
            if let report {
                try await RejectionDownload(id: operation.id, path: report, instance: instance).run()
                service.note("The rejected rows are in \(report).")
            }
        }
        try operation.requireDone(doing: doing)
        if rejected > 0 { throw ExitStatus.rejections }
    }

    private var query: [(name: String, value: String)] {
        format.query + [(name: "fileName", value: fileName)]
    }

    private func upload(
        _ input: InputFile, to instance: Endpoint, _ looking: FilePreview, _ service: Service,
        doing: String
    ) async throws -> Answer {
        var request = Request(.post, "/api/integrations/csv", query: query, doing: doing)
        if let length = input.length, length > ResumableUpload.smallestFile {
            // What is wrong at its beginning is told before all of it has been sent.
            _ = try await looking.checked()
            let upload = try await ResumableUpload(
                file: input, length: length, name: fileName, instance: instance, progress: service.progress,
                pause: service.surroundings.pollInterval, doing: doing
            ).run()
            request.query.append(("upload", "\(upload.id)"))
            return try await instance.send(request)
        }
        if input.length != nil, format.map.isEmpty { _ = try await looking.checked() }
        let label = "uploading \(fileName)"
        let upload = FileUpload(file: input) { sent in
            await service.progress.show(
                ProgressBar(label: label, done: sent, total: input.length, unit: "bytes"))
        }
        request.body = .file(upload, contentType: "text/csv")
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
