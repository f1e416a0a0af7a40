import Contract
import HTTPTypes
import Hummingbird
import Kernel
import Postgres
import Web

/// `/api/admin/operations`.
struct OperationRoutes: Sendable {
    let operations: Operations
    let changes: Changes
    let streams: EventStreams

    func add(to admin: RouterGroup<WebContext>) {
        admin.get("operations") { request, context in
            let doing = "list operations"
            try context.authenticated(doing: doing).require(.operate, doing: doing)
            return try WebResponse.json(
                try await operations.list(
                    subject: request.query("subject"), state: request.query("state"),
                    after: request.cursor(doing: doing),
                    limit: request.pageLimit(doing: doing)))
        }
        admin.get("operations/:id") { _, context in
            let doing = "show the operation"
            try context.authenticated(doing: doing).require(.operate, doing: doing)
            return try WebResponse.json(try await operations.show(context.parameter("id")))
        }
        admin.get("operations/:id/events") { _, context in
            let doing = "follow the operation"
            try context.authenticated(doing: doing).require(.operate, doing: doing)
            let id = try context.parameter("id")
            // What does not exist is a 404 here; once the stream has begun it could only break off.
            _ = try await operations.show(id)
            return try events(id, doing: doing)
        }
        addSteering(to: admin)
    }

    private func addSteering(to admin: RouterGroup<WebContext>) {
        admin.post("operations/:id/retry") { request, context in
            try await steer(request, context, doing: "try the operation again") { id, person, transaction in
                try await operations.retry(id, by: person, in: transaction)
            }
        }
        admin.post("operations/:id/unwind") { request, context in
            try await steer(request, context, doing: "take the operation back") { id, person, transaction in
                try await operations.unwind(id, by: person, in: transaction)
            }
        }
    }

    private func steer(
        _ request: Request, _ context: WebContext, doing: String,
        _ turn: (_ id: String, _ person: String, PostgresTransaction) async throws -> OperationView
    ) async throws -> Response {
        let change = try await request.change(context, .operate, doing: doing)
        let id = try context.parameter("id")
        return try await changes.answer(change) {
            throw Fault(
                .invalid, doing: doing, "there is no plan of it: the operation itself lists its steps",
                field: "plan")
        } _: { transaction in
            try await turn(id, change.requestedBy, transaction)
        } then: { _ in
            changes.executor.poke()
        }
    }

    /// Server-sent events: one `operation` for each change, the last with the final state.
    private func events(_ id: String, doing: String) throws(Fault) -> Response {
        try streams.open(doing: doing) { events in
            try await operations.follow(id) { view in
                guard let view else { return try await events.heartbeat() }
                try await events.send("operation", json: view)
            }
        }
    }
}

extension Request {
    /// The `cursor` of a list, or nil for its first page.
    func cursor(doing: String) throws -> Cursor? {
        try query("cursor").map { try Cursor(text: $0, doing: doing) }
    }
}
