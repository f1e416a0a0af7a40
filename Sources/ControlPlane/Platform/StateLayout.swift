import Kernel

/// Where an installation keeps what, under its one state directory.
package struct StateLayout: Sendable {
    package let root: String

    package init(root: String) { self.root = root }

    /// Sockets and what lives no longer than the processes.
    package var run: String { "\(root)/run" }
    /// Where nginx finds the control plane.
    package var controlSocket: String { "\(run)/constinteld.sock" }
    /// Who can open this may do everything.
    package var operatorSocket: String { "\(run)/operator.sock" }
    /// Instances' sockets, and a marker for each brand that is known.
    package var instanceSockets: String { "\(run)/instances" }
    package var secrets: String { "\(root)/secrets" }
    package var logs: String { "\(root)/logs" }

    /// The configuration and credentials of one brand's instance, and its own files.
    func instance(_ slug: Slug) -> String { "\(root)/instances/\(slug)" }
    func socket(_ slug: Slug) -> String { "\(instanceSockets)/\(slug.socketName)" }
    /// Tells the edge that the brand exists, whether or not its instance answers.
    func marker(_ slug: Slug) -> String { "\(instanceSockets)/\(slug).known" }

    /// Checks that the longest socket path still fits into a socket's address.
    package func check() throws(Fault) {
        let longest = "\(instanceSockets)/".utf8.count + 32 + ".sock".utf8.count
        guard longest <= 107 else {
            throw Fault(
                .invalid, doing: "keep state in \(root)",
                "its path is too long for sockets by \(longest - 107) bytes")
        }
    }
}
