import Contract
import Foundation
import Kernel

/// What a login left behind: the service, and the tokens to use it.
package struct Session: Codable, Sendable, Equatable {
    package var url: String
    package var email: String
    package var accessToken: String
    /// Works once; each refresh brings the next.
    package var refreshToken: String
    /// When `accessToken` ends, by this machine's clock.
    package var expiresAt: Timestamp

    package init(url: String, email: String, accessToken: String, refreshToken: String, expiresAt: Timestamp)
    {
        self.url = url
        self.email = email
        self.accessToken = accessToken
        self.refreshToken = refreshToken
        self.expiresAt = expiresAt
    }

    /// A session of `email` at `url` with the tokens of a login or a refresh that was answered at `now`.
    package init(url: String, email: String, tokens: TokenPair, now: Timestamp) {
        self.init(
            url: url, email: email, accessToken: tokens.accessToken, refreshToken: tokens.refreshToken,
            expiresAt: now + .seconds(tokens.expiresIn))
    }

    /// Whether the access token still lasts for a request that is sent now.
    package func isFresh(at now: Timestamp) -> Bool { now + .seconds(30) < expiresAt }
}

/// The file that holds the session, `$XDG_CONFIG_HOME/constintel/session.json`, readable by its owner only.
package struct SessionStore: Sendable {
    /// How long another command may take to refresh the session before this one gives up.
    private static let lockTimeout = Duration.seconds(30)

    /// Where the file is.
    package let path: String
    private let directory: String

    package init(in surroundings: Surroundings) throws(Fault) {
        directory = try surroundings.baseDirectory("XDG_CONFIG_HOME", fallback: ".config") + "/constintel"
        path = directory + "/session.json"
    }

    /// The saved session; nil when there is none.
    package func load() throws(Fault) -> Session? {
        guard let data = FileManager.default.contents(atPath: path) else {
            guard access(path, F_OK) != 0 else { throw fault("read", "you may not read it") }
            return nil
        }
        guard let session = try? JSONDecoder().decode(Session.self, from: data) else {
            throw fault("read", "it is damaged; log in again with: constintel login --url <url>")
        }
        return session
    }

    /// Replaces the saved session. After a crash the file holds the old one or the new one, whole: a lost
    /// refresh token would mean a lost session.
    package func save(_ session: Session) throws {
        try makeDirectory()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let bytes = [UInt8](try encoder.encode(session))
        let draft = "\(path).\(getpid())"
        unlink(draft)
        let file = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw fault("write", systemError()) }
        defer { close(file) }
        guard write(file, bytes, bytes.count) == bytes.count, fsync(file) == 0, rename(draft, path) == 0
        else {
            let reason = systemError()
            unlink(draft)
            throw fault("write", reason)
        }
    }

    /// Forgets the saved session.
    package func remove() throws(Fault) {
        guard unlink(path) == 0 || errno == ENOENT else { throw fault("remove", systemError()) }
    }

    /// Runs `body` while no other command does the same with this file. A refresh token that two commands
    /// used would look stolen, and the service would end the session.
    package func exclusively<Result: Sendable>(
        isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
    ) async throws -> Result {
        try makeDirectory()
        let file = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw fault("lock", systemError()) }
        defer { close(file) }
        let deadline = ContinuousClock.now + Self.lockTimeout
        while flock(file, LOCK_EX | LOCK_NB) != 0 {
            guard ContinuousClock.now < deadline else { throw fault("lock", "another command holds it") }
            try await Task.sleep(for: .milliseconds(50))
        }
        return try await body()
    }

    private func makeDirectory() throws(Fault) {
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw Fault(.invalid, doing: "make the directory \(directory)", systemError())
        }
    }

    private func fault(_ verb: String, _ reason: String) -> Fault {
        Fault(.invalid, doing: "\(verb) the session file \(path)", reason)
    }
}

/// What `errno` says, in words.
func systemError() -> String { String(cString: strerror(errno)) }
