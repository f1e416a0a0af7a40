import Contract
import Hummingbird
import Kernel
import Web

/// `/api/admin/check`: how the whole installation is.
struct CheckRoutes: Sendable {
    let checks: Checks

    func add(to admin: RouterGroup<WebContext>) {
        admin.get("check") { _, context in
            let doing = "check the installation"
            try context.authenticated(doing: doing).require(.readPlatform, doing: doing)
            return try WebResponse.json(await checks.view())
        }
    }
}
