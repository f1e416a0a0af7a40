import Contract
import Events
import Hummingbird
import Kernel
import Web

/// `/api/usage`: what the brand uses of what its plan allows.
struct UsageRoutes: Sendable {
    let quota: EventQuota
    let clock: any WallClock

    func add(to router: RouterGroup<WebContext>) {
        router.get("usage") { _, context in
            let doing = "read the usage"
            _ = try context.require(.statsRead, doing: doing)
            let (allowance, now) = (quota.allowance, clock.now())
            guard let usage = await quota.usage(at: now) else {
                throw Fault(
                    .unavailable, doing: doing, "the meter cannot be read", retryAfter: .seconds(5))
            }
            return try WebResponse.json(
                UsageView(
                    timeZone: allowance.timeZone,
                    month: .init(from: usage.month.lowerBound, to: usage.month.upperBound),
                    items: [
                        .init("eventsPerMonth", used: usage.events, limit: allowance.perMonth),
                        .init("testEventsPerMonth", used: usage.testEvents, limit: allowance.perMonth),
                        .init("profiles", used: usage.profiles, limit: allowance.profiles),
                    ]))
        }
    }
}

extension EventStanding {
    /// The limits that hold for whoever sends events, as an answer tells them.
    func limits(at now: Timestamp, test: Bool) -> [RateLimit] {
        var limits: [RateLimit] = []
        if let rate = allowance.perSecond, let burst = allowance.burst, let availableNow {
            let seconds = Double(burst - availableNow) / Double(rate)
            limits.append(
                RateLimit(
                    name: "second", quota: rate, windowSeconds: 1, remaining: availableNow,
                    resetSeconds: Int(seconds.rounded(.up))))
        }
        if let quota = allowance.perMonth, let usage {
            let month = usage.month
            limits.append(
                RateLimit(
                    name: "month", quota: quota,
                    windowSeconds: Int((month.upperBound - month.lowerBound).inSeconds),
                    remaining: quota - (test ? usage.testEvents : usage.events),
                    resetSeconds: Int((month.upperBound - now).inSeconds.rounded(.up))))
        }
        return limits
    }
}
