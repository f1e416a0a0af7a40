import ArgumentParser
import Contract
import Foundation
import Kernel

struct Check: ServiceCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look at the whole installation: what is ok, what is not, and what to do about it.",
        discussion: """
            Databases, Redis, disks, each brand's place and rights, instances, streams, operations, jobs, \
            leftovers and keys. It changes nothing. Each look takes 5 seconds at most; one that hangs has \
            failed. runbooks/check.md explains every line.

            The exit status is 1 when something has failed, and 0 when there are warnings only.

            Example:
              constintel check
              constintel check --output json | jq '.findings[] | select(.status != "ok")'
            """)

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.control.send(
            Request(.get, "/api/admin/check", doing: "check the installation"))
        let view = try answer.decode(CheckView.self)
        try service.report(answer) { service.lines(Check.table(view)) + [Check.sum(view)] }
        if view.status == .failed { throw ExitStatus.failed }
    }

    /// A row for each finding, and one below it for what to do about it.
    private static func table(_ view: CheckView) -> Table {
        Table(
            [.init("check"), .init("status"), .init("seen")],
            rows: view.findings.flatMap { finding in
                [[finding.check, finding.status.rawValue, finding.seen]]
                    + (finding.remedy.map { [["", "", "do: \($0)"]] } ?? [])
            })
    }

    /// All findings in one sentence.
    private static func sum(_ view: CheckView) -> String {
        let failed = view.findings.count { $0.status == .failed }
        let warnings = view.findings.count { $0.status == .warning }
        let told = warnings == 1 ? "1 warning" : "\(warnings) warnings"
        if failed > 0 { return "\(failed) of \(view.findings.count) checks failed, \(told)." }
        return warnings == 0
            ? "Everything is ok: \(view.findings.count) checks."
            : "Nothing has failed: \(view.findings.count) checks, \(told)."
    }
}
