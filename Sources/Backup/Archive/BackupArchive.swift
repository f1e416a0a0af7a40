import Kernel

/// Writes a backup's archive into a repository, member by member.
package actor BackupArchive {
    private let writer: ArchiveWriter
    private let pipe: PipeWriter

    /// An archive of nothing yet.
    package init(to pipe: PipeWriter) throws(Fault) {
        writer = try ArchiveWriter()
        self.pipe = pipe
    }

    /// Writes a member.
    package func add(_ name: String, _ content: [UInt8]) async throws(Fault) {
        try await pipe.write(writer.member(name, content))
    }

    /// Writes a piece of a table.
    package func add(_ content: BackupManifest.Content, of table: String, in folder: String)
        async throws(Fault)
    {
        try await add("\(folder)/\(table)/\(content.piece.sha256.prefix(16)).copy", content.bytes)
    }

    /// Writes the manifest, without which an archive counts for nothing, and ends the archive.
    package func end(_ manifest: BackupManifest) async throws {
        try await add(BackupManifest.name, manifest.encoded())
        try await pipe.write(writer.end())
    }
}
