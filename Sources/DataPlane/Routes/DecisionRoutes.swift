import Contract
import Customers
import Events
import Hummingbird
import Kernel
import NIOCore
import Web

/// Decisions about who is who: profiles merged and unmerged, kept apart, values blocked and shared.
///
/// With `?preview=true` a decision is not taken: the answer says what it would change, or why it would be
/// refused.
struct DecisionRoutes: Sendable {
    let decisions: Decisions
    let identifiers: IdentifierListStore
    let profiles: ProfileListStore
    let brand: BrandFollower

    func add(to router: RouterGroup<WebContext>) {
        router.get("profiles/:id/merge-history", use: history)
        router.post("profiles/:id/merge") { request, context in
            try await pair(request, context, "merge the profiles", DecisionRequest.merge)
        }
        router.post("profiles/:id/never") { request, context in
            try await pair(request, context, "keep the profiles apart", DecisionRequest.never)
        }
        router.post("profiles/:id/allow") { request, context in
            try await pair(
                request, context, "allow the profiles to come together", DecisionRequest.allow)
        }
        router.post("profiles/:id/unmerge", use: unmerge)
        for (path, decide) in DecisionRoutes.values {
            router.post("identifiers/\(path)") { request, context in
                try await value(request, context, "\(path) the value", decide)
            }
        }
        router.get("identifiers", use: flagged)
        router.get("identity/decisions", use: log)
    }

    private static let values: [(RouterPath, @Sendable (IdentifierID) -> DecisionRequest)] = [
        ("block", DecisionRequest.block), ("unblock", DecisionRequest.unblock),
        ("share", DecisionRequest.share), ("unshare", DecisionRequest.unshare),
    ]

    private func pair(
        _ request: Request, _ context: WebContext, _ doing: String,
        _ decide: (ProfileID, ProfileID) -> DecisionRequest
    ) async throws -> Response {
        let author = try context.decider(doing: doing)
        let profile = try await profile(context, doing: doing)
        let draft = try await request.decode(ProfilePairDraft.self, doing: doing)
        return try await decisions.answer(
            decide(profile, draft.with), by: author, reason: draft.reason, shown: draft.shown, to: request)
    }

    @Sendable private func unmerge(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "unmerge the profile"
        let author = try context.decider(doing: doing)
        let profile = try await profile(context, doing: doing)
        let draft = try await request.decode(UnmergeDraft.self, doing: doing)
        var leaving: [IdentifierID] = []
        for (kind, values) in draft.identifiers.sorted(by: { $0.key < $1.key }) {
            for value in values {
                leaving.append(
                    try await identifier(kind, value, field: "identifiers.\(kind)", doing: doing))
            }
        }
        return try await decisions.answer(
            .unmerge(profile, separating: leaving), by: author, reason: draft.reason, shown: draft.shown,
            to: request)
    }

    private func value(
        _ request: Request, _ context: WebContext, _ doing: String,
        _ decide: (IdentifierID) -> DecisionRequest
    ) async throws -> Response {
        let author = try context.decider(doing: doing)
        let draft = try await request.decode(ValueDraft.self, doing: doing)
        let id = try await identifier(draft.kind, draft.value, field: "value", doing: doing)
        return try await decisions.answer(
            decide(id), by: author, reason: draft.reason, shown: draft.shown, to: request)
    }

    @Sendable private func history(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "show the profile's history"
        _ = try context.require(.profilesRead, doing: doing)
        guard let id = ProfileID(try context.parameter("id")) else { throw DecisionRoutes.unknown(doing) }
        let limit = try request.pageLimit(doing: doing)
        let found = try await identifiers.history(
            of: id, behind: try request.pageCursor(doing: doing), limit: limit + 1)
        if found.isEmpty, try await profiles.show(id) == nil { throw DecisionRoutes.unknown(doing) }
        return WebResponse.page(found, limit: limit)
    }

