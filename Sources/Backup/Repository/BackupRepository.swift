import Foundation
import Kernel

/// Where backups are kept: a restic repository for each brand, so that one brand's backup costs the same
/// whatever the number of brands, and one for the control plane.
package struct BackupRepository: Sendable {
    /// How to reach repositories.
    package struct Settings: Sendable {
        /// What all repositories lie below: a directory, or any place that restic knows
        /// (`s3:https://host/bucket`, `sftp:user@host:/path`, `rest:https://host/`).
        package var base: String
        /// The file with the password of all of them.
        package var passwordFile: String
        /// A file with lines `NAME=value` of what restic's backend needs, such as `AWS_ACCESS_KEY_ID`. It is
        /// read each time: one that is missing or malformed fails what needs the repository.
        package var environmentFile: String?
        /// The path of restic.
        package var executable = "/usr/bin/restic"
        /// What restic remembers of repositories elsewhere.
        package var cacheDirectory: String

        package init(base: String, passwordFile: String, cacheDirectory: String) {
            self.base = base
            self.passwordFile = passwordFile
            self.cacheDirectory = cacheDirectory
        }

        /// Whether it is a directory here.
        package var isLocal: Bool { base.hasPrefix("/") }
    }

    /// The only file of each snapshot.
    package static let file = "backup.tar"
    /// What marks a snapshot that was written to its end, and one that was not yet.
    private static let completeTag = "complete"
    private static let partialTag = "partial"

    private let restic: Restic
    /// For people.
    package var location: String { restic.location.replacing(#/\/\/[^\/@]*@/#, with: "//") }

    package init(_ name: String, _ settings: Settings) {
        restic = Restic(settings: settings, location: "\(settings.base)/\(name)")
    }

    /// One backup in the repository.
    package struct Snapshot: Decodable, Sendable, Equatable {
        package let id: String
        package let time: String
        /// Whose backup it is, as `write` was told.
        package let hostname: String?
        package let tags: [String]?
        /// The id that it had before it was complete.
        package let original: String?

        /// Whether it was written to its end.
        package var isComplete: Bool { tags?.contains(BackupRepository.completeTag) ?? false }

        /// When it was written; nil for a time that cannot be read.
        package var writtenAt: Timestamp? { Timestamp(rfc3339: time) }

        package func has(_ tag: String) -> Bool { tags?.contains(tag) ?? false }
    }

    /// What became of a write.
    package struct Written: Sendable {
        /// The snapshot; it is not complete yet.
        package let snapshot: String
        /// Bytes of the archive, and bytes that the repository did not have and has taken.
        package let bytes: Int
        package let added: Int64
    }
}

/// What restic says at the end of a backup.
private struct Summary: Decodable {
    let messageType: String
    let snapshotId: String
    let dataAdded: Int64

    enum CodingKeys: String, CodingKey {
        case messageType = "message_type"
        case snapshotId = "snapshot_id"
        case dataAdded = "data_added"
    }
}

extension BackupRepository {
    /// Makes the repository when there is none.
    package func prepare() async throws(Fault) {
        // Each call of restic derives a key from the password, which is made to take its time.
        if restic.settings.isLocal, FileManager.default.fileExists(atPath: "\(restic.location)/config") {
            return
        }
        do {
            _ = try await restic.run(["cat", "config"], doing: "open the backup repository")
        } catch let fault where ResticFailure.isMissing(fault) {
            do throws(Fault) {
                _ = try await restic.run(["init"], doing: "make the backup repository")
            } catch let failure {
                // Somebody else was first, or the place cannot be written.
                do throws(Fault) {
                    _ = try await restic.run(["cat", "config"], doing: "open the backup repository")
                } catch {
                    throw failure
                }
            }
        }
    }

    /// - Throws: `Fault.conflict` when backups of somebody else are there: of a lost installation, or of a
    ///   brand that had the same name. To add to these would hide them.
    package func requireOwn(_ owner: String, doing: String) async throws(Fault) {
        guard let other = try await snapshots().first(where: { $0.hostname != owner }) else { return }
        throw Fault(
            .conflict, doing: doing,
            "\(location) has backups that are another's, such as \(other.id.prefix(8)) of \(other.time): "
                + "recover what is lost (runbooks/machine-lost.md), or move them aside")
    }

    /// Writes a snapshot of what `produce` writes. It counts only once `complete` was called: a process that
    /// dies leaves one that looks whole to restic. `produce` may be called again when somebody else has the
    /// repository.
    ///
    /// - Parameters:
    ///   - owner: whose it is: an id that no other brand or installation has.
    ///   - tag: by which `snapshots` are recognised.
    package func write<Value: Sendable>(
        owner: String, tag: String, _ produce: @escaping @Sendable (PipeWriter) async throws -> Value
    ) async throws -> (written: Written, value: Value) {
        let doing = "write the backup"
        let arguments = [
            "backup", "--stdin", "--stdin-filename", BackupRepository.file, "--host", owner, "--tag",
            "\(BackupRepository.partialTag),\(tag)",
        ]
        let (output, bytes, value) = try await inTurn {
            try await restic.run(arguments, doing: doing, writing: produce)
        }
        let summaries = output.split(separator: "\n").reversed().lazy.compactMap {
            try? JSONDecoder().decode(Summary.self, from: Data($0.utf8))
        }
        guard let summary = summaries.first(where: { $0.messageType == "summary" }) else {
            throw Fault(.unavailable, doing: doing, "restic told of no snapshot")
        }
        return (Written(snapshot: summary.snapshotId, bytes: bytes, added: summary.dataAdded), value)
    }

    /// All snapshots, the oldest first.
    package func snapshots() async throws(Fault) -> [Snapshot] {
        let doing = "list the backups"
        let output = try await inTurn(["snapshots"], doing: doing)
        guard let found = try? JSONDecoder().decode([Snapshot].self, from: Data(output.utf8)) else {
            throw Fault(.unavailable, doing: doing, "restic's list cannot be read")
        }
        return found.sorted { $0.time < $1.time }
    }

    /// Marks the snapshot with `tag` as complete and returns it; it gets a new id by that. One that is
    /// complete already stays.
    ///
    /// - Returns: it, and all that there are, for `expired`.
    package func complete(
        tag: String, snapshot: String
    ) async throws(Fault) -> (done: Snapshot, all: [Snapshot]) {
        func written(_ all: [Snapshot]) -> Snapshot? {
            all.last { $0.isComplete && $0.original?.hasPrefix(snapshot) == true }
        }
        let marking = ["tag", "--set", "\(BackupRepository.completeTag),\(tag)", snapshot]
        // Done before, restic finds none of this id any more.
        do throws(Fault) { try await inTurn(marking, doing: "mark the backup as complete") } catch {
            guard written(try await snapshots()) != nil else { throw error }
        }
        let all = try await snapshots()
        guard let done = written(all) else {
            throw Fault(.unavailable, doing: "mark the backup as complete", "it is not there any more")
        }
        return (done, all)
    }

    /// Which of `all` are to go: complete ones that were written before `oldest`, but for the newest, and all
    /// that were not written to their end.
    package static func expired(_ all: [Snapshot], before oldest: Timestamp) -> [Snapshot] {
        let newest = all.last(where: \.isComplete)
        return all.filter { $0 != newest && (!$0.isComplete || ($0.writtenAt ?? oldest) < oldest) }
    }

    /// Forgets snapshots, and takes away what nothing needs any more. What is gone already is fine.
    ///
    /// Nobody else may write to the repository meanwhile.
    package func forget(_ ids: [String]) async throws(Fault) {
        guard !ids.isEmpty else { return }
        try await inTurn(
            ["forget", "--prune", "--max-unused", "10%"] + ids, doing: "let go of old backups")
    }

    /// Takes the repository away with all that is in it, as far as its place allows: elsewhere than in a
    /// directory here, an empty one is left.
    package func remove() async throws(Fault) {
        let doing = "remove the backups"
        guard restic.settings.isLocal else {
            do throws(Fault) {
                try await forget(try await snapshots().map(\.id))
            } catch let fault where ResticFailure.isMissing(fault) {
                return
            }
            return
        }
        do {
            try FileManager.default.removeItem(atPath: restic.location)
        } catch CocoaError.fileNoSuchFile {
            return
        } catch {
            throw Fault(.unavailable, doing: doing, "\(location) cannot be removed", cause: error)
        }
    }

    /// Reads the archive of a snapshot.
    package func read<Value: Sendable>(
        _ snapshot: String, _ consume: @escaping @Sendable (ArchiveReader) async throws -> Value
    ) async throws -> Value {
        try await inTurn {
            try await restic.run(
                ["dump", snapshot, "/\(BackupRepository.file)"], doing: "read the backup", reading: consume)
        }
    }

    /// Looks at every byte of the repository.
    ///
    /// - Throws: `Fault.unavailable` that says what is damaged.
    package func check() async throws(Fault) {
        try await inTurn(["check", "--read-data"], doing: "check the backup repository")
    }

    /// How often it is tried while another restic has the repository, and how long is paused in between.
    private static let turns = 30
    private static let pause = Duration.seconds(2)

    /// Runs a command once no other restic is in its way. A lock that a process left which is no more is
    /// taken away.
    @discardableResult
    private func inTurn(_ arguments: [String], doing: String) async throws(Fault) -> String {
        do {
            return try await inTurn { try await restic.run(arguments, doing: doing) }
        } catch {
            throw Fault.wrapping(error, doing: doing)
        }
    }

    private func inTurn<Value>(_ body: () async throws -> Value) async throws -> Value {
        var turn = 1
        while true {
            do {
                return try await body()
            } catch let fault as Fault where ResticFailure.isLocked(fault) {
                guard turn < BackupRepository.turns else {
                    throw Fault(.unavailable, doing: fault.doing, fault.detail)
                }
                _ = try await restic.run(["unlock"], doing: fault.doing)
                if turn > 1 { try await Task.sleep(for: BackupRepository.pause) }
                turn += 1
            }
        }
    }
}
