import Glibc
import Kernel

/// What a child said about itself in one datagram of sd_notify(3)'s protocol.
///
/// `MAINPID=` is ignored: the child that was launched is the one that is watched.
struct NotifyMessage: Equatable, Sendable {
    var isReady = false
    var isStopping = false
    /// The watchdog's word.
    var isAlive = false
    var status: String?

    init(_ datagram: some Sequence<UInt8>) {
        for line in String(decoding: Array(datagram), as: UTF8.self).split(separator: "\n") {
            if line == "READY=1" { isReady = true }
            if line == "STOPPING=1" { isStopping = true }
            if line == "WATCHDOG=1" { isAlive = true }
            if line.hasPrefix("STATUS=") { status = String(line.dropFirst("STATUS=".count)) }
        }
    }
}

/// The datagram socket that one child's notifications arrive at.
///
/// Its directory must keep strangers out: the socket itself takes messages from everyone who can reach it, as
/// a child may run as another user.
final class NotifySocket: Sendable {
    /// Longer datagrams are cut; what we understand is short.
    private static let longestMessage = 4096

    /// What the child says; one reader.
    let messages: AsyncStream<NotifyMessage>
    private let socket: WatchedDescriptor

    /// Binds `path`, taking over from a supervisor that is no more.
    init(path: String) throws(Fault) {
        let doing = "listen for notifications at \(path)"
        guard let address = UnixSocketAddress(path) else {
            throw Fault(
                .invalid, doing: doing, "the path has more than \(UnixSocketAddress.longestPath) bytes")
        }
        let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = Glibc.socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { throw Fault(systemErrorWhile: doing) }
        unlink(path)
        guard address.withSockaddr({ bind(descriptor, $0, $1) }) == 0, chmod(path, 0o666) == 0 else {
            defer { close(descriptor) }
            throw Fault(systemErrorWhile: doing)
        }
        let (messages, heard) = AsyncStream.makeStream(of: NotifyMessage.self)
        self.messages = messages
        socket = WatchedDescriptor(owning: descriptor) { descriptor in
            while let datagram = NotifySocket.receive(from: descriptor) {
                heard.yield(NotifyMessage(datagram))
            }
            return true
        }
    }

    private static func receive(from descriptor: Int32) -> ArraySlice<UInt8>? {
        var buffer = [UInt8](repeating: 0, count: longestMessage)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return count >= 0 ? buffer[..<count] : nil
    }
}
