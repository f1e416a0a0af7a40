import Contract
import Hummingbird
import Kernel
import Web

/// `/api/admin/audit`.
struct AuditRoutes: Sendable {
    let audit: Audit

    func add(to admin: RouterGroup<WebContext>) {
        admin.get("audit") { request, context in
            let doing = "read the audit log"
            try context.authenticated(doing: doing).require(.operate, doing: doing)
            return try WebResponse.json(
                try await audit.list(
                    subject: request.query("subject"), actor: request.query("actor"),
                    after: request.cursor(doing: doing), limit: request.pageLimit(doing: doing),
                    doing: doing))
        }
    }
}
