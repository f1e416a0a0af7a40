import NIOCore
import NIOHTTPTypes

/// Tells a `ClientWatch` what goes over its connection, asks it now and then, and does what it says.
final class ClientWatchHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private var watch: ClientWatch
    private var nextLook: Scheduled<Void>?
    /// Bytes that waited to be taken at the last look.
    private var waitingBytes = 0

    init(_ limits: ClientLimits) { watch = ClientWatch(limits, at: .now) }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { lookLater(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { nextLook?.cancel() }

    func channelActive(context: ChannelHandlerContext) {
        lookLater(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        nextLook?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head: watch.begin()
        case .body(let piece): watch.receive(piece.readableBytes, at: .now)
        case .end: watch.end(at: .now)
        }
        context.fireChannelRead(data)
    }

    func read(context: ChannelHandlerContext) {
        watch.want(at: .now)
        context.read()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // To promise the end of an answer would cost a system call of its own, that of zero bytes.
        if case .end = unwrapOutboundIn(data) {
            watch.answer(at: .now)
            context.write(data, promise: promise)
            return
        }
        let taken = promise ?? context.eventLoop.makePromise(of: Void.self)
        watch.write(at: .now)
        taken.futureResult.assumeIsolated().whenComplete { _ in self.watch.take(1, at: .now) }
        context.write(data, promise: taken)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            watch.leave(at: .now)
            lookLater(context)
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func lookLater(_ context: ChannelHandlerContext) {
        nextLook?.cancel()
        nextLook = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(watch.period)) {
            self.look(context)
        }
    }

    private func look(_ context: ChannelHandlerContext) {
        let waiting = (try? context.channel.syncOptions?.getOption(ChannelOptions.bufferedWritableBytes)) ?? 0
        if waiting < waitingBytes { watch.take(0, at: .now) }
        waitingBytes = waiting
        switch watch.verdict(at: .now) {
        case .close: return context.close(promise: nil)
        case .refuse(let fault):
            watch.refuse()
            context.fireErrorCaught(fault)
        case nil: break
        }
        lookLater(context)
    }
}
