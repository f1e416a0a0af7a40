import Kernel
import Testing

@Suite("A bucket of tokens")
struct TokenBucketTests {
    private let start = Timestamp(microseconds: 0)

    @Test("in any span at most the burst and what has come in meanwhile get through")
    func bound() {
        var bucket = TokenBucket(rate: 50, burst: 500, at: start)
        var random = SystemRandomNumberGenerator()
        var (taken, now) = (0, start)
        for _ in 0..<2000 {
            let count = Int.random(in: 1...40, using: &random)
            if bucket.take(count, at: now) == nil { taken += count }
            now = now + .milliseconds(Int.random(in: 0...200, using: &random))
            #expect(Double(taken) <= 500 + 50 * (now - start).inSeconds + 0.001)
        }
        #expect(taken > 500)
    }

    @Test("whoever comes again after the wait is let through, and a moment before is not")
    func waiting() {
        var bucket = TokenBucket(rate: 10, burst: 100, at: start)
        #expect(bucket.take(100, at: start) == nil)
        let wait = bucket.take(25, at: start)
        #expect(wait == .milliseconds(2500))
        #expect(bucket.take(25, at: start + .milliseconds(2499)) != nil)
        #expect(bucket.take(25, at: start + .milliseconds(2500)) == nil)
        #expect(bucket.available(at: start + .milliseconds(3500)) == 10)
    }

    @Test("more than the burst goes through a full bucket and is paid for afterwards")
    func oversize() {
        var bucket = TokenBucket(rate: 10, burst: 100, at: start)
        #expect(bucket.take(150, at: start) == nil)
        #expect(bucket.available(at: start) == 0)
        #expect(bucket.take(1, at: start) == .seconds(5.1))
    }

    @Test("another rate takes effect at once, and a clock that is set back adds nothing")
    func changes() {
        var bucket = TokenBucket(rate: 10, burst: 100, at: start)
        bucket.change(rate: 1, burst: 20, at: start)
        #expect(bucket.available(at: start) == 20)
        #expect(bucket.take(20, at: start) == nil)
        #expect(bucket.take(1, at: start - .seconds(100)) != nil)
        #expect(bucket.available(at: start - .seconds(98)) == 2)
    }
}
