import FoundationEssentials
import Glibc
import Kernel
import Sealing
import Supervision

/// The one directory that an embedded installation lives in, and the names of everything in it.
///
///     lock                  held by the daemon; says who holds it
///     secrets/              passwords and keys, for the owner alone
///     postgres/ redis/ nginx/
///     instances/<slug>/     one directory for each brand's instance
///     log/
///     run/                  sockets; run/instances/<slug>.sock and <slug>.known
///
/// `run` is a link to a short private directory elsewhere when the longest socket's path would not fit into a
/// unix address, or has characters that a server's configuration cannot carry.
public struct StateDirectory: Sendable {
    /// The directory itself, absolute.
    public let path: String
    /// Where the sockets are.
    public let run: String

    /// Makes the directory and everything in it that is missing, for its owner alone.
    ///
    /// `runDirectory` overrides where the sockets are. Throws when something cannot be made, or when a short
    /// run directory is there already and is not privately ours.
    public init(path: String, runDirectory: String? = nil) throws(Fault) {
        try self.init(path: path, runDirectory: runDirectory, shortPlace: .ofThisUser)
    }

    init(path: String, runDirectory: String?, shortPlace: ShortPlace) throws(Fault) {
        guard path.hasPrefix("/"), path.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw Fault(
                .invalid, doing: "use the state directory '\(path)'",
                "its path must be absolute and have no control characters", field: "CONSTINTEL_HOME")
        }
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        let ordinary = "\(self.path)/run"
        if let runDirectory {
            run = runDirectory
        } else if StateDirectory.carriesSockets(ordinary) {
            run = ordinary
        } else {
            run = try shortPlace.claim(for: self.path)
            try PrivateFiles.makeDirectory(self.path)
            PrivateFiles.link(ordinary, to: run)
        }
        for directory in [
            self.path, secrets, postgres, redis, nginx, "\(self.path)/instances", logs, run, runInstances,
        ] { try PrivateFiles.makeDirectory(directory) }
    }

    /// Whether servers and clients can be told of sockets in `run`: libpq splits a host at commas, nginx's
    /// `proxy_pass` ends a socket's path at a colon and expands dollars.
    private static func carriesSockets(_ run: String) -> Bool {
        let longest = "\(run)/instances/\(String(repeating: "x", count: 32)).sock"
        return longest.utf8.count <= UnixSocketAddress.longestPath
            && !run.contains { ",:$\"'\\".contains($0) }
    }
}

// MARK: - Names

extension StateDirectory {
    /// Held by the daemon that uses the directory.
    public var lockFile: String { "\(path)/lock" }
    /// Passwords and keys.
    public var secrets: String { "\(path)/secrets" }
    /// PostgreSQL's configuration and, in `data`, its cluster.
    public var postgres: String { "\(path)/postgres" }
    /// The cluster; its file system's free space bounds intake.
    public var postgresData: String { "\(postgres)/data" }
    /// Redis's configuration, users and append-only file.
    public var redis: String { "\(path)/redis" }
    /// nginx's configuration and temporary files.
    public var nginx: String { "\(path)/nginx" }
    /// Where the children's output goes.
    public var logs: String { "\(path)/log" }
    /// The socket that the edge expects the control plane on.
    public var controlSocket: String { "\(run)/constinteld.sock" }
    /// Redis's socket.
    public var redisSocket: String { "\(run)/redis.sock" }
    private var runInstances: String { "\(run)/instances" }

    /// The directory of a brand's instance; not made here.
    public func instanceDirectory(_ slug: Slug) -> String { "\(path)/instances/\(slug)" }
    /// The socket that the edge expects a brand's instance on.
    public func instanceSocket(_ slug: Slug) -> String { "\(runInstances)/\(slug.socketName)" }
    /// The file that tells the edge that there is such a brand.
    public func instanceMarker(_ slug: Slug) -> String { "\(runInstances)/\(slug).known" }
    /// The log of a unit.
    public func logFile(_ unit: String) -> String { "\(logs)/\(unit).log" }
}

// MARK: - What is kept here

extension StateDirectory {
    /// Tells the edge that there is such a brand: its requests are answered 503, not 404, while it is silent.
    public func markKnown(_ slug: Slug) throws(Fault) {
        try PrivateFiles.write("", to: instanceMarker(slug))
    }

    /// Tells the edge that there is no such brand any more.
    public func unmark(_ slug: Slug) { unlink(instanceMarker(slug)) }

    /// The secret kept under `name`, minted when there is none yet.
    public func secret(_ name: String) throws(Fault) -> Secret {
        let file = "\(secrets)/\(name)"
        if let kept = PrivateFiles.read(file) { return Secret(kept) }
        let minted = PasswordGenerator.make()
        try PrivateFiles.write(minted.reveal(), to: file)
        return minted
    }

    /// Holds the directory for this process until the lock is dropped.
    ///
    /// Throws `Fault.conflict` that says who holds it. The kernel takes the lock from a process that dies.
    public func lock() throws(Fault) -> StateLock { try StateLock(file: lockFile, of: path) }
}
