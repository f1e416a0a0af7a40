import ArgumentParser
import Contract
import Foundation
import Kernel

struct BrandRefold: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "refold",
        abstract: "Compare a brand with what its events and decisions say, and put it right.",
        discussion: """
            All events and decisions are folded from scratch, and what comes out is compared with what is \
            stored. There should be no difference. --plan shows what differs and changes nothing; the exit \
            status is 1 when something does. --apply puts it right: events are accepted meanwhile, and wait \
            to be committed.

            Example:
              constintel brand refold acme --plan
            """)

    /// Differences of one kind that are shown.
    private static let shownSamples = 3

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Flag(help: "Show what differs.")
    var plan = false

    @Flag(help: "Put right what differs.")
    var apply = false

    @OptionGroup var options: ServiceOptions

    func validate() throws {
        guard plan != apply else { throw ValidationError("give either --plan or --apply") }
    }

    func run(on service: Service) async throws {
        let doing = "re-fold '\(slug)'"
        let instance = try await service.instance(of: slug)
        let started = try await instance.send(
            Request(.post, "/api/identity/refold", json: RefoldRequest(apply: apply), doing: doing))
        let ended = try await service.follower("/api/operations", at: instance).follow(started)
        let operation = try ended.decode(OperationView.self)
        let report = operation.result
        try service.report(ended) { report.map { lines($0, service) } ?? [] }
        try operation.requireDone(doing: doing)
        if plan, report?.differences.isEmpty == false { throw ExitStatus.failed }
    }

    private func lines(_ report: RefoldReport, _ service: Service) -> [String] {
        let figures =
            "\(grouped(report.events)) events, \(grouped(report.identifiers)) identifiers, "
            + "\(grouped(report.decisions)) decisions"
        guard !report.differences.isEmpty else { return ["'\(slug)' is as it should be: \(figures)."] }
        let rows = report.differences.flatMap { difference in
            let shown = difference.samples.prefix(Self.shownSamples).enumerated().map { index, sample in
                index == 0 ? [difference.kind, grouped(difference.count), sample] : ["", "", sample]
            }
            let rest = difference.count - Int64(shown.count)
            return shown + (rest > 0 ? [["", "", "and \(grouped(rest)) more"]] : [])
        }
        let table = Table([.init("what"), .init("count", .right), .init("difference")], rows: rows)
        let count = grouped(report.differences.reduce(0) { $0 + $1.count })
        let end =
            report.applied
            ? "Put right \(count) differences of '\(slug)': \(figures)."
            : "Found \(count) differences of '\(slug)': \(figures)."
        return service.lines(table) + [end]
    }
}
