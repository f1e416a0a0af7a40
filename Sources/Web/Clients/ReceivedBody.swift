import HTTPTypes
import Hummingbird
import Kernel
import NIOCore

/// A request's body that ends only where its sender has ended it.
///
/// Without this, a body whose connection breaks, or whose server is torn down, ends as if it were whole: of a
/// batch that has an event on each line, those that came by then would be accepted for all of it.
struct ReceivedBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    private static let doing = "receive the request"

    private let base: RequestBody
    /// How many bytes the request's head has announced.
    private let length: Int?

    init(of request: Request) {
        base = request.body
        length = request.headers[.contentLength].flatMap { Int($0) }
    }

    func makeAsyncIterator() -> Iterator {
        Iterator(base: base.makeAsyncIterator(), length: length)
    }

    struct Iterator: AsyncIteratorProtocol {
        fileprivate var base: RequestBody.AsyncIterator
        fileprivate let length: Int?
        private var received = 0

        fileprivate init(base: RequestBody.AsyncIterator, length: Int?) {
            self.base = base
            self.length = length
        }

        mutating func next() async throws -> ByteBuffer? {
            let piece: ByteBuffer?
            do {
                piece = try await base.next()
            } catch let error where error is IOError || error is ChannelError {
                throw Fault(
                    .invalid, doing: ReceivedBody.doing, "the connection broke before the end of the body",
                    cause: error)
            }
            if let piece {
                received += piece.readableBytes
                return piece
            }
            guard !Task.isCancelled else {
                throw Fault(
                    .unavailable, doing: ReceivedBody.doing, "the service is stopping",
                    retryAfter: .seconds(1))
            }
            if let length, received != length {
                throw Fault(
                    .invalid, doing: ReceivedBody.doing,
                    "the body ended after \(received) of \(length) bytes")
            }
            return nil
        }
    }
}
