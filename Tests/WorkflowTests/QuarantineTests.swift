import Testing
import Workflow

@Suite("When something that keeps failing is tried again")
struct QuarantineTests {
    @Test("a hiccup makes no pause; then pauses double up to the longest, and stay there")
    func pauses() {
        let rule = Quarantine(tolerated: 2, first: .seconds(10), longest: .seconds(600))
        let seconds = (0...10).map { rule.pause(after: $0)?.components.seconds }
        #expect(seconds == [nil, nil, nil, 10, 20, 40, 80, 160, 320, 600, 600])
        #expect(rule.pause(after: Int(Int32.max)) == .seconds(600))
    }

    @Test("a rule without tolerance pauses at the first failure")
    func strict() {
        let rule = Quarantine(tolerated: 0, first: .seconds(3), longest: .seconds(4))
        #expect((0...3).map { rule.pause(after: $0) } == [nil, .seconds(3), .seconds(4), .seconds(4)])
    }
}
