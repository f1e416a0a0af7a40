import Glibc

/// Tells whoever runs this process how it is doing, by sd_notify(3)'s protocol; silent when nobody asked.
///
/// systemd and `ChildProcessSupervisor` both set `NOTIFY_SOCKET`. A message that cannot be delivered is lost:
/// the supervisor may be away for a moment, and that must not stop a process that serves.
public struct SystemdNotifier: Sendable {
    private let address: UnixSocketAddress?

    /// Speaks to the socket that the environment names.
    public init() {
        self.init(socket: getenv("NOTIFY_SOCKET").map { String(cString: $0) })
    }

    /// Speaks to `socket`: a path, or `@` and an abstract name; nil for nobody.
    public init(socket: String?) {
        address = socket.flatMap(UnixSocketAddress.init)
    }

    /// Says that the process serves now.
    @discardableResult public func ready() -> Bool { send("READY=1") }

    /// Says that the process has begun to leave.
    @discardableResult public func stopping() -> Bool { send("STOPPING=1") }

    /// Says that the process is alive; see `Watchdog`.
    @discardableResult public func alive() -> Bool { send("WATCHDOG=1") }

    /// Says in a few words what the process is doing.
    @discardableResult public func status(_ text: String) -> Bool {
        send("STATUS=" + text.replacing("\n", with: " "))
    }

    /// Whether the message was handed over.
    private func send(_ message: String) -> Bool {
        guard let address else { return false }
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return false }
        defer { close(socket) }
        let bytes = Array(message.utf8)
        let sent = address.withSockaddr { sockaddr, length in
            sendto(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL), sockaddr, length)
        }
        return sent == bytes.count
    }
}
