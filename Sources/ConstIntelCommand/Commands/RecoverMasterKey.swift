import ArgumentParser
import Foundation
import Glibc
import Kernel
import Sealing

/// Works on the files of a service that does not run: without its master key it does not start.
struct RecoverMasterKey: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover-master-key",
        abstract: "Bring the master key back with the recovery passphrase alone.",
        discussion: """
            Asks for the passphrase, which may also come through standard input. The key comes from \
            secrets/master.key.recovery of the state directory. Nothing is changed when the passphrase is \
            another's.

            Example:
              constintel platform recover-master-key --state /var/lib/constintel
            """)

    @Option(help: "The service's state directory (default: CONSTINTEL_HOME, or /var/lib/constintel).")
    var state: String?

    @Option(help: "Where the key goes (default: secrets/master.key of the state directory).")
    var keyFile: String?

    @Flag(help: "Also when another key is there.")
    var replace = false

    func run() async throws {
        let doing = "recover the master key"
        let surroundings = Surroundings.current
        let state = state ?? surroundings.variable("CONSTINTEL_HOME") ?? surroundings.systemStateDirectory
        let path = "\(state)/secrets/master.key.recovery"
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Fault(
                .notFound, doing: doing, "\(path) is not there or not yours to read; is --state right?")
        }
        guard let wrap = try? JSONDecoder().decode(RecoveryWrap.self, from: data) else {
            throw Fault(.invalid, doing: doing, "\(path) is damaged; take one from a backup")
        }
        if surroundings.inputIsTerminal { surroundings.streams.error("Recovery passphrase: ") }
        let typed = surroundings.readLine() ?? ""
        guard let keys = wrap.open(RecoveryPassphrase(typed: typed)) else {
            throw Fault(
                .invalid, doing: doing, "this passphrase does not open \(path); nothing was changed")
        }
        let target = keyFile ?? "\(state)/secrets/master.key"
        let bytes = keys.flatMap(\.self)
        if let present = FileManager.default.contents(atPath: target) {
            guard !present.elementsEqual(bytes) else {
                return surroundings.streams.print("\(target) is this key already.")
            }
            guard replace else {
                throw Fault(.conflict, doing: doing, "\(target) is another key; say --replace to replace it")
            }
        }
        try write(bytes, to: target, doing: doing)
        surroundings.streams.print("The master key is in \(target).")
    }

    /// Whole or not at all, and of the directory's owner, who may be another than who types.
    private func write(_ bytes: [UInt8], to path: String, doing: String) throws {
        var directory = stat()
        let temporary = path + ".new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(path, doing) }
        defer { close(descriptor) }
        let isWritten = bytes.withUnsafeBytes {
            Glibc.write(descriptor, $0.baseAddress, $0.count) == $0.count
        }
        guard isWritten, stat((path as NSString).deletingLastPathComponent, &directory) == 0,
            getuid() != 0 || fchown(descriptor, directory.st_uid, directory.st_gid) == 0,
            fsync(descriptor) == 0, rename(temporary, path) == 0
        else {
            unlink(temporary)
            throw failure(path, doing)
        }
    }

    private func failure(_ path: String, _ doing: String) -> Fault {
        Fault(.unavailable, doing: doing, "\(path) cannot be written: \(String(cString: strerror(errno)))")
    }
}
