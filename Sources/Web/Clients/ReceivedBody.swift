import HTTPTypes
import Hummingbird
import Kernel
import NIOCore
import Synchronization

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
    private let reading = Reading()

    init(of request: Request, onCut: @escaping @Sendable () -> Void) {
        base = request.body
        self.onCut = onCut
        length = request.headers[.contentLength].flatMap { Int($0) }
    }

    func makeAsyncIterator() -> Iterator {
        Iterator(base: base.makeAsyncIterator(), length: length, onCut: onCut, reading: reading)
    }

    /// Reads a small body of which nobody has read anything.
    ///
    /// A proxy that passes bodies on as they come ends its caller's connection when an answer overtakes the
    /// body, and the caller's next request meets a connection that closes.
    func readUnlessBegun() async {
        guard !reading.hasBegun, let length, (1...RequestLimits.unreadBodyBytes).contains(length) else {
            return
        }
        do {
            for try await _ in self {}
        } catch {
            // Whoever sends it learns of the answer, or of nothing.
        }
    }

    /// Whether anything was asked for.
    fileprivate final class Reading: Sendable {
        private let flag = Atomic(false)

        var hasBegun: Bool { flag.load(ordering: .relaxed) }

        func begin() { flag.store(true, ordering: .relaxed) }
    }

    struct Iterator: AsyncIteratorProtocol {
        fileprivate var base: RequestBody.AsyncIterator
        fileprivate let length: Int?
        fileprivate let onCut: @Sendable () -> Void
        fileprivate let reading: Reading
        private var received = 0

        fileprivate init(
            base: RequestBody.AsyncIterator, length: Int?, onCut: @escaping @Sendable () -> Void,
            reading: Reading
        ) {
            self.base = base
            self.length = length
            self.onCut = onCut
            self.reading = reading
        }

        mutating func next() async throws -> ByteBuffer? {
            reading.begin()
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
