import Testing

@testable import Events

@Suite("Waking the writer")
struct ArrivalsTests {
    @Test("what arrives while nobody waits ends the next wait at once, and only that one")
    func remembered() async {
        let arrivals = Arrivals()
        arrivals.announce()
        arrivals.announce()
        await arrivals.wait(atMost: .seconds(3600))
        let clock = ContinuousClock()
        let waited = await clock.measure { await arrivals.wait(atMost: .milliseconds(30)) }
        #expect(waited >= .milliseconds(30))
    }

    @Test("a wait that was ended by its period does not end the ones after it")
    func periods() async {
        let arrivals = Arrivals()
        let clock = ContinuousClock()
        for _ in 0..<5 {
            let waited = await clock.measure { await arrivals.wait(atMost: .milliseconds(20)) }
            #expect(waited >= .milliseconds(20))
        }
    }

    @Test("an arrival wakes who waits, a thousand times in turn")
    func wakes() async {
        let (arrivals, back) = (Arrivals(), Arrivals())
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for _ in 0..<1000 {
                    await arrivals.wait(atMost: .seconds(3600))
                    back.announce()
                }
            }
            for _ in 0..<1000 {
                arrivals.announce()
                await back.wait(atMost: .seconds(3600))
            }
        }
    }

    @Test("a cancelled task waits no longer")
    func cancelled() async {
        let arrivals = Arrivals()
        let task = Task { await arrivals.wait(atMost: .seconds(3600)) }
        task.cancel()
        await task.value
    }
}
