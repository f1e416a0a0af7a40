import Hummingbird
import Kernel
import NIOCore

/// A request's body that ends with a fault as soon as the caller may not send it any more.
///
/// A key may be revoked while a body is under way, slow or half-sent for good. The caller is looked at again
/// whenever the brand's state changes, and at the body's end; nothing of a request is accepted before the end
/// of its body, so that nothing of a refused one stays.
struct GuardedBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let base: RequestBody
    let brand: BrandFollower
    /// Throws when the caller may not go on.
    let check: @Sendable () throws -> Void
    /// Called before it ends with a fault.
    let onRefusal: @Sendable () -> Void

    func makeAsyncIterator() -> Iterator { Iterator(Reading(base.makeAsyncIterator()), self) }

    struct Iterator: AsyncIteratorProtocol {
        private let reading: Reading
        private let body: GuardedBody

        fileprivate init(_ reading: Reading, _ body: GuardedBody) {
            self.reading = reading
            self.body = body
        }

        mutating func next() async throws -> ByteBuffer? {
            let piece = try await body.race(reading)
            if piece == nil { try body.refuseWhereNeeded() }
            return piece
        }
    }

    /// The next piece, unless the caller is refused before it comes.
    private func race(_ reading: Reading) async throws -> ByteBuffer? {
        try await withThrowingTaskGroup(of: ByteBuffer?.self) { group in
            group.addTask { try await reading.next() }
            group.addTask {
                while true {
                    let seen = brand.changes
                    try refuseWhereNeeded()
                    await brand.change(after: seen)
                    guard !Task.isCancelled else { throw Fault.stopping(doing: "receive the request") }
                }
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
    }

    private func refuseWhereNeeded() throws {
        do {
            try check()
        } catch {
            onRefusal()
            throw error
        }
    }

    /// The iterator of the body as it comes, which one task at a time uses.
    fileprivate final class Reading: @unchecked Sendable {
        private var iterator: RequestBody.AsyncIterator

        init(_ iterator: RequestBody.AsyncIterator) { self.iterator = iterator }

        func next() async throws -> ByteBuffer? { try await iterator.next() }
    }
}
