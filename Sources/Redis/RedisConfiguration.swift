import Kernel

/// Where Redis listens and who is asking.
public struct RedisConfiguration: Sendable {
    /// The path of the server's socket.
    public let socket: String
    /// The ACL user; nil for Redis's default user.
    public let user: String?
    /// The user's password; nil when it needs none.
    public let password: Secret?
    /// How long a command may take; then its connection counts as lost.
    public let commandTimeout: Duration

    /// How long a command may take where nothing else is said.
    public static let defaultCommandTimeout: Duration = .seconds(5)

    /// A server at `socket`, as a user or as the default one.
    public init(
        socket: String, user: String? = nil, password: Secret? = nil,
        commandTimeout: Duration = defaultCommandTimeout
    ) {
        self.socket = socket
        self.user = user
        self.password = password
        self.commandTimeout = commandTimeout
    }
}
