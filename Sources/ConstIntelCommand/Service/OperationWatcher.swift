import Contract
import Foundation
import Kernel

/// Watches one of the control plane's operations live, whoever serves it: the daemon may go away and come
/// back, or another one take over.
struct OperationWatcher: Sendable {
    /// The service says something at least every 15 seconds; after so long without a word it is frozen.
    static let silence = Duration.seconds(45)

    let service: Service
    var silence = OperationWatcher.silence

    /// Calls `news` with the operation as it stands and again with each change; returns its final state.
    func watch(
        _ id: OperationID, _ news: @escaping @Sendable (OperationView) async -> Void
    ) async throws -> OperationView {
        let shown = service.operations.request(id)
        // A service that is not there, or knows no such operation, is no service to wait for.
        _ = try await service.control.send(shown)
        let request = Request(.get, shown.path + "/events", doing: shown.doing)
        let latest = Latest()
        while true {
            do {
                try await service.control.events(request, silence: silence) { event in
                    guard event.name == "operation" else { return true }
                    let view = try Self.view(event, doing: request.doing)
                    if await latest.isAway { service.note("The service is back.") }
                    await latest.hear(view)
                    await news(view)
                    return !view.state.isFinal
                }
            } catch let fault as Fault where fault.code == .unavailable {
                if await latest.leave() {
                    await service.progress.clear()
                    service.note("The service is away: \(fault.detail). Waiting for it.")
                }
                guard await latest.mayWait else { throw fault }
            }
            if let view = await latest.view, view.state.isFinal { return view }
            try await Task.sleep(for: service.surroundings.pollInterval)
        }
    }

    private static func view(_ event: ServerSentEvent, doing: String) throws(Fault) -> OperationView {
        try Answer(body: Data(event.data.utf8), doing: doing).decode(OperationView.self)
    }
}

/// What was last heard of an operation, and since when nothing can be.
private actor Latest {
    private(set) var view: OperationView?
    private var awaySince: ContinuousClock.Instant?

    var isAway: Bool { awaySince != nil }
    var mayWait: Bool { awaySince.map { ContinuousClock.now - $0 < OperationFollower.patience } ?? true }

    func hear(_ view: OperationView) {
        self.view = view
        awaySince = nil
    }

    /// Whether this is when it went away.
    func leave() -> Bool {
        defer { awaySince = awaySince ?? .now }
        return awaySince == nil
    }
}
