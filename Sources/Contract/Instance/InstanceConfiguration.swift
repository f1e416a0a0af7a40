import Kernel

/// What the control plane tells an instance when it starts it: `instance.json` in the instance's directory.
///
/// Secrets are not in it. They are files beside it in `credentials/` (under systemd, in
/// `$CREDENTIALS_DIRECTORY`): `postgres-password`, `redis-password`, and `token-key-1.pub`, `token-key-2.pub`
/// (32 raw bytes each), with which user tokens are verified.
public struct InstanceConfiguration: Codable, Sendable {
    /// How to reach the brand's database as its runtime role.
    public struct Database: Codable, Sendable {
        /// A socket directory or a host name.
        public var host: String
        public var port: Int
        public var database: String
        public var role: String
        /// Connections the instance may hold, the writer's included.
        public var connections: Int

        public init(host: String, port: Int, database: String, role: String, connections: Int) {
            self.host = host
            self.port = port
            self.database = database
            self.role = role
            self.connections = connections
        }
    }

    /// How to reach Redis as the brand's ACL user.
    public struct Streams: Codable, Sendable {
        /// The path of Redis's socket.
        public var socket: String
        public var user: String

        public init(socket: String, user: String) {
            self.socket = socket
            self.user = user
        }
    }

    public var slug: Slug
    public var brandId: BrandID
    /// Which placement this is; an instance of an older one is fenced by the writer lease.
    public var generation: Int64
    /// The socket to serve on when none is inherited.
    public var socket: String
    public var database: Database
    public var streams: Streams
    /// A directory of the instance's own, for uploads and models.
    public var directory: String
    /// Directories whose file systems hold Redis's and PostgreSQL's data, watched for the low-disk watermark.
    public var watchedDirectories: [String]
    /// Free bytes below which one of those file systems counts as nearly full: no events are accepted.
    public static let lowDiskBytes: UInt64 = 256 * 1024 * 1024

    public init(
        slug: Slug, brandId: BrandID, generation: Int64, socket: String, database: Database,
        streams: Streams, directory: String, watchedDirectories: [String]
    ) {
        self.slug = slug
        self.brandId = brandId
        self.generation = generation
        self.socket = socket
        self.database = database
        self.streams = streams
        self.directory = directory
        self.watchedDirectories = watchedDirectories
    }
}
