import Hummingbird
import HummingbirdCore
import Kernel
import Logging
import NIOCore
import NIOExtras
import NIOPosix
import ServiceLifecycle

/// Serves a router on one unix socket until a graceful shutdown, and leaves without losing a request.
///
/// Leaving takes four steps, in this order, since a client with keep-alive may be sending at any moment:
/// answers begin to carry `Connection: close`; nothing more is accepted; a short while passes in which idle
/// connections send their last request and are told; then the connections are closed as they fall idle.
public struct WebServer: Service {
    /// Where requests come from.
    public enum Listener: Sendable {
        /// A path that is bound here, replacing what is there, with this file mode.
        case path(String, mode: UInt32)
        /// A listening descriptor that the service manager passed.
        case inherited(Int32)
    }

    private let listener: Listener
    private let responder: RouterResponder<WebContext>
    private let activity: Activity
    private let logger: Logger
    private let onReady: @Sendable () async -> Void
    /// How long clients are waited for, and how many there may be.
    public var clients = ClientLimits()
    private let drain = Drain()

    /// How long clients are told to close before the connections are closed for them.
    static let drainDuration = Duration.milliseconds(100)

    /// - Parameters:
    ///   - activity: where requests are counted.
    ///   - onReady: called when requests are served.
    public init(
        router: WebRouter, listener: Listener, activity: Activity = Activity(), logger: Logger,
        onReady: @escaping @Sendable () async -> Void = {}
    ) {
        self.listener = listener
        self.activity = activity
        router.refuseOtherMethods()
        self.responder = router.buildResponder()
        self.logger = logger
        self.onReady = onReady
    }

    public func run() async throws {
        let channelSetup = HTTP1Channel(
            responder: { request, writer, channel in
                try await respond(to: request, writer, on: channel)
            }, configuration: .init(additionalChannelHandlers: [ClientWatchHandler(clients)]))
        let quiescing = ServerQuiescingHelper(group: MultiThreadedEventLoopGroup.singleton)
        let server = try await bind(channelSetup, quiescing)
        logger.debug("serving", metadata: ["listener": "\(listener)"])
        await onReady()
        let (stops, stop) = AsyncStream.makeStream(of: Void.self)
        let (aborts, abort) = AsyncStream.makeStream(of: Void.self)
        let tasks = ConnectionTasks()
        let serving = Task {
            try await withThrowingDiscardingTaskGroup { group in
                group.addTask { for await _ in stops { await leave(server.channel, quiescing) } }
                group.addTask {
                    for await _ in aborts {
                        tasks.cancelAll()
                        await refuse(server.channel)
                        server.channel.close(promise: nil)
                    }
                }
                try await server.executeThenClose { connections in
                    for try await connection in connections {
                        group.addTask {
                            await tasks.run { await channelSetup.handle(value: connection, logger: logger) }
                        }
                    }
                }
                stop.finish()
                abort.finish()
            }
        }
        try await withTaskCancellationHandler {
            try await withGracefulShutdownHandler {
                try await serving.value
            } onGracefulShutdown: {
                stop.yield()
            }
        } onCancel: {
            abort.yield()
        }
    }

    private func respond(
        to request: Request, _ writer: consuming ResponseWriter, on channel: any Channel
    ) async throws {
        let context = WebContext(source: .init(channel: channel, logger: logger))
        let isCounted = activity.begin(request.uri.path)
        defer { if isCounted { activity.end() } }
        let headers = context.answerHeaders
        // Behind a body that is cut no request can follow.
        let body = ReceivedBody(of: request) { headers.set(.connection, "close") }
        var received = request
        received.body = RequestBody(asyncSequence: body)
        var response = try await responder.respond(to: received, context: context)
        await body.readUnlessBegun()
        response.headers[.date] = HTTPDate.now()
        if drain.isOn { response.headers[.connection] = "close" }
        try await writer.write(response: response.head, body: response.body)
    }

    /// Returns once every thread that serves requests has taken its turn: a server of which one hangs does
    /// not return.
    public static func takeTurns() async throws {
        for loop in MultiThreadedEventLoopGroup.singleton.makeIterator() {
            try await loop.submit {}.get()
        }
    }

    private func leave(_ channel: any Channel, _ quiescing: ServerQuiescingHelper) async {
        await refuse(channel)
        let closed = channel.eventLoop.makePromise(of: Void.self)
        quiescing.initiateShutdown(promise: closed)
        try? await closed.futureResult.get()
    }

    /// Accepts nothing more, and waits for what is being accepted.
    private func refuse(_ channel: any Channel) async {
        drain.turnOn()
        try? await channel.setOption(ChannelOptions.autoRead, value: false).get()
        try? await Task.sleep(for: WebServer.drainDuration)
    }

    private func bind(
        _ setup: HTTP1Channel, _ quiescing: ServerQuiescingHelper
    ) async throws -> NIOAsyncChannel<HTTP1Channel.Value, Never> {
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(ChannelOptions.backlog, value: 1024)
            // Whether there is a seat is asked before each.
            .serverChannelOption(ChannelOptions.maxMessagesPerRead, value: 1)
            .childChannelOption(ChannelOptions.allowRemoteHalfClosure, value: true)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = quiescing.makeServerChannelHandler(channel: channel)
                    try channel.pipeline.syncOperations.addHandler(handler)
                    try channel.pipeline.syncOperations.addHandler(
                        AvailableConnectionsChannelHandler(
                            delegate: ConnectionSeats(most: clients.connections, drain: drain)))
                }
            }
        switch listener {
        case .path(let path, let mode):
            return try await bound(to: path, mode: mode) {
                try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true) {
                    setup.setup(channel: $0, logger: logger)
                }
            }
        case .inherited(let descriptor):
            return try await bootstrap.bind(descriptor) { setup.setup(channel: $0, logger: logger) }
        }
    }

    /// Binds a path and sets its mode. The directory keeps others out until then.
    private func bound<Server>(
        to path: String, mode: UInt32, _ bind: () async throws -> Server
    ) async throws -> Server {
        do {
            let server = try await bind()
            chmod(path, mode)
            return server
        } catch {
            throw Fault(
                .unavailable, doing: "listen on \(path)", "the socket could not be bound", cause: error)
        }
    }
}
