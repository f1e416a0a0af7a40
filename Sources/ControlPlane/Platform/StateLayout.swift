import Kernel

/// Where the control plane keeps what.
package struct StateLayout: Sendable {
    /// What outlives the processes: keys, and instances' configurations and files.
    package let root: String
    /// Sockets and markers.
    package let run: String
    /// What instances print.
    package let logs: String

    package init(root: String, run: String, logs: String) {
        self.root = root
        self.run = run
        self.logs = logs
    }

    /// Where nginx finds the control plane.
    package var controlSocket: String { "\(run)/constinteld.sock" }
    /// Who can open this may do everything.
    package var operatorSocket: String { "\(run)/operator.sock" }
    /// Instances' sockets, and a marker for each brand that is known.
    package var instanceSockets: String { "\(run)/instances" }
    package var secrets: String { "\(root)/secrets" }

    /// The configuration and credentials of one brand's instance, and its own files.
    func instance(_ slug: Slug) -> String { "\(root)/instances/\(slug)" }
    func socket(_ slug: Slug) -> String { "\(instanceSockets)/\(slug.socketName)" }
    /// Tells the edge that the brand exists, whether or not its instance answers.
    func marker(_ slug: Slug) -> String { "\(instanceSockets)/\(slug).known" }
}
