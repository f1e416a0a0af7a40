import Customers
import Kernel
import Testing

@Suite("The order of events")
struct EventOrderTests {
    private func event(_ instant: Int64, _ key: String, _ source: String) -> EventOrder {
        EventOrder(occurredAt: Timestamp(microseconds: instant), key: key, source: source)
    }

    @Test("is by when they happened, then by key, then by source, of which the bytes are compared")
    func order() {
        // By its bytes a letter that is written in two parts comes before "f"; Swift has it behind.
        let sorted = [
            event(1, "z", "z"), event(2, "a", "z"), event(2, "e\u{301}", "a"), event(2, "f", "a"),
            event(2, "f", "e\u{301}"), event(2, "f", "f"), event(3, "a", "a"),
        ]
        for (index, one) in sorted.enumerated() {
            for (place, other) in sorted.enumerated() {
                #expect((one < other) == (index < place) && (one == other) == (index == place))
            }
        }
        #expect(event(1, "\u{E9}", "a") != event(1, "e\u{301}", "a"))
    }
}
