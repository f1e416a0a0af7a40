import ArgumentParser
import Contract
import Foundation
import Kernel

struct PlanGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "See and change the plans that brands are on.",
        discussion: """
            Example:
              constintel plan list
              constintel plan set pro --limit eventsPerMonth=20000000
            """,
        subcommands: [PlanList.self, PlanShow.self, PlanSet.self, PlanReset.self, PlanDelete.self])
}

struct PlanList: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the plans and how many brands each has.",
        discussion: """
            Example:
              constintel plan list
            """)

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.control.send(
            Request(.get, "/api/admin/plans", doing: "list the plans"))
        try service.report(page: answer, of: PlanView.self) { plans in
            Table(
                [
                    .init("name"), .init("brands", .right), .init("begins as"), .init("events/s", .right),
                    .init("events/month", .right), .init("profiles", .right), .init("users", .right),
                    .init("edited"),
                ],
                rows: plans.map { plan in
                    let limits = plan.limits
                    return [
                        plan.name, grouped(Int64(plan.brands)), plan.start,
                        grouped(Int64(limits.eventsPerSecond)), limit(limits.eventsPerMonth),
                        limit(limits.profiles), limit(limits.users), plan.isEdited ? "yes" : "",
                    ]
                })
        }
    }
}

struct PlanShow: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a plan with all of its limits.",
        discussion: """
            Example:
              constintel plan show pro
            """)

    @Argument(help: "The plan's name.")
    var name: String

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.control.send(.plan(.get, name, doing: "show the plan '\(name)'"))
        try service.report(answer) { try answer.decode(PlanView.self).description.lines }
    }
}

struct PlanSet: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Change a plan, for every brand that has it; or make one from another.",
        discussion: """
            What is not named stays as it is. A limit of 'none' is no limit. The limits hold within a second
            on instances that run, without a restart, but for those of the process itself.

            Example:
              constintel plan set pro --limit eventsPerMonth=20000000 --limit retentionDays=none
              constintel plan set agency --from pro --limit users=100
            """)

    @Argument(help: "The plan's name.")
    var name: String

    @Option(help: "A limit, as 'plan show' names it, and its value; repeat it for several.")
    var limit: [String] = []

    @Option(help: "What a brand of the plan is at first: trial or active.")
    var begin: Start?

    @Option(help: "How many days a trial lasts; 'none' for ever.", transform: parseLimit)
    var trialDays: PlanLimit?

    @Option(help: "Make a new plan that begins as a copy of this one.")
    var from: String?

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    /// What a brand of a plan is at first.
    enum Start: String, ExpressibleByArgument, CaseIterable {
        case trial, active
    }

    func validate() throws {
        guard !limit.isEmpty || begin != nil || trialDays != nil || from != nil else {
            throw ValidationError("Say what to change: --limit, --begin or --trial-days.")
        }
        _ = try limits()
    }

    /// The limits by name, as JSON values.
    private func limits() throws -> [String: Any] {
        var limits: [String: Any] = [:]
        for text in limit {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, PlanLimits.CodingKeys(stringValue: parts[0]) != nil else {
                let names = PlanLimits.CodingKeys.allCases.map(\.stringValue).joined(separator: ", ")
                throw ValidationError("expected <limit>=<value> with one of \(names): '\(text)'")
            }
            if parts[0] == PlanLimits.CodingKeys.features.stringValue, parts[1] != "none" {
                limits[parts[0]] = parts[1].split(separator: ",").map(String.init)
            } else {
                limits[parts[0]] = try parseLimit(parts[1]).number.map { $0 as Any } ?? NSNull()
            }
        }
        return limits
    }

    func run(on service: Service) async throws {
        let source = from ?? name
        let read = try await service.control.send(.plan(.get, source, doing: "read the plan '\(source)'"))
        let view = try read.decode(PlanView.self)
        let changed = try view.limits.replacing(limits())
        let draft = PlanDraft(
            initialStatus: begin.flatMap { BrandView.Status(rawValue: $0.rawValue) } ?? view.initialStatus,
            trialDays: trialDays == nil ? view.trialDays : trialDays?.number, limits: changed,
            version: from == nil ? view.version : nil)
        let request = try Request.plan(.put, name, json: draft, doing: "change the plan '\(name)'")
        guard let answer = try await service.write(request, unless: plan) else { return }
        try service.report(answer) { try answer.decode(PlanView.self).description.lines }
    }
}

