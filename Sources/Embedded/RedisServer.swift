import Kernel
import Sealing
import Supervision

/// The private Redis: an append-only file synced before each answer, and no user but those we name.
struct RedisServer: Sendable {
    static let user = "constintel"

    let state: StateDirectory
    let templates: Templates
    let servant: Servant

    /// Writes the configuration.
    func unit(password: Secret) throws(Fault) -> UnitSpecification {
        let configuration = "\(state.redis)/redis.conf"
        let users = "\(state.redis)/users.acl"
        let settings = try templates.render(
            "redis/redis.conf",
            [
                "socket": state.redisSocket.quotedForRedisOrNginx,
                "directory": state.redis.quotedForRedisOrNginx,
                "users": users.quotedForRedisOrNginx,
            ])
        try PrivateFiles.write(settings, to: configuration)
        let program = try Program("redis-server", package: "redis-server")
        var unit = servant.unit("redis", program, [configuration], readiness: .notify, in: state)
        unit.version = settings
        // It is ready when it has read its append-only file.
        unit.startTimeout = .seconds(600)
        unit.beforeLaunch = { try RedisServer.keepUsers(in: users, password: password) }
        return unit
    }

    /// Sees to it that the file of users has our own with `password` and a `default` that is off; the brands'
    /// stay. Redis rewrites the file while it runs, so this is for before its start.
    static func keepUsers(in file: String, password: Secret) throws(Fault) {
        let own = ["user default ", "user \(user) "]
        let kept = (PrivateFiles.read(file) ?? "").split(separator: "\n")
            .filter { line in !own.contains { line.hasPrefix($0) } }
        let hash = SHA256.hash(password.reveal().utf8).map { byte in
            String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }
        let lines = [
            "user default off nopass resetkeys -@all", "user \(user) on #\(hash.joined()) ~* &* +@all",
        ]
        try PrivateFiles.write((lines + kept.map(String.init)).joined(separator: "\n") + "\n", to: file)
    }
}
