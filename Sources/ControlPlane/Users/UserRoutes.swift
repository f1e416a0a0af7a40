import Contract
import Hummingbird
import Kernel
import Web

/// `/api/admin/users`.
struct UserRoutes: Sendable {
    let users: Users
    let changes: Changes

    func add(to admin: RouterGroup<WebContext>) {
        admin.post("users") { request, context in
            let change = try await request.change(
                UserDraft.self, context, .manageUsers, doing: UserSpecification.doing)
            let user = try await users.prepare(change.body)
            return try await changes.answer(change, status: .created) {
                OperationPlan(
                    kind: "user.create", subject: change.body.email,
                    effects: [("control database", "insert user '\(change.body.email)' with the id <chosen>")]
                )
            } remembered: {
                UserCreated(user: $0.user, password: nil)
            } _: { transaction in
                try await users.create(user, in: transaction)
            } then: { made in
                AuditNote.add(subject: made.user.brand, detail: "user \(made.user.id)")
            }
        }
        admin.get("users") { request, context in
            let doing = "list users"
            try context.authenticated(doing: doing).require(.manageUsers, doing: doing)
            return try WebResponse.json(
                try await users.list(
                    after: request.cursor(doing: doing), limit: request.pageLimit(doing: doing)))
        }
    }
}