struct PlanReset: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset",
        abstract: "Make an edited plan what it was when it was installed.",
        discussion: """
            Example:
              constintel plan reset pro
            """)

    @Argument(help: "The plan's name.")
    var name: String

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let request = Request.plan(.post, name, "/reset", doing: "reset the plan '\(name)'")
        guard let answer = try await service.write(request, unless: plan) else { return }
        try service.report(answer) { try answer.decode(PlanView.self).description.lines }
    }
}

struct PlanDelete: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete a plan that was made by hand and that no brand has.",
        discussion: """
            Example:
              constintel plan delete agency
            """)

    @Argument(help: "The plan's name.")
    var name: String

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let request = Request.plan(.delete, name, doing: "delete the plan '\(name)'")
        guard try await service.write(request, unless: plan) != nil else { return }
        service.note("The plan '\(name)' is deleted.")
    }
}

/// A number, or no limit.
struct PlanLimit: Sendable {
    let number: Int?
}

/// `text` as a limit.
@Sendable func parseLimit(_ text: String) throws -> PlanLimit {
    if text == "none" { return PlanLimit(number: nil) }
    guard let number = Int(text) else { throw ValidationError("expected a whole number or none: '\(text)'") }
    return PlanLimit(number: number)
}

private func limit(_ number: Int?) -> String { number.map { grouped(Int64($0)) } ?? "none" }

extension Request {
    /// A request about the plan called `name`, or what is at `path` below it.
    fileprivate static func plan(
        _ method: Method, _ name: String, _ path: String = "", doing: String
    ) -> Request {
        Request(method, "/api/admin/plans/\(escaped(name))\(path)", doing: doing)
    }

    fileprivate static func plan(
        _ method: Method, _ name: String, json: some Encodable, doing: String
    ) throws -> Request {
        try Request(method, "/api/admin/plans/\(escaped(name))", json: json, doing: doing)
    }
}

extension PlanLimits {
    /// These limits with others in their place, by name; `NSNull` for none.
    fileprivate func replacing(_ others: [String: Any]) throws -> PlanLimits {
        let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(self))
        let merged = (object as? [String: Any] ?? [:]).merging(others) { $1 }
        do {
            return try JSONDecoder().decode(
                PlanLimits.self, from: JSONSerialization.data(withJSONObject: merged))
        } catch {
            throw ValidationError("a limit that every plan has cannot be none")
        }
    }

    /// Each limit as a person reads it, in the order of its declaration.
    fileprivate var fields: [(name: String, value: String?)] {
        let object = (try? JSONSerialization.jsonObject(with: JSONEncoder().encode(self))) as? [String: Any]
        return CodingKeys.allCases.map { key in
            let value = object?[key.stringValue]
            if let number = value as? Int { return (key.stringValue, grouped(Int64(number))) }
            if let list = value as? [String] { return (key.stringValue, list.joined(separator: ", ")) }
            return (key.stringValue, key == .features ? "all" : "none")
        }
    }
}

extension PlanView {
    /// What a brand of the plan is at first, and for how long.
    fileprivate var start: String {
        guard initialStatus == .trial else { return initialStatus.rawValue }
        return trialDays.map { "trial, \($0) days" } ?? "trial"
    }

    /// The plan as a person reads it.
    fileprivate var description: Description {
        Description(
            [
                ("name", name), ("begins as", start), ("brands", grouped(Int64(brands))),
                ("version", "\(version)\(isEdited ? ", edited" : "")"),
            ] + limits.fields)
    }
}
