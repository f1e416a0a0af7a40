import ArgumentParser
import Contract
import Kernel

struct WorkGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "work",
        abstract: "See the long work of a brand's instance, such as imports and re-folds.",
        discussion: """
            What the service does to brands is another list: constintel operation list.

            Example:
              constintel work list --brand acme
            """,
        subcommands: [WorkList.self, WorkShow.self, WorkRejections.self])
}

struct WorkList: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List a brand's imports and re-folds, the newest first.",
        discussion: """
            Example:
              constintel work list --brand acme --limit 10
            """)

    private static let columns = ["id", "kind", "subject", "state", "counts", "updatedAt"]

    @OptionGroup var brand: BrandOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(
                .get, "/api/operations", query: page.query, doing: "list the long work of '\(brand.slug)'"))
        try service.report(page: answer, columns: Self.columns)
    }
}

struct WorkShow: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show how an import or a re-fold stands.",
        discussion: """
            With --follow it is shown once it has ended, and anything but success is a failure.

            Example:
              constintel work show 0198c5f2-8b7a-7c3e-9d0a-0242ac120002 --brand acme --follow
            """)

    @Argument(help: "The id, as 'constintel work list' shows it.", transform: parseID)
    var id: OperationID

    @Flag(help: "Wait until it has ended.")
    var follow = false

    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let instance = try await service.instance(of: brand.slug)
        let follower = service.follower("/api/operations", at: instance)
        var answer = try await instance.send(follower.request(id))
        if follow { answer = try await follower.follow(answer) }
        let operation = try answer.decode(OperationView.self)
        try service.report(answer) { service.lines(operation) }
        if follow { try operation.requireDone(doing: operation.doing) }
    }
}

struct WorkRejections: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "rejections",
        abstract: "List the rows of an import that were not taken, and why.",
        discussion: """
            All are counted; the first 100,000 are kept. With --report they are written into a file, as they \
            were and with the reason; mended, it can be imported with the same options.

            Example:
              constintel work rejections 0198c5f2-8b7a-7c3e-9d0a-0242ac120002 --brand acme
              constintel work rejections 0198c5f2-8b7a-7c3e-9d0a-0242ac120002 --brand acme \
                --report rejected.csv
            """)

    @Argument(help: "The import's id.", transform: parseID)
    var id: OperationID

    @Option(help: "Where to keep all of them, as a CSV file.", completion: .file())
    var report: String?

    @OptionGroup var brand: BrandOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        if let report {
            let instance = try await service.instance(of: brand.slug)
            try await RejectionDownload(id: id, path: report, instance: instance).run()
            return service.note("The rejected rows are in \(report).")
        }
        let answer = try await service.instance(of: brand.slug).send(
            Request(
                .get, "/api/operations/\(id)/rejections", query: page.query,
                doing: "list the rejected rows of \(id)"))
        try service.report(page: answer, of: RejectedRow.self) { rows in
            Table(
                [.init("row", .right), .init("reason")], rows: rows.map { [String($0.row), $0.reason] })
        }
    }
}
