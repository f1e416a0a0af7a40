import Contract
import Hummingbird
import Kernel
import Web

/// `/api/admin/users`.
struct UserRoutes: Sendable {
    let users: Users

    func add(to admin: RouterGroup<WebContext>) {
        admin.post("users") { request, context in
            let doing = UserSpecification.doing
            let principal = try context.authenticated(doing: doing)
            try principal.require(.manageUsers, doing: doing)
            var request = request
            let key = try await request.idempotencyKey(principal, doing: doing)
            let draft = try await request.decode(UserDraft.self, doing: doing)
            return try WebResponse.json(try await users.create(draft, key: key), status: .created)
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
