import Kernel

/// What the client of one connection owes, and since when: the head of a request, the rest of a body, or the
/// reading of an answer.
///
/// Only what the server waits for is owed. While it is busy and has stopped taking, the client may be as slow
/// as it has to be.
struct ClientWatch {
    typealias Instant = ContinuousClock.Instant

    /// What is to be done about a client that has owed something for too long.
    enum Verdict {
        /// Its request ends with a fault, by which it is answered.
        case refuse(Fault)
        /// There is nothing to answer, or nobody who reads it.
        case close
    }

    private struct Body {
        var bytes = 0
        /// How long the server has waited for it in all, until its last piece.
        var waited = Duration.zero
        var answeredAt: Instant?
        var isRefused = false
    }

    private static let doing = "receive the request"
    private static let stopping: Fault? = .stopping(doing: doing)

    private let limits: ClientLimits
    /// When the server began to leave.
    private var leftAt: Instant?
    /// The body that is coming in.
    private var body: Body?
    /// Requests whose answers have not been written to their ends.
    private var unanswered = 0
    /// When the last request or answer ended.
    private var idleSince: Instant
    /// Since when the server is ready to take what has not come yet.
    private var wantedSince: Instant?
    /// How many of the things that were written the client has not taken, and when it last took something.
    private var untaken = 0
    private var takenAt: Instant

    init(_ limits: ClientLimits, at now: Instant) {
        self.limits = limits
        idleSince = now
        takenAt = now
    }

    /// How often to look for a verdict: it comes at most a quarter of the shortest limit too late.
    var period: Duration {
        let shortest =
            leftAt != nil
            ? min(limits.farewell, limits.leaving)
            : min(limits.head, limits.silence, limits.grace, limits.rest, limits.reading)
        return shortest / 4
    }

    /// Notes that the server is ready to take something.
    mutating func want(at now: Instant) {
        if wantedSince == nil { wantedSince = now }
    }

    /// Notes the head of a request. Behind one that was refused nobody reads another.
    mutating func begin() {
        wantedSince = nil
        guard body?.isRefused != true else { return }
        unanswered += 1
        body = Body()
    }

    /// Notes a piece of the body.
    mutating func receive(_ bytes: Int, at now: Instant) {
        if let wantedSince { body?.waited += now - wantedSince }
        wantedSince = nil
        body?.bytes += bytes
    }

    /// Notes the end of the body.
    mutating func end(at now: Instant) {
        wantedSince = nil
        idleSince = now
        if body?.isRefused != true { body = nil }
    }

    /// Notes that the oldest request is answered.
    mutating func answer(at now: Instant) {
        unanswered = max(0, unanswered - 1)
        idleSince = now
        if unanswered == 0 { body?.answeredAt = now }
    }

    /// Notes that something was written.
    mutating func write(at now: Instant) {
        if untaken == 0 { takenAt = now }
        untaken += 1
    }

    /// Notes that the client has taken so many of the things that were written; a part of one is none.
    mutating func take(_ count: Int, at now: Instant) {
        untaken -= count
        takenAt = now
    }

    /// Notes that the request was ended with the fault of a verdict.
    mutating func refuse() { body?.isRefused = true }

    /// Notes that the server leaves.
    mutating func leave(at now: Instant) {
        leftAt = now
        takenAt = now
        guard let since = wantedSince else { return }
        body?.waited += now - since
        wantedSince = now
    }

    /// What is to be done; nil while the client owes nothing for too long.
    func verdict(at now: Instant) -> Verdict? {
        let isLate = leftAt.map { now - $0 > limits.leaving } ?? false
        if untaken > 0, isLate || now - takenAt > (leftAt == nil ? limits.reading : limits.farewell) {
            return .close
        }
        guard let body else {
            return unanswered == 0 && now - idleSince > limits.head ? .close : nil
        }
        if let answeredAt = body.answeredAt { return isLate || now - answeredAt > limits.rest ? .close : nil }
        guard !body.isRefused else { return nil }
        return (isLate ? ClientWatch.stopping : slowness(of: body, at: now)).map(Verdict.refuse)
    }

    private func slowness(of body: Body, at now: Instant) -> Fault? {
        let silence = wantedSince.map { now - $0 } ?? .zero
        if leftAt != nil, silence > limits.farewell { return ClientWatch.stopping }
        if silence > limits.silence {
            return Fault(
                .invalid, doing: ClientWatch.doing, "nothing of the body has come for \(limits.silence)")
        }
        guard body.waited + silence > limits.grace + .seconds(body.bytes / limits.bytesPerSecond) else {
            return nil
        }
        return Fault(
            .invalid, doing: ClientWatch.doing,
            "the body comes too slowly; expected \(limits.bytesPerSecond) bytes a second")
    }
}
