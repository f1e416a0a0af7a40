import Foundation
import TestSupport
import Web

@testable import DataPlane

extension TestInstance {
    /// A new connection to the instance's socket.
    func connect() throws -> RawConnection { try RawConnection(path: directory + "/s") }

    /// The head of a request with the instance's key, unless another is given.
    func head(_ method: String, _ path: String, _ headers: String..., key: String? = nil) -> String {
        let lines =
            ["\(method) \(path) HTTP/1.1", "Host: x", "Authorization: Bearer \(key ?? self.key)"] + headers
        return lines.joined(separator: "\r\n") + "\r\n\r\n"
    }

    /// How many sockets the kernel has on the server's side: the one that listens, and one for a connection,
    /// accepted or not.
    func sockets() throws -> Int {
        let all = try String(contentsOfFile: "/proc/net/unix", encoding: .utf8)
        return all.split(separator: "\n").count { $0.hasSuffix(" \(directory)/s") }
    }

    /// What the instance measures, asked for as constinteld does.
    func measured() async throws -> String { try await call("GET", "/metrics", key: "").text }
}

extension ClientLimits {
    /// So short that a test can wait for all of them.
    static var short: ClientLimits {
        var limits = ClientLimits()
        limits.head = .seconds(2)
        limits.silence = .milliseconds(1500)
        limits.grace = .seconds(3)
        limits.rest = .seconds(1)
        limits.reading = .seconds(1)
        return limits
    }

    /// So long that no test ends by them, but for `farewell`.
    static var long: ClientLimits {
        var limits = ClientLimits()
        let hour = Duration.seconds(3600)
        (limits.head, limits.silence, limits.grace) = (hour, hour, hour)
        (limits.rest, limits.reading) = (hour, hour)
        limits.farewell = .milliseconds(300)
        return limits
    }
}
