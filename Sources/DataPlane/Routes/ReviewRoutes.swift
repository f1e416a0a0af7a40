import Contract
import Customers
import Hummingbird
import Kernel
import NIOCore
import Web

/// `/api/merge-queue`: what limits have held, for a person to approve, reject, or rule out.
struct ReviewRoutes: Sendable {
    let queue: ReviewQueue
    let decisions: Decisions

    func add(to router: RouterGroup<WebContext>) {
        router.get("merge-queue", use: list)
        router.get("merge-queue/:id", use: show)
        router.post("merge-queue/:id/approve") { request, context in
            try await answer(request, context, "approve the row", DecisionRequest.approve)
        }
        router.post("merge-queue/:id/reject") { request, context in
            try await answer(request, context, "reject the row", DecisionRequest.reject)
        }
        router.post("merge-queue/:id/never") { request, context in
            try await answer(request, context, "keep the profiles apart", DecisionRequest.keepApart)
        }
    }

    @Sendable private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "list the merge queue"
        _ = try context.require(.profilesRead, doing: doing)
        var status = ReviewQueue.Status.pending
        if let name = request.query("status") {
            guard let known = ReviewQueue.Status(rawValue: name) else {
                let all = ReviewQueue.Status.allCases.map(\.rawValue).joined(separator: ", ")
                throw Fault(.invalid, doing: doing, "expected one of \(all)", field: "status")
            }
            status = known
        }
        let limit = try request.pageLimit(doing: doing)
        let found = try await queue.list(
            status, behind: try request.pageCursor(doing: doing), limit: limit + 1)
        return WebResponse.page(found, limit: limit)
    }

    @Sendable private func show(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "show the row"
        _ = try context.require(.profilesRead, doing: doing)
        guard let json = try await queue.show(try row(context, doing: doing)) else {
            throw ReviewRoutes.unknown(doing)
        }
        return WebResponse.json(text: ByteBuffer(string: json))
    }

    private func answer(
        _ request: Request, _ context: WebContext, _ doing: String,
        _ decide: (ReviewRowID) -> DecisionRequest
    ) async throws -> Response {
        let author = try context.decider(doing: doing)
        let row = try row(context, doing: doing)
        let draft = try await request.decode(ReviewAnswer.self, doing: doing)
        return try await decisions.answer(
            decide(row), by: author, reason: draft.reason, shown: draft.shown, to: request)
    }

    private func row(_ context: WebContext, doing: String) throws -> ReviewRowID {
        guard let id = ReviewRowID(try context.parameter("id")) else { throw ReviewRoutes.unknown(doing) }
        return id
    }

    private static func unknown(_ doing: String) -> Fault {
        Fault(.notFound, doing: doing, "there is no row of this id")
    }
}
