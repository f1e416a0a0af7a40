import Kernel

/// Where the control plane keeps what.
struct StateLayout: Sendable {
    /// What outlives the processes: keys, and instances' configurations and files.
    let root: String
    /// Sockets, markers, and what processes that only re-fold are started with.
    let run: String
    /// What instances print.
    let logs: String

    /// Where nginx finds the control plane.
    var controlSocket: String { "\(run)/constinteld.sock" }
    /// Who can open this may do everything.
    var operatorSocket: String { "\(run)/operator.sock" }
    /// Instances' sockets, and a marker for each brand that is known.
    var instanceSockets: String { "\(run)/instances" }
    /// What one brand's instance prints.
    func log(_ slug: Slug) -> String { "\(logs)/\(slug.unitName).log" }
    /// What it printed before that became too much.
    func oldLog(_ slug: Slug) -> String { "\(log(slug)).1" }
    /// Installed releases of the instance program.
    var releases: String { "\(root)/releases" }
    /// The repositories of backups, where no other place is configured.
    var backups: String { "\(root)/backups" }
    var secrets: String { "\(root)/secrets" }

    /// The configuration and credentials of one brand's instance, and its own files.
    func instance(_ slug: Slug) -> String { "\(root)/instances/\(slug)" }
    /// The configuration and credentials of a process that only re-folds a schema, while it does.
    func refold(_ schema: String) -> String { "\(run)/refolds/\(schema)" }
    func socket(_ slug: Slug) -> String { "\(instanceSockets)/\(slug.socketName)" }
    /// Tells the edge that the brand exists, whether or not its instance answers.
    func marker(_ slug: Slug) -> String { "\(instanceSockets)/\(slug)\(StateLayout.markerEnding)" }
    static let markerEnding = ".known"
}
