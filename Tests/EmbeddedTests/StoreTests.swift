import FoundationEssentials
import Glibc
import Kernel
import Supervision
import Testing

@testable import Embedded

@Suite("The embedded stores", .timeLimit(.minutes(5)))
struct StoreTests {
    let directory: TestDirectory
    let state: StateDirectory

    init() throws {
        directory = try TestDirectory()
        state = try StateDirectory(path: "\(directory.path)/a b")
    }

    @Test("a killed PostgreSQL starts again although a process of the old one hangs and holds its memory")
    func orphans() async throws {
        try await running(makeSupervisor(over: state)) { supervisor in
            let stores = try await makeServices(over: state).startStores(under: supervisor)
            let found = try await stores.postgres.query(
                "select pid from pg_stat_activity where backend_type = 'checkpointer'", in: directory)
            let hanging = try #require(pid_t(found.trimmingCharacters(in: .newlines)))
            kill(hanging, SIGSTOP)
            try await supervisor.killAndAwait("postgres")
            #expect(try await stores.postgres.query("select 1", in: directory) == "1\n")
        }
    }

    @Test("a PostgreSQL that has ended does not keep a new one away, whoever has its number by now")
    func takenNumber() async throws {
        try await running(makeSupervisor(over: state)) { supervisor in
            _ = try await makeServices(over: state).startStores(under: supervisor)
        }
        let other = try await Bystander(in: "/")
        defer { other.end() }
        // The processes of the old server are of this user too: the number belongs to one that could be it.
        for lock in ["\(state.postgresData)/postmaster.pid", "\(state.run)/.s.PGSQL.5432.lock"] {
            try PrivateFiles.write("\(other.id)\n\(state.postgresData)\n", to: lock)
        }
        try await running(makeSupervisor(over: state)) { supervisor in
            _ = try await makeServices(over: state).startStores(under: supervisor)
            #expect(await supervisor.status("postgres")?.restarts == 0)
        }
    }

