import Foundation
import Kernel
import TestSupport
import Testing

@Suite("Ids")
struct IDTests {
    private let instant = Timestamp(microseconds: 1_769_853_600_123_456)

    @Test("an id bears version 7, its variant, and the millisecond it was made in")
    func layout() {
        let ids = (0..<1000).map { _ in UUIDv7(at: instant) }
        for id in ids {
            #expect(id.high >> 12 & 0xF == 7)
            #expect(id.low >> 62 == 0b10)
            #expect(id.instant.microseconds == 1_769_853_600_123_000)
        }
        #expect(Set(ids).count == ids.count)
    }

    @Test("ids sort by when they were made, as numbers and as text")
    func order() {
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<2000 {
            let one = UUIDv7(high: generator.next(), low: generator.next())
            let other = UUIDv7(high: generator.next(), low: generator.next())
            #expect((one < other) == (one.description < other.description))
        }
        #expect(UUIDv7(at: instant) < UUIDv7(at: instant + .milliseconds(1)))
    }

    @Test("the canonical text reads back in either case, and is what Foundation writes")
    func text() {
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<2000 {
            let id = UUIDv7(high: generator.next(), low: generator.next())
            #expect(UUIDv7(id.description) == id)
            #expect(UUIDv7(id.description.uppercased()) == id)
            #expect(UUID(uuidString: id.description)?.uuidString.lowercased() == id.description)
        }
    }

    @Test(
        "anything else is no id",
        arguments: [
            "", "0", "018f3c1e7b7a7c3e9d0a0242ac120002", "{018f3c1e-7b7a-7c3e-9d0a-0242ac120002}",
            "018f3c1e-7b7a-7c3e-9d0a-0242ac12000", "018f3c1e-7b7a-7c3e-9d0a-0242ac1200022",
            "018f3c1e-7b7a-7c3e-9d0a_0242ac120002", "018f3c1-e7b7a-7c3e-9d0a-0242ac120002",
            "018f3c1g-7b7a-7c3e-9d0a-0242ac120002", "018f3c1e-7b7a-7c3e-9d0a-0242ac12000\u{0}",
            "018f3c1e-7b7a-7c3e-9d0a-0242ac120002 ", "------------------------------------",
        ])
    func refused(text: String) {
        #expect(UUIDv7(text) == nil)
        #expect(TypedID<Never>(text) == nil)
    }

    @Test("an instant before 1970 makes an id of the first millisecond")
    func beforeTheEpoch() {
        #expect(UUIDv7(at: Timestamp(microseconds: -5)).instant.microseconds == 0)
    }

    @Test(
        "a sequence rises strictly within a millisecond, when the clock steps back, and after what was before"
    )
    func sequence() {
        var before = UUIDv7(at: instant + .seconds(3600))
        var ids = UUIDv7Sequence(after: before)
        for step in 0..<20_000 {
            let id = ids.next(at: instant + .microseconds(step * 37 % 5000))
            #expect(id > before)
            #expect(id.high >> 12 & 0xF == 7 && id.low >> 62 == 0b10)
            before = id
        }
        #expect(before.instant - instant < .seconds(3601), "the sequence does not run away from the clock")
    }

    @Test(
        "a sequence whose random bits are used up goes on in the next millisecond"
    )
    func carry() {
        let allLow = UUIDv7(high: UUIDv7(at: instant).high & ~0xFFF, low: 0xBFFF_FFFF_FFFF_FFFF)
        var ids = UUIDv7Sequence(after: allLow)
        let next = ids.next(at: instant)
        #expect(next > allLow && next.instant == allLow.instant && next.high == allLow.high + 1)
        let all = UUIDv7(high: allLow.high | 0xFFF, low: 0xBFFF_FFFF_FFFF_FFFF)
        var last = UUIDv7Sequence(after: all)
        let after = last.next(at: instant)
        #expect(after > all && after.instant == all.instant + .milliseconds(1))
        #expect(after.high >> 12 & 0xF == 7)
    }

    @Test("a clock that moves on takes the sequence with it")
    func followsTheClock() {
        var ids = UUIDv7Sequence()
        #expect(ids.next(at: instant).instant.microseconds == 1_769_853_600_123_000)
        #expect(ids.next(at: instant + .milliseconds(7)).instant.microseconds == 1_769_853_600_130_000)
    }
}