    @Sendable private func flagged(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "list the identifiers"
        _ = try context.require(.profilesRead, doing: doing)
        let flag = request.query("flag")
        guard flag.map({ ["blocked", "shared"].contains($0) }) ?? true else {
            throw Fault(.invalid, doing: doing, "expected blocked or shared", field: "flag")
        }
        let limit = try request.pageLimit(doing: doing)
        let found = try await identifiers.flagged(
            flag, behind: try request.pageCursor(doing: doing), limit: limit + 1)
        return WebResponse.page(found, limit: limit)
    }

    @Sendable private func log(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "list the decisions"
        _ = try context.require(.profilesRead, doing: doing)
        let limit = try request.pageLimit(doing: doing)
        var sequence: IdentifierListStore.Sequence?
        if let cursor = request.query("cursor") {
            guard let number = IdentifierListStore.Sequence(cursor) else {
                throw Fault(
                    .invalid, doing: doing, "expected the nextCursor of an earlier page", field: "cursor")
            }
            sequence = number
        }
        let found = try await identifiers.decisions(behind: sequence, limit: limit + 1)
        let next = found.count > limit ? String(found[limit - 1].sequence) : nil
        return WebResponse.page(documents: found.prefix(limit).map(\.json), nextCursor: next)
    }

    /// The profile in the path. Any id ever given out will do; the decision is about the profile that it is
    /// in now.
    private func profile(_ context: WebContext, doing: String) async throws -> ProfileID {
        guard let id = ProfileID(try context.parameter("id")) else { throw DecisionRoutes.unknown(doing) }
        return id
    }

    private func identifier(
        _ kind: String, _ value: String, field: String, doing: String
    ) async throws -> IdentifierID {
        guard let sent = IdentifierKind(rawValue: kind) else {
            let known = IdentifierKind.allCases.map(\.rawValue).joined(separator: ", ")
            throw Fault(.invalid, doing: doing, "there is no such kind; the kinds are \(known)", field: field)
        }
        let normaliser = IdentifierNormaliser(country: brand.settings.country)
        guard !value.utf8.contains(0), value.utf8.count <= EventLimits.identifierBytes,
            let usable = normaliser.normalise([SentIdentifier(kind: sent, value: value)]).usable.first
        else { throw Fault(.invalid, doing: doing, "this is no usable \(kind)", field: field) }
        guard let id = try await identifiers.id(of: usable) else {
            throw Fault(.notFound, doing: doing, "no event has brought this \(kind)", field: field)
        }
        return id
    }

    private static func unknown(_ doing: String) -> Fault {
        Fault(.notFound, doing: doing, "there is no profile of this id")
    }
}

extension WebContext {
    /// The caller, who must be allowed to decide who is who, as the log will name him.
    func decider(doing: String) throws -> String {
        switch try require(.profilesWrite, doing: doing).kind {
        case .key(let id): "key:\(id)"
        case .user(let id): "user:\(id)"
        case .local: "operator"
        }
    }
}

extension Decisions {
    /// Takes a decision, or previews it where the request says so, and answers what it changes.
    func answer(
        _ decision: DecisionRequest, by actor: String, reason: String, shown: String?, to request: Request
    ) async throws -> Response {
        let author = try DecisionAuthor(actor: actor, reason: reason)
        let report: DecisionReport
        switch request.query("preview") {
        case nil, "false": report = try await decide(decision, by: author, shown: shown)
        case "true": report = try await preview(decision, by: author)
        default:
            throw Fault(.invalid, doing: "decide", "expected true or false", field: "preview")
        }
        return WebResponse.json(text: ByteBuffer(string: report.json))
    }
}

extension DecisionReport {
    /// The report as the API gives it.
    var json: String {
        let refused =
            refusal.map { #"{"code":"\#($0.code.rawValue)","detail":\#(JSONText.quotedText($0.detail))}"# }
            ?? "null"
        return """
            {"sequence":\(sequence.map(String.init) ?? "null"),"shown":\(JSONText.quotedText(shown)),\
            "profilesChanged":\(profilesChanged),"before":[\(before.joined(separator: ","))],\
            "after":[\(after.joined(separator: ","))],"held":\(held),\
            "rows":[\(rows.joined(separator: ","))],"refusal":\(refused)}
            """
    }
}
