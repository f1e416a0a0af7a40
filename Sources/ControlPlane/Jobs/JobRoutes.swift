import Contract
import Hummingbird
import Kernel
import Web

/// `/api/admin/jobs`: what is done again and again, and doing it now.
struct JobRoutes: Sendable {
    let jobs: Jobs
    let changes: Changes

    func add(to admin: RouterGroup<WebContext>) {
        admin.get("jobs") { _, context in
            let doing = "list the jobs"
            try context.authenticated(doing: doing).require(.readPlatform, doing: doing)
            return try WebResponse.json(Page(items: try await jobs.list(), nextCursor: nil))
        }
        admin.post("jobs/:name/run") { request, context in
            let doing = "run the job"
            let change = try await request.change(context, .operate, doing: doing)
            let job = try jobs.job(context.parameter("name"), doing: doing)
            return try await changes.answer(change) {
                OperationPlan(
                    kind: "job.run", subject: job.name,
                    effects: [("control plane", "the job \(job.summary)")] + (try await job.plan?() ?? []))
            } _: { transaction in
                try await jobs.run(job, in: transaction)
            }
        }
    }
}
