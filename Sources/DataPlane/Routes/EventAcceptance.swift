import Events
import Kernel
import Web

/// Takes in what requests bring, by whichever path: the limits of the key and of the plan hold for all.
struct EventAcceptance: Sendable {
    static let doing = "accept the events"

    let events: Events
    let keys: (brand: BrandFollower, limits: KeyLimits)
    let clock: any WallClock

    /// Whose events the caller sends by this `source`; those of a browser key are the browser's.
    func sender(_ source: String, _ context: WebContext) throws -> EventReader.Sender {
        let principal = try context.requireSender(doing: EventAcceptance.doing)
        return principal.isBrowser ? .browser : .init(source: source, isTest: principal.isTest)
    }

    /// The key of an event that brings none: by the request's `Idempotency-Key`, or minted.
    func key(_ seed: String?, _ index: Int) -> String {
        seed.map { EventReader.key(seed: $0, index: index) } ?? UUIDv7(at: clock.now()).description
    }

    /// Accepts `accepted`, and has the answer tell how much of the plan is left, also where it is a refusal.
    func accept(_ accepted: [Event], _ context: WebContext) async throws -> [EventStream.Position] {
        defer { tellLimits(context) }
        if case .key(let publicID)? = context.principal?.kind, !accepted.isEmpty {
            let limit = try keys.brand.projection().keys[publicID]?.eventsPerSecond
            try keys.limits.admit(
                accepted.count, .events, of: publicID, perSecond: limit, telling: context.answerHeaders)
        }
        return try await events.accept(accepted)
    }

    /// Refuses a batch that has more events than may come in now, wrong ones included, before they are read.
    func foresee(_ count: Int, _ context: WebContext) throws {
        do {
            try events.foresee(count)
        } catch {
            tellLimits(context)
            throw error
        }
    }

    private func tellLimits(_ context: WebContext) {
        let isTest = context.principal?.isTest ?? false
        context.answerHeaders.tell(events.quota.standing.limits(at: clock.now(), test: isTest))
    }
}
