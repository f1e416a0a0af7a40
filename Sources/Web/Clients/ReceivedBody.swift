import HTTPTypes
import Hummingbird
import Kernel
import NIOCore

/// A request's body that ends only where its sender has ended it.
///
/// Of a batch that has an event on each line, those that came until a connection broke must not be accepted
/// for all of it. Today's web server ends such a body with an error of its own, which becomes one that the
/// client can be answered; that it might end like a whole one is guarded against here.
struct ReceivedBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    private static let doing = "receive the request"

    private let base: RequestBody
    /// How many bytes the request's head has announced.
    private let length: Int?
    /// Called before it ends with a fault.
    private let onCut: @Sendable () -> Void

    init(of request: Request, onCut: @escaping @Sendable () -> Void) {
        base = request.body
        self.onCut = onCut
        length = request.headers[.contentLength].flatMap { Int($0) }
    }

    func makeAsyncIterator() -> Iterator {
        Iterator(base: base.makeAsyncIterator(), length: length, onCut: onCut)
    }

    struct Iterator: AsyncIteratorProtocol {
        fileprivate var base: RequestBody.AsyncIterator
        fileprivate let length: Int?
        fileprivate let onCut: @Sendable () -> Void
        private var received = 0

        fileprivate init(
            base: RequestBody.AsyncIterator, length: Int?, onCut: @escaping @Sendable () -> Void
        ) {
            self.base = base
            self.length = length
            self.onCut = onCut
        }

        mutating func next() async throws -> ByteBuffer? {
            do {
                return try await piece()
            } catch {
                onCut()
                throw error
            }
        }

        private mutating func piece() async throws -> ByteBuffer? {
            let piece: ByteBuffer?
            do {
                piece = try await base.next()
            } catch let error where error is IOError || error is ChannelError {
                throw Fault(
                    .invalid, doing: ReceivedBody.doing, "the connection broke before the end of the body",
                    cause: error)
            } catch is CancellationError {
                throw Fault.stopping(doing: ReceivedBody.doing)
            }
            if let piece {
                received += piece.readableBytes
                return piece
            }
            guard !Task.isCancelled else { throw Fault.stopping(doing: ReceivedBody.doing) }
            if let length, received != length {
                throw Fault(
                    .invalid, doing: ReceivedBody.doing,
                    "the body ended after \(received) of \(length) bytes")
            }
            return nil
        }
    }
}

extension Fault {
    /// That something ends because its server does, and that it is there again soon.
    public static func stopping(doing: String) -> Fault {
        Fault(.unavailable, doing: doing, "the service is stopping", retryAfter: .seconds(1))
    }
}
