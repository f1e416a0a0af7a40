import Contract
import Customers
import Kernel
import Testing

@Suite("What is held is put to people as few questions")
struct ReviewRowsTests {
    private func id(_ number: Int) -> IdentifierID { IdentifierID(UUIDv7(high: UInt64(number), low: 0)) }
    private func profile(_ number: Int) -> ProfileID { ProfileID(id(number).uuid) }
    private func pair(_ one: Int, _ other: Int) -> IdentifierPair { IdentifierPair(id(one), id(other)) }

    /// The rows of held pairs, where each identifier is alone but for those named to be in another's profile.
    private func rows(_ held: [(Int, Int, hold: Int64)], inside: [Int: Int] = [:]) -> [ReviewRows.Row] {
        let profiles = Dictionary(uniqueKeysWithValues: inside.map { (id($0.key), profile($0.value)) })
        return ReviewRows.rows(held: held.map { (pair($0.0, $0.1), $0.hold) }) { identifier in
            identifier == id(99) ? nil : profiles[identifier] ?? ProfileID(identifier.uuid)
        }
    }

    @Test("the pairs of one decision are one row, and so are decisions that would join the same profiles")
    func grouping() {
        let rows = rows([(1, 2, hold: 1), (2, 3, hold: 1), (3, 1, hold: 2), (4, 2, hold: 2)], inside: [4: 1])
        #expect(rows.map(\.profiles) == [[profile(1), profile(2), profile(3)]])
        #expect(rows.first?.pairs == [pair(1, 2), pair(1, 3), pair(2, 3), pair(2, 4)])
    }

    @Test("another set of profiles is another row")
    func apart() {
        let rows = rows([(1, 2, hold: 1), (2, 3, hold: 2), (5, 4, hold: 3)])
        #expect(
            rows.map(\.profiles) == [[1, 2], [2, 3], [4, 5]].map { $0.map { profile($0) } })
    }

    @Test("a pair inside one profile, or with an end that is in none, asks nothing")
    func settled() {
        #expect(rows([(1, 2, hold: 1), (3, 99, hold: 2)], inside: [2: 1]).isEmpty)
    }

    @Test("nine rows of a value stay, ten become one about it")
    func tenRows() {
        let nine = (2...10).map { (1, $0, hold: Int64($0)) }
        #expect(rows(nine).count == 9)
        let ten = rows(nine + [(1, 11, hold: 11), (20, 21, hold: 12)])
        #expect(ten.map(\.identifier) == [id(1), nil])
        #expect(ten.first?.profiles == (1...11).map { profile($0) })
        #expect(ten.first?.pairs.count == 10)
    }

    @Test("of two values the one in more rows takes first, then the smaller, and neither is counted again")
    func twoValues() {
        // 1 is in ten rows and 2 in eleven; one of them asks about the two.
        let first = (10..<19).map { (1, $0, hold: Int64($0)) }
        let second = (30..<40).map { (2, $0, hold: Int64($0)) }
        let more = rows(first + second + [(1, 2, hold: 50)])
        #expect(more.map(\.identifier) == [id(2), id(1)])
        #expect(more.map(\.pairs.count) == [11, 9])
        let even = rows(first + second.dropLast() + [(1, 2, hold: 50)])
        #expect(even.map(\.identifier) == [id(1), id(2)])
        #expect(even.map(\.pairs.count) == [10, 9])
    }
}
