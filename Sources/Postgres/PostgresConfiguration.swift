import Kernel

/// Where a PostgreSQL server is and who logs in to which of its databases.
public struct PostgresConfiguration: Sendable {
    /// A host name, an address, or the directory of a Unix socket (it then begins with `/`).
    public var host: String
    public var port: Int
    public var database: String
    public var user: String
    public var password: Secret?
    /// What `pg_stat_activity` shows for the connection.
    public var applicationName: String
    /// How long one attempt to connect may take; libpq counts whole seconds, and at least two.
    public var connectTimeout: Duration
    /// Server settings that every session begins with, by name: `["role": "constintel_control"]`.
    public var settings: [String: String] = [:]

    public init(
        host: String, port: Int = 5432, database: String, user: String, password: Secret? = nil,
        applicationName: String, connectTimeout: Duration = .seconds(10)
    ) {
        self.host = host
        self.port = port
        self.database = database
        self.user = user
        self.password = password
        self.applicationName = applicationName
        self.connectTimeout = connectTimeout
    }

    /// The same server and login with another database.
    public func with(database: String) -> PostgresConfiguration {
        var copy = self
        copy.database = database
        return copy
    }

    /// The same server and login with these settings beside the present ones.
    public func with(settings: [String: String]) -> PostgresConfiguration {
        var copy = self
        copy.settings.merge(settings) { $1 }
        return copy
    }
}
