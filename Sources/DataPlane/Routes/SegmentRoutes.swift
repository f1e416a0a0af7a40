import Contract
import Events
import HTTPTypes
import Hummingbird
import Integrations
import Kernel
import Web

/// `/v1`: events in as the SDKs of Segment and RudderStack send them.
///
/// SDKs drop what is answered 4xx and send again what is answered 429 or 5xx. So a batch of which some
/// messages are wrong is taken for the others, and answers 200 with what was refused; it is refused whole
/// only when there is nothing to take.
struct SegmentRoutes: Sendable {
    /// Where batches come in; `/v1/b` is what analytics.js and the SDKs of phones call it.
    static let batchPaths = ["/v1/batch", "/v1/import", "/v1/b"]
    /// Every path, those of one message as well: each call by its word and by its first letter.
    static let paths =
        batchPaths + SegmentCall.allCases.flatMap { ["/v1/\($0.rawValue)", "/v1/\($0.rawValue.prefix(1))"] }

    let acceptance: EventAcceptance

    /// - Parameter router: the group of `/v1`.
    func add(to router: RouterGroup<WebContext>) {
        for path in SegmentRoutes.batchPaths {
            router.post(RouterPath(String(path.dropFirst("/v1/".count))), use: acceptBatch)
        }
        router.post(":call", use: acceptOne)
    }

    @Sendable private func acceptOne(_ request: Request, _ context: WebContext) async throws -> Response {
        guard let call = SegmentCall(path: try context.parameter("call")) else {
            throw Fault(.notFound, doing: EventAcceptance.doing, "there is nothing at this path")
        }
        let reader = try reader(context)
        let body = try await request.decodedBody(
            upTo: EventLimits.eventBytes, doing: EventAcceptance.doing)
        let seed = try EventRequest.idempotencyKey(request)
        let event: Event
        do {
            event = try reader.event(
                try EventRequest.document(body), call: call, fallbackKey: acceptance.key(seed, 0))
        } catch {
            acceptance.events.countRejected(1)
            throw error
        }
        _ = try await acceptance.accept([event], context)
        return try WebResponse.json(SegmentAnswer())
    }

    @Sendable private func acceptBatch(_ request: Request, _ context: WebContext) async throws -> Response {
        let reader = try reader(context)
        let body = try await request.decodedBody(upTo: EventLimits.bodyBytes, doing: EventAcceptance.doing)
        let batch = try SegmentBatch(try EventRequest.document(body))
        try acceptance.foresee(batch.messages.count, context)
        let seed = try EventRequest.idempotencyKey(request)
        var accepted: [Event] = []
        var refused: [(index: Int, fault: Fault)] = []
        for (index, message) in batch.messages.enumerated() {
            do {
                accepted.append(
                    try reader.event(message, in: batch.shared, fallbackKey: acceptance.key(seed, index)))
            } catch {
                refused.append((index, error))
            }
        }
        acceptance.events.countRejected(refused.count)
        if accepted.isEmpty, let first = refused.first {
            throw SegmentRoutes.nothing(first.fault.at("batch[\(first.index)]"), of: refused.count)
        }
        _ = try await acceptance.accept(accepted, context)
        guard !refused.isEmpty else { return try WebResponse.json(SegmentAnswer()) }
        return try WebResponse.json(
            SegmentAnswer(
                accepted: accepted.count, rejected: refused.count,
                results: refused.map { index, fault in
                    EventVerdict(
                        index: index, outcome: .rejected, eventId: nil, error: fault.detail,
                        field: fault.field)
                }))
    }

    private func reader(_ context: WebContext) throws -> SegmentReader {
        SegmentReader(
            sender: try acceptance.sender(SegmentReader.source, context), receivedAt: acceptance.clock.now())
    }

    /// Why a batch is refused whole: what is wrong with its first message.
    private static func nothing(_ first: Fault, of count: Int) -> Fault {
        guard count > 1 else { return first }
        return Fault(
            first.code, doing: first.doing,
            "none of the \(count) messages is acceptable; of the first: \(first.detail)", field: first.field)
    }
}

/// Answers a refusal with its detail as `message` too.
///
/// RudderStack's SDKs read it there, and take an answer without it for a broken connection: they would send
/// again what can never be accepted.
struct SegmentProblems: RouterMiddleware {
    func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let fault as Fault where fault.code.status.kind == .clientError {
            return WebResponse.problem(fault, requestID: context.requestID, withMessage: true)
        }
    }
}
