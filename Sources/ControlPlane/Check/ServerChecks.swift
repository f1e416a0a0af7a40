import Contract
import ControlSchema
import Glibc
import Kernel
import Redis
import Supervision

/// What everything stands on: two databases, Redis, disks, and the servers that run here.
struct ServerChecks: Sendable {
    let control: ServerCheckStore
    let brands: ServerCheckStore
    let fleet: FleetCheckStore
    let redis: RedisClient
    let supervisor: any Supervisor
    /// Directories whose file systems must not fill up.
    let directories: [String]

    /// The oldest PostgreSQL that the schemas work with.
    static let oldestPostgres = 15
    /// Of a server's connections, past which it is told.
    static let connectionShare = 0.8

    var all: [Check] {
        [
            Check(
                name: "control database", probed: .controlDatabase,
                remedy: "see PostgreSQL's log; runbooks/check.md"
            ) {
                let version = try await control.controlVersion()
                let server = ServerChecks.seen(try await control.server(), schema: version)
                guard version == ControlSchema.version else {
                    return .failed(
                        "its schema has version \(version.map(String.init) ?? "none"), and this release "
                            + "needs \(ControlSchema.version)")
                }
                return server
            },
            Check(
                name: "brands database", probed: .brandsDatabase,
                remedy: "see PostgreSQL's log; runbooks/check.md"
            ) {
                ServerChecks.seen(try await brands.server(), schema: nil)
            },
            Check(name: "redis", probed: .redis, remedy: "see Redis's log; runbooks/check.md") {
                let facts = RedisFacts(info: try await redis.send("INFO", "server").text ?? "")
                return .ok("Redis \(facts["redis_version"] ?? "of an unknown version")")
            },
            Check(
                name: "redis persistence", needs: [.redis],
                remedy: "put redis.conf right and restart Redis; runbooks/check.md"
            ) {
                try await facts("persistence").persistence
            },
            Check(
                name: "redis memory", needs: [.redis],
                remedy: "see 'streams' below, then raise maxmemory; runbooks/check.md"
            ) {
                try await facts("memory").memory
            },
            Check(name: "disks", remedy: "make room; runbooks/check.md") { disks() },
            Check(
                name: "servers", remedy: "see <state>/log/<server>.log; 'constintel status'"
            ) {
                await servers()
            },
            leadership, controlRights,
        ]
    }

    /// What a database server says of itself.
    static func seen(_ server: ServerCheckStore.Server, schema: Int?) -> Seen {
        let used = "\(server.connections) of \(server.maximumConnections) connections"
        let version = schema.map { ", schema \($0)" } ?? ""
        let text = "PostgreSQL \(server.version)\(version), \(used)"
        guard server.versionNumber >= oldestPostgres * 10_000 else {
            return .failed("\(text): expected PostgreSQL \(oldestPostgres) or later")
        }
        if server.isStandby { return .failed("\(text): it is a standby, and takes no writes") }
        let unsafe = server.durability.filter { $0.value == "off" }
        guard unsafe.isEmpty else {
            let settings = unsafe.map { "\($0.name) is \($0.value)" }.joined(separator: ", ")
            return .failed("\(text): \(settings), so what is acknowledged can be lost")
        }
        let isCrowded = Double(server.connections) > connectionShare * Double(server.maximumConnections)
        return isCrowded ? .warning("\(text): few are left") : .ok(text)
    }
}

extension ServerChecks {
    private func facts(_ section: String) async throws -> RedisFacts {
        var facts = RedisFacts(info: try await redis.send("INFO", section).text ?? "")
        let names = RedisFacts.settings
        let replies = try await redis.pipeline(names.map { ["CONFIG", "GET", $0].map { Array($0.utf8) } })
        for (name, reply) in zip(names, replies) {
            if case .error(let reason) = reply { throw RedisError.reply(reason) }
            facts[name] = reply.array?.last?.text
        }
        return facts
    }

    private func disks() -> Seen {
        var troubles: [Trouble] = []
        var least = UInt64.max
        for directory in Set(directories).sorted() {
            var information = statvfs()
            guard statvfs(directory, &information) == 0 else {
                let reason = String(cString: strerror(errno))
                troubles.append(.failed(directory, "it cannot be looked at: \(reason)"))
                continue
            }
            let free = UInt64(information.f_bavail) * UInt64(information.f_frsize)
            least = min(least, free)
            if let trouble = ServerChecks.trouble(directory, free: free) { troubles.append(trouble) }
        }
        let seen = Seen(troubles, among: Set(directories).count, "path")
        return seen.status == .ok ? .ok("\(seen.text), at least \(bytesInWords(least)) free") : seen
    }

    /// What is wrong with a file system that has `free` bytes left; nil when nothing is.
    static func trouble(_ directory: String, free: UInt64) -> Trouble? {
        let left = "\(bytesInWords(free)) free"
        let watermark = InstanceConfiguration.lowDiskBytes
        if free < watermark {
            return .failed(directory, "\(left): below \(bytesInWords(watermark)) no events are accepted")
        }
        return free < watermark * 4 ? .warning(directory, left) : nil
    }

    private func servers() async -> Seen {
        let statuses = await supervisor.statuses()
        let present = PlatformRoutes.services.compactMap { name in statuses[name].map { (name, $0) } }
        guard !present.isEmpty else { return .ok("none is the daemon's own to run") }
        let troubles = present.filter { $1.state != .ready }.map { name, status in
            Trouble.failed(name, status.state.rawValue + (status.lastExit.map { ", \($0)" } ?? ""))
        }
        return Seen(troubles, among: present.count, "server")
    }

    private var leadership: Check {
        Check(
            name: "leadership", needs: [.controlDatabase, .brandsDatabase],
            remedy: "restart constinteld; runbooks/leadership.md"
        ) {
            let (term, carried) = try await control.controlTerm()
            let other = try await brands.brandsTerm()
            guard carried == term else {
                return .failed("the term is \(term), and this daemon leads under \(carried ?? -1)")
            }
            guard other == term else {
                return .failed("the term is \(term), and the brands database knows \(other)")
            }
            return .ok("term \(term)")
        }
    }

    private var controlRights: Check {
        Check(
            name: "control rights", needs: [.controlDatabase],
            remedy: "restart constinteld, which sets rights right; find out who changed them; "
                + "runbooks/check.md"
        ) {
            let tables = try await fleet.tables()
            var troubles = tables.compactMap { name, rights, isGuarded -> Trouble? in
                let meant = ControlSchema.rights[name] ?? []
                let odd = rights.filter { !meant.contains($0) }.map { "\($0.lowercased()) is granted" }
                let missing = meant.filter { !rights.contains($0) }.map { "\($0.lowercased()) is missing" }
                let isFree = ["schema_version", "leadership"].contains(name)
                let open = isGuarded || isFree ? [] : ["writes are not held to the term"]
                let all = odd + missing + open
                return all.isEmpty ? nil : .failed(name, all.joined(separator: ", "))
            }
            let present = Set(tables.map(\.name))
            troubles += ControlSchema.rights.keys.filter { !present.contains($0) }
                .map { .failed($0, "the table is gone") }
            if try await fleet.isRoleMighty() {
                troubles.append(.failed(ControlSchema.role, "the role may do more than it needs"))
            }
            return Seen(troubles, among: tables.count, "table")
        }
    }
}
