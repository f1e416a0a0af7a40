import Kernel
import Testing

@testable import Web

/// What each kind of slow client is bounded by, at instants that are made up.
@Suite("What a client owes")
struct ClientWatchTests {
    private static let start = ContinuousClock.now
    private static let limits = ClientLimits()

    private func at(_ seconds: Int) -> ContinuousClock.Instant { Self.start + .seconds(seconds) }

    private func isClosed(_ watch: ClientWatch, at seconds: Int) -> Bool {
        if case .close? = watch.verdict(at: at(seconds)) { true } else { false }
    }

    private func refusal(_ watch: ClientWatch, at seconds: Int) -> Fault? {
        if case .refuse(let fault)? = watch.verdict(at: at(seconds)) { fault } else { nil }
    }

    private func isLeftAlone(_ watch: ClientWatch, at seconds: Int) -> Bool {
        watch.verdict(at: at(seconds)) == nil
    }

    @Test("a head has its time from the connection, or from the answer before, whatever comes of it")
    func head() {
        var watch = ClientWatch(Self.limits, at: Self.start)
        watch.want(at: at(0))
        #expect(isLeftAlone(watch, at: 75) && isClosed(watch, at: 76))
        watch.begin()
        watch.end(at: at(70))
        #expect(isLeftAlone(watch, at: 10_000), "the server is slow, not the client")
        watch.answer(at: at(10_000))
        watch.want(at: at(10_000))
        #expect(isLeftAlone(watch, at: 10_075) && isClosed(watch, at: 10_076))
    }

    @Test("a body of which nothing comes is refused, once, and what is said is what was expected")
    func silence() {
        var watch = ClientWatch(Self.limits, at: Self.start)
        watch.begin()
        watch.want(at: at(0))
        #expect(isLeftAlone(watch, at: 75))
        let fault = refusal(watch, at: 76)
        #expect(fault?.code == .invalid && fault?.detail.contains("nothing of the body") == true)
        watch.refuse()
        #expect(isLeftAlone(watch, at: 77))
        watch.answer(at: at(78))
        #expect(isLeftAlone(watch, at: 108) && isClosed(watch, at: 109))
    }

    @Test("a body that trickles has its grace, and beside it as long as its bytes are worth")
    func trickle() {
        var watch = ClientWatch(Self.limits, at: Self.start)
        watch.begin()
        for second in 0..<90 {
            watch.want(at: at(second))
            watch.receive(1, at: at(second + 1))
        }
        watch.want(at: at(90))
        #expect(isLeftAlone(watch, at: 90))
        #expect(refusal(watch, at: 91)?.detail.contains("4096 bytes a second") == true)
        watch.receive(4096 * 10, at: at(90))
        watch.want(at: at(90))
        #expect(isLeftAlone(watch, at: 100) && refusal(watch, at: 101) != nil)
    }

    @Test("a body that the server does not take is not too slow, for however long")
    func backPressure() {
        var watch = ClientWatch(Self.limits, at: Self.start)
        watch.begin()
        for second in stride(from: 0, to: 10_000, by: 1000) {
            watch.want(at: at(second))
            watch.receive(1, at: at(second))
            #expect(isLeftAlone(watch, at: second + 999))
        }
    }

    @Test("a body whose request was answered may come for a while yet, at whatever pace")
    func rest() {
        var watch = ClientWatch(Self.limits, at: Self.start)
        watch.begin()
        watch.answer(at: at(0))
        for second in 0..<30 {
            watch.want(at: at(second))
            watch.receive(1_000_000, at: at(second + 1))
            #expect(isLeftAlone(watch, at: second + 1))
        }
        #expect(isClosed(watch, at: 31))
        watch.end(at: at(31))
        #expect(isLeftAlone(watch, at: 31), "the next request may come")
    }

    @Test("a request behind another owes its body while the one before is worked on")
    func pipelined() {
        var watch = ClientWatch(Self.limits, at: Self.start)
        watch.begin()
        watch.end(at: at(0))
        watch.begin()
        watch.want(at: at(0))
        watch.answer(at: at(50))
        #expect(isLeftAlone(watch, at: 75))
        #expect(refusal(watch, at: 76) != nil, "it is not the one that was answered")
    }

    @Test("an answer is read in time as long as something of it is taken")
    func reading() {
        var watch = ClientWatch(Self.limits, at: Self.start)
        watch.begin()
        watch.end(at: at(0))
        watch.write(at: at(10))
        watch.write(at: at(60))
        #expect(isLeftAlone(watch, at: 70) && isClosed(watch, at: 71))
        watch.take(0, at: at(70))
        #expect(isLeftAlone(watch, at: 130))
        watch.take(1, at: at(130))
        #expect(isLeftAlone(watch, at: 190) && isClosed(watch, at: 191))
        watch.take(1, at: at(190))
        #expect(isLeftAlone(watch, at: 10_000))
        watch.write(at: at(10_000))
        #expect(isLeftAlone(watch, at: 10_060) && isClosed(watch, at: 10_061))
    }

    @Test("once the server leaves, who stands still has a moment, counted from then")
    func leaving() {
        var watch = ClientWatch(Self.limits, at: Self.start)
        watch.begin()
        watch.want(at: at(0))
        var deaf = watch
        deaf.end(at: at(0))
        deaf.write(at: at(0))
        watch.leave(at: at(40))
        deaf.leave(at: at(40))
        #expect(isLeftAlone(watch, at: 45) && isLeftAlone(deaf, at: 45))
        let fault = refusal(watch, at: 46)
        #expect(fault?.code == .unavailable && fault?.retryAfter == .seconds(1))
        #expect(isClosed(deaf, at: 46))
        watch.receive(1, at: at(46))
        watch.want(at: at(46))
        #expect(isLeftAlone(watch, at: 51), "who goes on may end")
    }

    @Test("once the server leaves, who trickles has so long in all, in either direction")
    func trickling() {
        var sender = ClientWatch(Self.limits, at: Self.start)
        sender.begin()
        sender.want(at: at(0))
        var answered = sender
        answered.answer(at: at(0))
        var reader = sender
        reader.end(at: at(0))
        reader.write(at: at(0))
        for second in 0..<20 {
            if second == 0 {
                sender.leave(at: at(0))
                answered.leave(at: at(0))
                reader.leave(at: at(0))
            }
            sender.receive(1_000_000, at: at(second + 1))
            sender.want(at: at(second + 1))
            answered.receive(1, at: at(second + 1))
            answered.want(at: at(second + 1))
            reader.take(0, at: at(second + 1))
            for watch in [sender, answered, reader] { #expect(isLeftAlone(watch, at: second + 1)) }
        }
        #expect(refusal(sender, at: 21)?.code == .unavailable)
        #expect(isClosed(answered, at: 21) && isClosed(reader, at: 21))
    }

    @Test("what comes behind a refused body counts for nothing; its connection ends soon after the answer")
    func refused() {
        var watch = ClientWatch(Self.limits, at: Self.start)
        watch.begin()
        watch.want(at: at(0))
        #expect(refusal(watch, at: 76) != nil)
        watch.refuse()
        watch.end(at: at(77))
        watch.begin()
        watch.receive(1, at: at(78))
        #expect(isLeftAlone(watch, at: 1000), "the server is slow, not the client")
        watch.answer(at: at(1000))
        #expect(isLeftAlone(watch, at: 1030) && isClosed(watch, at: 1031))
    }
}
