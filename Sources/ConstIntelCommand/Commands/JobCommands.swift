import ArgumentParser
import Contract
import Foundation
import Kernel

struct JobGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "job",
        abstract: "See and run what the service does again and again.",
        discussion: """
            Example:
              constintel job list
              constintel job run partitions
            """,
        subcommands: [JobList.self, JobRun.self])
}

struct JobList: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the jobs, how often each is due, and what became of its last run.",
        discussion: """
            Example:
              constintel job list
            """)

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.control.send(Request(.get, "/api/admin/jobs", doing: "list the jobs"))
        try service.report(page: answer, of: JobView.self) { jobs in
            Table(
                [.init("name"), .init("every s", .right), .init("last run"), .init("result"), .init("does")],
                rows: jobs.map {
                    [
                        $0.name, grouped(Int64($0.everySeconds)), $0.startedAt?.description ?? "never",
                        $0.result, $0.summary,
                    ]
                })
        }
    }
}

struct JobRun: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a job now, and say what became of it.",
        discussion: """
            A timer of the service manager does just this. The exit status is 1 when the job has failed.

            Example:
              constintel job run partitions
            """)

    @Argument(help: "The job's name, as 'constintel job list' shows it.")
    var name: String

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        var request = Request(
            .post, "/api/admin/jobs/\(escaped(name))/run", doing: "run the job '\(name)'")
        request.isLong = true
        guard let answer = try await service.write(request, unless: plan) else { return }
        let job = try answer.decode(JobView.self)
        try service.report(answer) { ["\(job.name): \(job.result)"] }
        if job.error != nil { throw ExitStatus.failed }
    }
}

extension JobView {
    /// What became of the last run.
    fileprivate var result: String {
        if let error { return "failed: \(error)" }
        guard endedAt != nil else { return "" }
        let counted = counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        return counted.isEmpty ? "done" : counted.joined(separator: ", ")
    }
}
