import Contract
import Hummingbird
import Kernel
import Web

/// `POST /api/identity/refold`: the judge, for those who run the service.
struct RefoldRoutes: Sendable {
    let refolds: Refolds
    let slug: Slug

    func add(to router: RouterGroup<WebContext>) {
        router.post("identity/refold", use: refold)
    }

    @Sendable private func refold(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "re-fold the brand"
        let principal = try context.authenticated(doing: doing)
        guard principal.role == .admin || principal.role == .operator else {
            throw Fault(.forbidden, doing: doing, "this takes the token of an admin or an operator")
        }
        let wanted = try await request.decode(RefoldRequest.self, doing: doing)
        return try WebResponse.json(
            try await refolds.request(wanted, brand: slug, doing: doing), status: .accepted)
    }
}