    @Test("the lock of whoever works in the cluster is left to him, and nothing is started beside him")
    func keptLock() async throws {
        try await running(makeSupervisor(over: state)) { supervisor in
            _ = try await makeServices(over: state).startStores(under: supervisor)
        }
        let other = try await Bystander(in: state.postgresData)
        defer { other.end() }
        let lock = "\(state.postgresData)/postmaster.pid"
        try PrivateFiles.write("\(other.id)\n\(state.postgresData)\n", to: lock)
        try await running(makeSupervisor(over: state)) { supervisor in
            await #expect(throws: Fault.self) {
                _ = try await makeServices(over: state).startStores(under: supervisor)
            }
        }
        #expect(PrivateFiles.read(lock)?.hasPrefix("\(other.id)\n") == true)
    }

    @Test("what they hold outlives being killed, and they refuse whoever has no password")
    func killed() async throws {
        try await running(makeSupervisor(over: state)) { supervisor in
            let stores = try await makeServices(over: state).startStores(under: supervisor)
            _ = try await stores.postgres.query("create table t as select 7 as n", in: directory)
            _ = try await stores.redis.ask("set", "k", "v", in: directory)
            _ = try await stores.redis.ask(
                "acl", "setuser", "brand-acme", "on", ">p", "~a", "+get", in: directory)
            _ = try await stores.redis.ask("acl", "save", in: directory)

            try await supervisor.killAndAwait("postgres")
            try await supervisor.killAndAwait("redis")
            #expect(try await stores.postgres.query("select n from t", in: directory) == "7\n")
            #expect(try await stores.redis.ask("get", "k", in: directory) == "v\n")
            #expect(try await stores.redis.ask("acl", "users", in: directory).contains("brand-acme"))

            await #expect(throws: Fault.self) {
                let stranger = EmbeddedServices.Connections.Postgres(
                    host: stores.postgres.host, user: stores.postgres.user, password: Secret("wrong"))
                _ = try await stranger.query("select 1", in: directory)
            }
            let anonymous = try await output(
                of: "redis-cli", ["-s", stores.redis.socket, "get", "k"], in: directory)
            #expect(anonymous.contains("NOAUTH"))
        }
    }

    @Test("they are set up to keep what they acknowledge")
    func settings() async throws {
        try await running(makeSupervisor(over: state)) { supervisor in
            let stores = try await makeServices(over: state).startStores(under: supervisor)
            for (name, value) in [
                ("listen_addresses", ""), ("synchronous_commit", "on"), ("data_checksums", "on"),
                ("server_encoding", "UTF8"), ("lc_collate", "C.UTF-8"), ("max_connections", "1200"),
            ] {
                #expect(
                    try await stores.postgres.query("show \(name)", in: directory) == value + "\n", "\(name)")
            }
            let buffers =
                "select setting::bigint / 128 || 'MB' from pg_settings where name = 'shared_buffers'"
            #expect(
                try await stores.postgres.query(buffers, in: directory) == MachineMemory().sharedBuffers
                    + "\n")
            for (name, value) in [
                ("appendonly", "yes"), ("appendfsync", "always"), ("maxmemory-policy", "volatile-ttl"),
                ("save", ""), ("port", "0"),
            ] {
                let answer = try await stores.redis.ask("config", "get", name, in: directory)
                #expect(answer == "\(name)\n\(value)\n", "\(name)")
            }
        }
    }

    @Test(
        "PostgreSQL has an eighth of the memory for its tables, and keeps a third of log, within reason",
        arguments: [
            (512, "128MB", "2048MB"), (8192, "1024MB", "2730MB"), (24_576, "3072MB", "8192MB"),
            (1_048_576, "8192MB", "8192MB"),
        ])
    func memory(megabytes: Int, buffers: String, log: String) {
        #expect(MachineMemory(megabytes: megabytes).sharedBuffers == buffers)
        #expect(MachineMemory(megabytes: megabytes).maximumLog == log)
    }

    @Test("a supervisor that was killed leaves them running, and the next one finds them")
    func adopted() async throws {
        var first: [String: Int32?] = [:]
        try await runningUntilKilled(makeSupervisor(over: state)) { supervisor in
            _ = try await makeServices(over: state).startStores(under: supervisor)
            first = await supervisor.statuses().mapValues(\.pid)
        }
        try await running(makeSupervisor(over: state)) { supervisor in
            let stores = try await makeServices(over: state).startStores(under: supervisor)
            #expect(await supervisor.statuses().mapValues(\.pid) == first)
            #expect(try await stores.postgres.query("select 1", in: directory) == "1\n")
        }
    }

    @Test("a cluster that was only half made is made again")
    func halfMade() async throws {
        let partial = "\(state.postgresData).partial"
        try FileManager.default.createDirectory(atPath: "\(partial)/base", withIntermediateDirectories: true)
        try PrivateFiles.write("15\n", to: "\(partial)/PG_VERSION")
        try await running(makeSupervisor(over: state)) { supervisor in
            let stores = try await makeServices(over: state).startStores(under: supervisor)
            #expect(try await stores.postgres.query("select 1", in: directory) == "1\n")
            #expect(access(partial, F_OK) != 0)
        }
    }

    @Test("a cluster whose password is lost is left alone, with a sentence")
    func lostPassword() async throws {
        try FileManager.default.createDirectory(atPath: state.postgresData, withIntermediateDirectories: true)
        try PrivateFiles.write("15\n", to: "\(state.postgresData)/PG_VERSION")
        let postgres = PostgresServer(
            state: state, templates: Templates(directory: templates), servant: Servant(command: servant))
        let fault = await #expect(throws: Fault.self) { _ = try await postgres.prepare() }
        #expect(fault?.detail.contains("postgres-password") == true)
    }

    @Test("root is refused with a sentence", .enabled(if: geteuid() == 0))
    func root() async throws {
        let services = EmbeddedServices(state: state, edge: try freeAddress(), templates: templates)
        try await running(makeSupervisor(over: state)) { supervisor in
            let fault = await #expect(throws: Fault.self) { _ = try await services.start(under: supervisor) }
            #expect(fault?.code == .forbidden)
        }
    }
}

/// A process that has nothing to do with a server but the directory in which it works.
private struct Bystander {
    let id: pid_t

    init(in directory: String) async throws {
        var id = pid_t()
        let words = ["sh", "-c", "cd \"$0\" && exec sleep 600", directory]
        let arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        try #require(posix_spawn(&id, "/bin/sh", nil, nil, arguments, nil) == 0)
        self.id = id
        while PrivateFiles.read("/proc/\(id)/comm") != "sleep\n" {
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    func end() {
        kill(id, SIGKILL)
        waitpid(id, nil, 0)
    }
}
