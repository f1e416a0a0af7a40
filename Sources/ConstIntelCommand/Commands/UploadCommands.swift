import ArgumentParser
import Contract
import Kernel

struct UploadsGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "uploads",
        abstract: "See and remove files that were sent in part.",
        discussion: """
            A large file is sent in pieces by 'constintel events import', which goes on with what it finds \
            here. What is not ended within a day goes by itself.

            Example:
              constintel uploads list --brand acme
            """,
        subcommands: [UploadsList.self, UploadsRemove.self])
}

struct UploadsList: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List a brand's uploads, the newest first.",
        discussion: """
            Example:
              constintel uploads list --brand acme
            """)

    @OptionGroup var brand: BrandOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(
                .get, "/api/uploads", query: page.query, doing: "list the uploads of '\(brand.slug)'"))
        try service.report(page: answer, of: Upload.self) { uploads in
            Table(
                [
                    .init("id"), .init("file"), .init("received", .right), .init("length", .right),
                    .init("expires at"),
                ],
                rows: uploads.map { upload in
                    [
                        "\(upload.id)", upload.metadata["filename"] ?? "", grouped(upload.received),
                        grouped(upload.length), "\(upload.expiresAt)",
                    ]
                })
        }
    }
}

struct UploadsRemove: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Throw away what was received of a file.",
        discussion: """
            Example:
              constintel uploads remove 0198c5f2-8b7a-7c3e-9d0a-0242ac120002 --brand acme
            """)

    @Argument(help: "The upload's id.", transform: parseID)
    var id: UploadID

    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(.delete, "/api/uploads/\(id)", doing: "remove the upload \(id)"))
        try service.report(answer) { ["The upload is removed."] }
    }
}
