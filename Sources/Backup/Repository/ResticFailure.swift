import Kernel

/// What restic says when it fails, in words that help.
enum ResticFailure {
    /// Whether a repository is missing, and may be made.
    static func isMissing(_ fault: Fault) -> Bool { fault.code == .notFound }

    /// Whether another restic holds the repository, or one that died has left its lock.
    static func isLocked(_ fault: Fault) -> Bool { fault.code == .conflict }

    static func fault(_ output: String, status: String, doing: String) -> Fault {
        let lines = output.split(separator: "\n").map { $0.trimmingPrefix("Fatal: ") }
        let said = lines.filter { !$0.isEmpty }.suffix(3).joined(separator: " | ")
        if output.contains("wrong password") {
            return Fault(.forbidden, doing: doing, "the repository's password is another one")
        }
        if output.contains("Resolving password failed") {
            return Fault(.unavailable, doing: doing, "the file of the repository's password cannot be read")
        }
        if output.contains("Is there a repository at the following location") {
            return Fault(.notFound, doing: doing, "there is no backup repository: \(said)")
        }
        if output.contains("already locked") || output.contains("unable to create lock") {
            return Fault(.conflict, doing: doing, "the repository is locked: \(said)")
        }
        if output.contains("no space left on device") {
            return Fault(.unavailable, doing: doing, "the repository's disk is full")
        }
        // What it says of content that is not what was written, or is gone.
        let isDamaged = [
            "ciphertext verification failed", "hash does not match", "wrong data returned", "invalid data",
            "does not exist", "not found in", "no such file",
        ].contains { output.contains($0) }
        if isDamaged { return Fault(.invalid, doing: doing, "restic: \(said)") }
        return Fault(
            .unavailable, doing: doing, said.isEmpty ? "restic ended with \(status)" : "restic: \(said)")
    }
}
