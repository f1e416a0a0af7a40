import Foundation
import Kernel

/// Finds the service that a command is meant for.
///
/// What was asked for by name comes first (`--url`, `CONSTINTEL_URL`), then a local service, found by its
/// state directory, then the service that the saved session belongs to. The run directory may lie elsewhere,
/// because the path of a socket has at most 107 bytes: `<state>/run` is then a symbolic link, and followed.
package struct Discovery: Sendable {
    /// What was found.
    package enum Found: Equatable, Sendable {
        /// The operator socket of a local service; file permissions are the credential.
        case local(socket: String)
        /// A service to talk to as the user of the saved session.
        case remote(ServiceAddress)
    }

    private static let doing = "find the service"
    private static let advice =
        "Start one with infra/run.sh, or log in to one with: constintel login --url <url>"
    /// What `sockaddr_un` holds, less the zero at its end.
    private static let longestSocketPath = 107

    private let surroundings: Surroundings
    private let url: String?

    /// A search in `surroundings`, for the service at `url` where one was asked for.
    package init(url: String?, in surroundings: Surroundings) {
        self.url = url ?? surroundings.variable("CONSTINTEL_URL")
        self.surroundings = surroundings
    }

    /// The service; throws `Fault.unavailable` that says where it was looked for.
    package func locate() throws -> Found {
        if let url { return .remote(try Self.address(url)) }
        let named = surroundings.variable("CONSTINTEL_HOME")
        let states = try named.map { [$0] } ?? unnamedStateDirectories()
        let sockets = states.map { Self.resolved("\($0)/run") + "/operator.sock" }
        if let socket = sockets.first(where: { access($0, F_OK) == 0 }) {
            return .local(socket: try usable(socket))
        }
        let places = "there is no socket \(sockets.joined(separator: " or "))"
        if let named { throw nothing("\(places) (CONSTINTEL_HOME is \(named))") }
        let store = try SessionStore(in: surroundings)
        if let session = try store.load() { return .remote(try Self.address(session.url)) }
        throw nothing("\(places), no session in \(store.path), and neither --url nor CONSTINTEL_URL is given")
    }

    /// The address that `url` stands for.
    package static func address(_ url: String) throws(Fault) -> ServiceAddress {
        guard let address = ServiceAddress(webURL: url) else {
            throw Fault(
                .invalid, doing: doing, "'\(url)' is not a base URL such as https://ci.example", field: "url")
        }
        return address
    }

    /// The machine's, where its `run` is there and readable, and then the user's.
    private func unnamedStateDirectories() throws(Fault) -> [String] {
        let system = surroundings.systemStateDirectory
        let own = try surroundings.baseDirectory("XDG_STATE_HOME", fallback: ".local/state") + "/constintel"
        return access("\(system)/run", R_OK | X_OK) == 0 ? [system, own] : [own]
    }

    private func nothing(_ looked: String) -> Fault {
        Fault(.unavailable, doing: Self.doing, "\(looked). \(Self.advice)")
    }

    private func usable(_ socket: String) throws -> String {
        guard access(socket, R_OK | W_OK) == 0 else {
            throw Fault(
                .forbidden, doing: Self.doing,
                "you may not use its operator socket \(socket): run this as the user who owns it or as root, "
                    + "or log in with: constintel login --url <url>")
        }
        guard socket.utf8.count <= Self.longestSocketPath else {
            throw Fault(
                .invalid, doing: Self.doing,
                "the path \(socket) is longer than the \(Self.longestSocketPath) bytes a socket's may have"
            )
        }
        return socket
    }

    private static func resolved(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
