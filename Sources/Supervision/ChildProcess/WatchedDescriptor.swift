import Dispatch
import Glibc
import Kernel

/// An owned file descriptor and the one dispatch source that watches it.
///
/// One source for one descriptor: when a second is added just after the first has fired, libdispatch can
/// forget to arm it.
final class WatchedDescriptor: Sendable {
    /// Closes the descriptor when both we and the source have let go of it.
    private final class Owner: Sendable {
        let descriptor: Int32
        init(_ descriptor: Int32) { self.descriptor = descriptor }
        deinit { close(descriptor) }
    }

    private let owner: Owner
    // A dispatch source may be used from any thread; its type does not say so.
    private nonisolated(unsafe) let source: any DispatchSourceRead

    /// Takes over `descriptor`. `read` runs, one call at a time, whenever there is something to read; it
    /// reads everything there is, and answers whether to go on.
    init(owning descriptor: Int32, read: @escaping @Sendable (Int32) -> Bool) {
        let owner = Owner(descriptor)
        let source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: .global())
        // The source holds its handlers, and so itself, until it is cancelled.
        source.setEventHandler {
            if !read(descriptor) { source.cancel() }
        }
        source.setCancelHandler { withExtendedLifetime(owner) {} }
        source.resume()
        self.owner = owner
        self.source = source
    }

    deinit { source.cancel() }

    var rawValue: Int32 { owner.descriptor }
}

extension Fault {
    /// A fault that says what `errno` says.
    init(systemErrorWhile doing: String) {
        self.init(.unavailable, doing: doing, String(cString: strerror(errno)))
    }
}
