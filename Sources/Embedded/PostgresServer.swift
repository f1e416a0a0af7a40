import FoundationEssentials
import Glibc
import Kernel
import Supervision

/// The private PostgreSQL: a cluster of its own that only this user reaches, by socket and password.
struct PostgresServer: Sendable {
    static let superuser = "constintel"
    /// Where Debian puts each major version's programs.
    static let versions = "/usr/lib/postgresql"

    let state: StateDirectory
    let templates: Templates
    let servant: Servant

    /// Makes the cluster, unless there is one.
    ///
    /// initdb works in `data.partial`, which is renamed when it is whole: a half-made cluster is never used.
    func prepare() async throws(Fault) -> Secret {
        let doing = "make the database cluster \(state.postgresData)"
        let isMade = access("\(state.postgresData)/PG_VERSION", F_OK) == 0
        let passwordFile = "\(state.secrets)/postgres-password"
        guard !isMade || access(passwordFile, F_OK) == 0 else {
            throw Fault(
                .conflict, doing: "use the database cluster \(state.postgresData)",
                "its password is missing at \(passwordFile); put it back from a backup")
        }
        let password = try state.secret("postgres-password")
        if isMade { return password }
        let partial = "\(state.postgresData).partial"
        try? FileManager.default.removeItem(atPath: partial)
        let arguments = [
            "--pgdata=\(partial)", "--username=\(PostgresServer.superuser)", "--pwfile=\(passwordFile)",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums",
            "--no-instructions",
        ]
        let initdb = servant.command(try program("initdb"), arguments, log: state.logFile("initdb"))
        try await initdb.run(doing: doing)
        guard rename(partial, state.postgresData) == 0 else { throw Fault(systemErrorWhile: doing) }
        PrivateFiles.sync(directoryOf: state.postgresData)
        return password
    }

    /// Writes the configuration; to be called when the cluster is there.
    func unit() throws(Fault) -> UnitSpecification {
        let configuration = "\(state.postgres)/postgresql.conf"
        let access = "\(state.postgres)/pg_hba.conf"
        let memory = MachineMemory()
        let settings = try templates.render(
            "postgres/postgresql.conf",
            [
                "accessFile": access.quotedForPostgres,
                "sharedBuffers": memory.sharedBuffers, "expectedCache": memory.expectedCache,
                "maximumLog": memory.maximumLog,
                // A list of names; one with blanks or commas is in double quotes.
                "runDirectory": "\"\(state.run)\"".quotedForPostgres,
            ])
        let rules = try templates.render("postgres/pg_hba.conf", [:])
        try PrivateFiles.write(settings, to: configuration)
        try PrivateFiles.write(rules, to: access)
        let arguments = ["-D", state.postgresData, "-c", "config_file=\(configuration)"]
        var unit = servant.unit(
            "postgres", try program("postgres"), arguments, readiness: .notify, in: state)
        unit.version = settings + rules
        // A fast shutdown: SIGTERM would wait for every client to leave.
        unit.stopSignal = SIGINT
        unit.stopTimeout = .seconds(60)
        // It is ready when it has recovered, which takes as long as the log is long.
        unit.startTimeout = .seconds(600)
        let locks = ["\(state.postgresData)/postmaster.pid", "\(state.run)/.s.PGSQL.5432.lock"]
        unit.beforeLaunch = { [data = state.postgresData] in
            try await PostgresServer.endOrphans(in: data)
            PostgresServer.forgetEnded(locks, of: data)
        }
        return unit
    }

    /// Ends what a killed postmaster has left. Its backends, each in a session of its own, hold the shared
    /// memory until they notice, and no new postmaster starts beside them.
    private static func endOrphans(in data: String) async throws {
        for attempt in 0..<100 {
            let orphans = processes(in: data)?.filter(isServer) ?? []
            if orphans.isEmpty { return }
            for id in orphans { kill(id, attempt < 20 ? SIGQUIT : SIGKILL) }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// Takes away the lock files of a postmaster that has ended. The number in them may be another process's
    /// by now, after a restart of the machine above all, and a new postmaster would take it for the old one.
    /// Whoever still works in the cluster keeps them: two postmasters would ruin it.
    private static func forgetEnded(_ locks: [String], of data: String) {
        guard processes(in: data)?.isEmpty == true else { return }
        for lock in locks { unlink(lock) }
    }

    /// The processes that work in the directory `data`; nil when that cannot be told.
    private static func processes(in data: String) -> [pid_t]? {
        var place = stat()
        guard stat(data, &place) == 0,
            let entries = try? FileManager.default.contentsOfDirectory(atPath: "/proc")
        else { return nil }
        return entries.compactMap(pid_t.init).filter { id in
            var directory = stat()
            return stat("/proc/\(id)/cwd", &directory) == 0 && directory.st_dev == place.st_dev
                && directory.st_ino == place.st_ino
        }
    }

    /// Whether it is one of PostgreSQL's, also when its program was upgraded since it was started.
    private static func isServer(_ id: pid_t) -> Bool {
        let link = "/proc/\(id)/exe"
        let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: link)) ?? ""
        return program.hasSuffix("/postgres") || program.hasSuffix("/postgres (deleted)")
    }

    /// The program of the cluster's own major version, or of the newest one while there is no cluster.
    private func program(_ name: String) throws(Fault) -> Program {
        if let made = PrivateFiles.read("\(state.postgresData)/PG_VERSION") {
            let version = made.filter { !$0.isWhitespace }
            let path = "\(PostgresServer.versions)/\(version)/bin/\(name)"
            return try Program(name, package: "postgresql-\(version)", among: [path])
        }
        let installed = (try? FileManager.default.contentsOfDirectory(atPath: PostgresServer.versions)) ?? []
        let newest = installed.compactMap { Int($0) }.sorted(by: >)
        let candidates = newest.map { "\(PostgresServer.versions)/\($0)/bin/\(name)" }
        if let found = try? Program(name, package: "postgresql", among: candidates) { return found }
        return try Program(name, package: "postgresql")
    }
}
