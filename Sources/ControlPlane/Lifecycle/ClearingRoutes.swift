import Contract
import Hummingbird
import Kernel
import Web

/// `/api/admin/platform/clear`.
struct ClearingRoutes: Sendable {
    let clearing: Clearing
    let changes: Changes

    func add(to admin: RouterGroup<WebContext>) {
        admin.post("platform/clear") { request, context in
            let change = try await request.change(
                PlatformClearing.self, context, .changePlatform, doing: Clearing.doing)
            try clearing.check(change.body.confirm)
            let present = try await clearing.present()
            return try await changes.answer(change) {
                OperationPlan(
                    kind: "platform.clear", subject: "platform",
                    effects: present.map {
                        (target: "brand", action: "delete and purge '\($0.slug)' with all of its data")
                    })
            } _: { transaction in
                try await clearing.begin(present, by: change.requestedBy, in: transaction)
            } then: { _ in
                changes.executor.poke()
            }
        }
    }
}
