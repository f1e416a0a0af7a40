import Glibc
import Synchronization

/// A connection over which a test sends, and reads or does not, as no well-behaved client would. But for
/// connecting, nothing here waits for the other side.
public final class RawConnection: Sendable {
    private static let atOnce = Int32(MSG_DONTWAIT)
    /// `POLLRDHUP`, which the headers keep for programs in C that ask for GNU's own.
    private static let readingEnd: Int16 = 0x2000

    private let descriptor: Int32
    private let isOpen = Mutex(true)

    /// Connects to a unix socket.
    public convenience init(path: String) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw Failure("\(path) is too long for a socket")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        try self.init(AF_UNIX, address)
    }

    /// Connects to an address such as `127.0.0.1:8080`.
    ///
    /// - Parameter receiveBytes: how much the kernel takes in for who does not read.
    public convenience init(address text: String, receiveBytes: Int32? = nil) throws {
        let parts = text.split(separator: ":")
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr(String(parts[0]))
        address.sin_port = (parts.last.flatMap { UInt16($0) } ?? 0).bigEndian
        try self.init(AF_INET, address, receiveBytes: receiveBytes)
    }

    private init<Address>(_ family: Int32, _ address: Address, receiveBytes: Int32? = nil) throws {
        descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure("no socket: \(String(cString: strerror(errno)))") }
        if var receiveBytes {
            let size = socklen_t(MemoryLayout<Int32>.size)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBytes, size)
        }
        let result = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard result == 0 else { throw Failure("nobody answers: \(String(cString: strerror(errno)))") }
    }

    deinit { close() }

    /// Sends as much of a text as the other side takes at present; gives how many bytes that were.
    @discardableResult
    public func send(_ text: String) -> Int {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
            }
            guard count > 0 else { break }
            sent += count
        }
        return sent
    }

    /// What has come since the last time, and whether the other side has ended the connection or broken it.
    ///
    /// - Parameter most: how many bytes are taken; of what is left it is not known whether it is all.
    public func receive(upTo most: Int = .max) -> (bytes: [UInt8], isEnd: Bool) {
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while received.count < most {
            let count = recv(
                descriptor, &buffer, min(buffer.count, most - received.count), RawConnection.atOnce)
            guard count > 0 else { return (received, count == 0 || (errno != EAGAIN && errno != EINTR)) }
            received += buffer[..<count]
        }
        return (received, false)
    }

    /// Whether something has come that was not received.
    public var hasMore: Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT | MSG_PEEK)) > 0
    }

    /// Whether the other side has ended the connection, also behind what was not received.
    public var isEnded: Bool {
        var asked = pollfd(fd: descriptor, events: RawConnection.readingEnd, revents: 0)
        return poll(&asked, 1, 0) > 0
    }

    /// Ends what is sent here; the other side may go on.
    public func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Closes the connection, unless it is closed.
    public func close() {
        isOpen.withLock { isOpen in
            if isOpen { Glibc.close(descriptor) }
            isOpen = false
        }
    }

    /// Closes it so that TCP tells the other side of a reset.
    public func reset() {
        var none = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &none, socklen_t(MemoryLayout<linger>.size))
        close()
    }
}

extension [UInt8] {
    /// The status of the answer of HTTP that these bytes begin.
    public var httpStatus: Int? {
        let words = String(decoding: prefix(16), as: UTF8.self).split(separator: " ")
        return words.count > 1 && words[0].hasPrefix("HTTP/") ? Int(words[1].prefix(3)) : nil
    }
}
