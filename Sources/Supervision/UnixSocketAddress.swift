import Glibc

/// The address of a unix socket: a path, or with a leading `@` a name in Linux's abstract namespace.
package struct UnixSocketAddress: Sendable {
    /// The most bytes that a path can have: `sun_path` has 108, and the last is its end.
    package static let longestPath = 107

    private let address: sockaddr_un
    private let length: socklen_t

    /// Nil when `name` is empty or too long.
    package init?(_ name: String) {
        var bytes = Array(name.utf8)
        guard !bytes.isEmpty, bytes.count <= UnixSocketAddress.longestPath, !bytes.contains(0) else {
            return nil
        }
        let isAbstract = bytes[0] == UInt8(ascii: "@")
        if isAbstract { bytes[0] = 0 }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        self.address = address
        let header = MemoryLayout<sockaddr_un>.size - MemoryLayout.size(ofValue: address.sun_path)
        length = socklen_t(header + bytes.count + (isAbstract ? 0 : 1))
    }

    /// Calls `body` with the address as the socket functions take it.
    package func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }
}
