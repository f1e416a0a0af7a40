import Contract
import Events
import HTTPTypes
import Hummingbird
import Integrations
import Kernel
import NIOCore
import Web

/// `POST /api/integrations/csv`, its preview, and the operations that follow from it.
struct ImportRoutes: Sendable {
    let imports: Imports
    let operations: OperationStore
    let rejections: RejectionStore
    let brand: BrandFollower
    let streams = EventStreams()

    func add(to router: RouterGroup<WebContext>) {
        router.post("integrations/csv", use: receive)
        router.post("integrations/csv/preview", use: preview)
        router.get("operations", use: list)
        router.get("operations/:id", use: show)
        router.get("operations/:id/events", use: follow)
        router.get("operations/:id/rejections", use: rejections)
        router.get("operations/:id/rejections.csv", use: report)
    }

    /// The file is the body, or an upload that is whole (`?upload=<id>`).
    @Sendable private func receive(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "import the file"
        let principal = try require(request, context, doing: doing)
        let options = try options(request)
        if let text = request.query("upload") {
            guard let id = UploadID(text) else {
                throw Fault(.invalid, doing: doing, "expected the id of an upload", field: "upload")
            }
            return try WebResponse.json(
                try await imports.receive(id, options: options, isTest: principal.isTest), status: .accepted)
        }
        let operation = try await imports.receive(
            request.body.map { Array($0.readableBytesView) },
            length: request.headers[.contentLength].flatMap { Int64($0) }, options: options,
            isTest: principal.isTest)
        return try WebResponse.json(operation, status: .accepted)
    }

    /// The caller, who must be allowed to bring what the rows are.
    private func require(
        _ request: Request, _ context: WebContext, doing: String
    ) throws -> Principal {
        let kind = request.query("kind").flatMap { ImportKind(rawValue: $0) } ?? .events
        return try context.require(kind.scope, doing: doing)
    }

    private func options(_ request: Request) throws -> ImportOptions {
        let parameters = request.uri.queryParameters
        return try ImportOptions(
            query: { name in parameters.getAll(name) },
            timeZone: try brand.projection().settings.timeZone)
    }

    /// The body is a file, or its beginning (`?whole=false`). Nothing of it is kept.
    @Sendable private func preview(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "import the file"
        let principal = try require(request, context, doing: doing)
        let options = try options(request)
        let isWhole: Bool
        switch request.query("whole") {
        case nil, "true": isWhole = true
        case "false": isWhole = false
        default: throw Fault(.invalid, doing: doing, "expected true or false", field: "whole")
        }
        let sample = Array(
            try await request.wholeBody(upTo: Imports.previewBytes, doing: doing).readableBytesView)
        return try WebResponse.json(
            try Imports.preview(
                sample, isWhole: isWhole, options: options, isTest: principal.isTest, at: imports.now()))
    }

    /// The rejected rows as a file, to be mended and imported again.
    @Sendable private func report(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "report the rejected rows"
        _ = try context.require(.eventsRead, doing: doing)
        guard let report = try await imports.report(of: try await operation(context, doing: doing)) else {
            throw Fault(.notFound, doing: doing, "this work is not an import")
        }
        let headers: HTTPFields = [
            .contentType: "text/csv; charset=utf-8",
            .contentDisposition: "attachment; filename=\"\(report.fileName)\"",
        ]
        return try streams.open(headers: headers, doing: doing) { body in
            var writer = body
            try await report.write { try await writer.write($0) }
        }
    }

    @Sendable private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "list the operations"
        _ = try context.require(.eventsRead, doing: doing)
        let limit = try request.pageLimit(doing: doing)
        let found = try await operations.list(behind: try request.pageCursor(doing: doing), limit: limit + 1)
        return try WebResponse.page(found, limit: limit) {
            PageCursor(instant: $0.createdAt, id: $0.id.uuid)
        }
    }

    @Sendable private func show(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "show the operation"
        _ = try context.require(.eventsRead, doing: doing)
        return try WebResponse.json(try await operation(context, doing: doing))
    }

    @Sendable private func rejections(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "list the rejected rows"
        _ = try context.require(.eventsRead, doing: doing)
        let id = try await operation(context, doing: doing).id
        let limit = try request.pageLimit(doing: doing)
        var row: Int64 = 0
        if let cursor = request.query("cursor") {
            guard let number = Int64(cursor) else {
                throw Fault(
                    .invalid, doing: doing, "expected the nextCursor of an earlier page", field: "cursor")
            }
            row = number
        }
        let found = try await rejections.list(of: id, behind: row, limit: limit + 1)
        let items = Array(found.prefix(limit))
        return try WebResponse.json(
            Page(items: items, nextCursor: found.count > limit ? items.last.map { String($0.row) } : nil))
    }

    func operation(_ context: WebContext, doing: String) async throws -> OperationView {
        guard let id = OperationID(try context.parameter("id")), let operation = try await operations.show(id)
        else {
            throw Fault(.notFound, doing: doing, "there is no operation of this id")
        }
        return operation
    }
}
