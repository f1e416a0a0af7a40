import ServiceLifecycle

/// A loop that ends by being cancelled, as a service that leaves on graceful shutdown.
struct Loop: Service {
    let body: @Sendable () async throws -> Void

    init(_ body: @escaping @Sendable () async throws -> Void) { self.body = body }

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            do { try await body() } catch is CancellationError {}
        }
    }
}
