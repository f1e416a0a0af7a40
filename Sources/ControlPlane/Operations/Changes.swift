import Contract
import HTTPTypes
import Hummingbird
import Kernel
import Postgres
import Web
import Workflow

/// A request for a change, read and allowed: what its route needs.
struct ChangeRequest<Body: JSONBody>: Sendable {
    let principal: Principal
    let body: Body
    let key: IdempotencyKey?
    /// Whether it asks only what would be done.
    let isPlan: Bool
    /// Finishes "could not …".
    let doing: String

    /// Who asks, as operations and the audit log name it.
    var requestedBy: String { "\(principal)" }
}

/// The body of a request that needs none: nothing, or an object without fields.
struct NoBody: JSONBody {
    enum CodingKeys: CodingKey, CaseIterable {}
}

extension Request {
    /// Reads a change of this kind: first whether the caller may, then its `Idempotency-Key`, its body and
    /// `?plan=`. A body that is left out is `absent`, where there is such.
    func change<Body: JSONBody>(
        _: Body.Type, _ context: WebContext, _ permission: Permission, absent: Body? = nil, doing: String
    ) async throws -> ChangeRequest<Body> {
        let principal = try context.authenticated(doing: doing)
        try principal.require(permission, doing: doing)
        var request = self
        let isPlan = try isPlan(doing: doing)
        let key = try await request.idempotencyKey(principal, doing: doing)
        let content = try await request.wholeBody(upTo: RequestLimits.bodyBytes, doing: doing)
        request.body = RequestBody(buffer: content)
        let body: Body =
            if content.readableBytes == 0, let absent { absent } else {
                try await request.decode(Body.self, doing: doing)
            }
        return ChangeRequest(principal: principal, body: body, key: key, isPlan: isPlan, doing: doing)
    }

    /// The same for a change that needs no body.
    func change(
        _ context: WebContext, _ permission: Permission, doing: String
    ) async throws -> ChangeRequest<NoBody> {
        try await change(NoBody.self, context, permission, absent: NoBody(), doing: doing)
    }

    private func isPlan(doing: String) throws(Fault) -> Bool {
        switch uri.queryParameters["plan"] {
        case nil, "false": false
        case "true": true
        default: throw Fault(.invalid, doing: doing, "expected true or false", field: "plan")
        }
    }
}

/// Answers requests for changes, each once for its `Idempotency-Key`.
struct Changes: Sendable {
    let idempotency: IdempotencyStore
    let executor: SagaExecutor

    /// Begins an operation within a transaction and answers 202 with it and where to follow it; with
    /// `?plan=true` answers 200 with its plan, and nothing is done.
    func operation<Body>(
        _ change: ChangeRequest<Body>, plan: () async throws -> OperationPlan,
        begin: (PostgresTransaction) async throws -> OperationView
    ) async throws -> Response {
        if change.isPlan {
            try await idempotency.requireUnused(change.key, doing: change.doing)
            return try WebResponse.json(try await plan())
        }
        let once = try await idempotency.once(change.key, doing: change.doing, begin)
        executor.poke()
        return try WebResponse.accepted(once)
    }

    /// Makes a change of one step within a transaction and answers it; with `?plan=true` answers 200 with its
    /// plan, and nothing is done. `remembered` is
    /// what a repeated request gets: the answer without what is shown only once.
    ///
    /// - Parameter then: what follows the commit, and follows again when the request is repeated.
    func answer<Body, Answer: Codable & Sendable>(
        _ change: ChangeRequest<Body>, status: HTTPResponse.Status = .ok,
        plan: () async throws -> OperationPlan, remembered: @Sendable (Answer) -> Answer = { $0 },
        _ work: (PostgresTransaction) async throws -> Answer,
        then: (Answer) async throws -> Void = { _ in }
    ) async throws -> Response {
        if change.isPlan {
            try await idempotency.requireUnused(change.key, doing: change.doing)
            return try WebResponse.json(try await plan())
        }
        let once = try await idempotency.once(
            change.key, doing: change.doing, remembered: remembered, work)
        try await then(once.answer)
        return try WebResponse.json(once, status: status)
    }
}

extension OperationPlan {
    /// The plan of a change of one step; each effect is a target and what is done there.
    init(kind: String, subject: String, effects: [(target: String, action: String)]) {
        self.init(
            kind: kind, subject: subject,
            steps: [
                Step(
                    name: "change", isReversible: true,
                    effects: effects.map { Effect(target: $0.target, action: $0.action) })
            ])
    }
}

extension WebResponse {
    /// The answer to a write that may be a replay, and says so. A 204 is without a body.
    static func json(
        _ once: Once<some Encodable & Sendable>, status: HTTPResponse.Status
    ) throws -> Response {
        var response = status == .noContent ? empty() : try json(once.answer, status: status)
        if once.isReplay { response.headers[.idempotencyReplayed] = "true" }
        return response
    }

    /// 202 with an operation, and where to follow it.
    static func accepted(_ once: Once<OperationView>) throws -> Response {
        var response = try json(once, status: .accepted)
        response.headers[.location] = "/api/admin/operations/\(once.answer.id)"
        return response
    }
}

extension HTTPField.Name {
    /// `Idempotency-Replayed`: `true` on an answer that is an earlier request's.
    static let idempotencyReplayed = HTTPField.Name("Idempotency-Replayed")!
}
