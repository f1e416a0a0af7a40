/// Makes ids that rise strictly, whatever the clock does: within one millisecond, and when it steps back.
///
/// Where "the older id" decides, as between identifiers of one profile, ids of plain `UUIDv7(at:)` will not
/// do: two of one millisecond are in random order.
public struct UUIDv7Sequence: Sendable {
    private var last: UUIDv7

    /// Ids after `last`; after anything when it is nil.
    public init(after last: UUIDv7? = nil) { self.last = last ?? UUIDv7(high: 0, low: 0) }

    /// The next id: made at `instant`, or just behind the last one when that is not later.
    public mutating func next(at instant: Timestamp) -> UUIDv7 {
        let fresh = UUIDv7(at: instant)
        last = fresh.instant > last.instant ? fresh : successor(of: last)
        return last
    }

    /// A random small step ahead in the 74 random bits, so that ids stay hard to guess from each other.
    private func successor(of id: UUIDv7) -> UUIDv7 {
        let step = UInt64.random(in: 1...(1 << 32))
        let randomBits: UInt64 = 0x3FFF_FFFF_FFFF_FFFF
        let low = id.low & randomBits
        if low <= randomBits - step { return UUIDv7(high: id.high, low: 1 << 63 | (low + step)) }
        guard id.high & 0x0FFF < 0x0FFF else {
            return UUIDv7(at: id.instant + .milliseconds(1))
        }
        return UUIDv7(high: id.high + 1, low: 1 << 63 | step)
    }
}
