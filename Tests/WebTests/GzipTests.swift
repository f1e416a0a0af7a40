import Kernel
import TestSupport
import Testing

@testable import Web

@Suite("What gzip has made smaller")
struct GzipTests {
    private func bytes(_ count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: 0...9, using: &generator) }
    }

    @Test("is what it was, empty, small and larger than a piece, also in several members")
    func whole() throws {
        for count in [0, 1, 1000, 65_536, 300_000] {
            let text = bytes(count)
            #expect(try Gzip.inflate(text.gzipped, upTo: count) == text)
            #expect(try Gzip.inflate(text.gzipped + text.gzipped, upTo: 2 * count) == text + text)
        }
    }

    @Test("is refused when it ends early, is broken, or is followed by something else")
    func malformed() {
        let whole = bytes(1000)
        let text = whole.gzipped
        for length in [0, 1, 9, 10, text.count / 2, text.count - 8, text.count - 1] {
            #expect(throws: Gzip.Failure.malformed) { try Gzip.inflate(Array(text[..<length]), upTo: 5000) }
        }
        for place in text.indices where ![3, 4, 5, 6, 7, 8, 9].contains(place) {
            var broken = text
            broken[place] ^= 0x10
            // Some bits are of codes that nothing uses.
            let read = try? Gzip.inflate(broken, upTo: 5000)
            #expect(read == nil || read == whole, "byte \(place)")
        }
        #expect(throws: Gzip.Failure.malformed) { try Gzip.inflate(text + [1, 2, 3], upTo: 5000) }
        #expect(throws: Gzip.Failure.malformed) { try Gzip.inflate(Array("{}".utf8), upTo: 5000) }
    }

    @Test("is given up where it becomes more than is read")
    func bombs() {
        let zeros = [UInt8](repeating: 0, count: 8 << 20)
        let bomb = zeros.gzipped
        #expect(bomb.count < 10_000)
        #expect(throws: Gzip.Failure.tooLarge) { try Gzip.inflate(bomb, upTo: zeros.count - 1) }
        let many = Array(repeatElement(bomb, count: 500).joined())
        let start = ContinuousClock.now
        #expect(throws: Gzip.Failure.tooLarge) { try Gzip.inflate(many, upTo: 1 << 20) }
        #expect(ContinuousClock.now - start < .seconds(2), "4 GB were not unpacked")
    }
}
