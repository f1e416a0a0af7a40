import Glibc
import Kernel
import Supervision

/// The Debian programs that are run here, and how a server is run that refuses to be root.
struct Program: Sendable {
    let path: String

    /// Finds a program on `PATH`, or where Debian keeps what ordinary users have not on theirs.
    init(_ name: String, package: String) throws(Fault) {
        let directories = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":").map(
            String.init)
        let candidates = (directories + ["/usr/sbin", "/usr/bin"]).map { "\($0)/\(name)" }
        try self.init(name, package: package, among: candidates)
    }

    /// The first of `candidates` that can be executed.
    init(_ name: String, package: String, among candidates: [String]) throws(Fault) {
        guard let path = candidates.first(where: { access($0, X_OK) == 0 }) else {
            throw Fault(
                .unavailable, doing: "start \(name)", "it is not installed; try: apt-get install \(package)")
        }
        self.path = path
    }
}

/// A command that servers are run through, `["setpriv", …]`; empty for none. Tests that run as root need one.
struct Servant: Sendable {
    let command: [String]

    func unit(
        _ name: String, _ program: Program, _ arguments: [String], readiness: UnitSpecification.Readiness,
        in state: StateDirectory
    ) -> UnitSpecification {
        let line = command + [program.path] + arguments
        var unit = UnitSpecification(
            name: name, executable: line[0], arguments: Array(line.dropFirst()), logFile: state.logFile(name),
            readiness: readiness)
        unit.environment = ["LANG": "C.UTF-8", "TZ": "UTC"]
        return unit
    }

    func command(_ program: Program, _ arguments: [String], log: String) -> Command {
        let line = command + [program.path] + arguments
        var command = Command(executable: line[0], arguments: Array(line.dropFirst()), logFile: log)
        command.environment = ["LANG": "C.UTF-8", "TZ": "UTC"]
        return command
    }

    /// Throws when a server run so would be root.
    func refuseRoot() throws(Fault) {
        guard geteuid() != 0 || !command.isEmpty else {
            throw Fault(
                .forbidden, doing: "start the embedded servers",
                "PostgreSQL refuses to run as root; start it as an ordinary user, or by infra/run.sh")
        }
    }
}
