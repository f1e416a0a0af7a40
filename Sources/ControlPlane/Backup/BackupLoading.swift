import Backup
import Contract
import Foundation
import Kernel
import TenantSchema
import Workflow

/// Restores the archive of a backup into a schema beside the brand's own, and holds what came against the
/// manifest.
struct BackupLoading: Sendable {
    let scratch: ScratchSchemaStore
    /// Whether work that was going on when the backup was made is marked as failed: nobody goes on with it.
    let endsOperations: Bool

    /// Reads the archive to its end.
    ///
    /// - Parameter source: whose backup it is, where it is not the brand's own.
    /// - Throws: `Fault.invalid` for an archive that is damaged, another brand's, of another version of the
    ///   tables or not written to its end. What was loaded until then is rolled back.
    func load(
        _ reader: ArchiveReader, into schema: String, _ instance: Instance, from source: BrandID? = nil,
        generation: Int64, manifestHash: String?, report: @escaping BrandArchive.Report
    ) async throws -> BackupManifest {
        let head = try await head(reader, of: source ?? instance.brand)
        try await scratch.make(schema, instance, generation: generation, months: head.months)
        return try await scratch.filling(schema, instance.slug) { filling in
            let manifest = try await rows(
                reader, head, into: filling, manifestHash: manifestHash, report: report)
            try await filling.sequences(manifest.sequences)
            if endsOperations {
                try await filling.endOperations("the brand was restored while this was going on")
            }
            if source != nil { try await filling.forgetUse() }
            return manifest
        }
    }

    /// Hands the entries of a stream, which come first in the archive, to `body`; gives how many there were.
    static func entries(
        _ reader: ArchiveReader, of stream: String,
        _ body: ([[(String, [UInt8])]]) async throws -> Void
    ) async throws -> Int {
        var count = 0
        while let member = try await reader.next(), member.name != "backup.json" {
            guard member.name.hasPrefix("streams/\(stream)/") else { continue }
            let entries = try member.content.split(separator: UInt8(ascii: "\n")).map {
                try JSONDecoder().decode(ArchivedEntry.self, from: Data($0)).values
            }
            try await body(entries)
            count += entries.count
        }
        return count
    }

    /// What stands before the rows.
    private func head(_ reader: ArchiveReader, of brand: BrandID) async throws -> BackupManifest {
        while let member = try await reader.next() {
            guard member.name == "backup.json" else { continue }
            let head = try BackupManifest(encoded: member.content)
            guard head.brandId == brand else {
                let owner = head.brandId.map { "\($0)" } ?? "no brand"
                throw damaged("it is a backup of '\(head.slug)' (\(owner)), another brand")
            }
            guard head.schemaVersion == TenantSchema.version else {
                throw damaged(
                    "its tables have version \(head.schemaVersion), written by release \(head.release), "
                        + "and this release needs \(TenantSchema.version)")
            }
            return head
        }
        throw damaged("it ends before it says what it is")
    }

    private func rows(
        _ reader: ArchiveReader, _ head: BackupManifest, into filling: ScratchSchemaStore.Filling,
        manifestHash: String?, report: @escaping BrandArchive.Report
    ) async throws -> BackupManifest {
        var loaded: [String: [BackupManifest.Piece]] = [:]
        var columns: [String: [String]] = [:]
        var progress = ArchiveProgress(expectedRows: 0)
        while let member = try await reader.next() {
            if member.name == BackupManifest.name {
                let manifest = try BackupManifest(encoded: member.content)
                try check(manifest, head, loaded, hash: (manifestHash, member.content))
                return manifest
            }
            let path = member.name.split(separator: "/")
            guard path.count == 3, path[0] == "tables" else { continue }
            let table = String(path[1])
            guard TenantSchema.archived.contains(where: { $0.table == table }) else {
                throw damaged("it has a table '\(table)' that no brand has")
            }
            if columns.isEmpty { columns = try await TenantArchiveStore.columns(in: filling.transaction) }
            let rows = try await filling.rows(member.content, of: table, columns: columns[table] ?? [])
            let piece = BackupManifest.Piece(content: member.content, rows: Int64(rows))
            loaded[table, default: []].append(piece)
            if let words = progress.add(piece) { await report(words) }
        }
        throw damaged("it was not written to its end")
    }

    /// Holds what was loaded against what was written.
    private func check(
        _ manifest: BackupManifest, _ head: BackupManifest, _ loaded: [String: [BackupManifest.Piece]],
        hash: (expected: String?, manifest: [UInt8])
    ) throws {
        if let expected = hash.expected, BackupManifest.hash(hash.manifest) != expected {
            throw damaged("its manifest is not the one that was written")
        }
        guard manifest.brandId == head.brandId, manifest.takenAt == head.takenAt else {
            throw damaged("its end belongs to another backup")
        }
        for table in manifest.tables where table.pieces != loaded[table.name] ?? [] {
            let found = loaded[table.name] ?? []
            let different = zip(table.pieces, found).first { $0 != $1 }.map {
                "piece \($0.0.sha256.prefix(16))"
            }
            throw damaged(
                "the table \(table.name) is not what was written: "
                    + (different.map { "\($0) is another one" }
                        ?? "\(found.count) of \(table.pieces.count) pieces are there"))
        }
    }

    private func damaged(_ detail: String) -> Fault {
        Fault(.invalid, doing: "restore the backup", detail)
    }
}
