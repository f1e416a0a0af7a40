import Backup
import Contract
import Foundation
import Kernel
import Postgres
import Redis
import TenantSchema
import Workflow

/// Writes all of a brand as one archive, while the brand goes on: its stream's entries, then its tables as of
/// one moment behind them, and what the control plane knows of it (`runbooks/backup-format.md`).
///
/// An event that is committed meanwhile is in the stream's entries and in the tables, and counts once by its
/// key; the other way round it would be in neither (`durability.md`). A sleeping brand sleeps on.
struct BrandArchive: Sendable {
    let tables: TenantArchiveStore
    let control: ControlArchiveStore
    let redis: RedisClient

    /// The streams of a brand that are kept.
    static let streams = ["events", "dead"]
    /// Entries of a stream that are read at once, and make a member.
    static let pageEntries = 500

    /// Told how far it has come, in words.
    typealias Report = @Sendable (String) async -> Void

    /// Writes the archive of the brand to `pipe`.
    ///
    /// - Throws: `Fault.unavailable` when the brand's schema is replaced meanwhile.
    func write(_ slug: Slug, _ brand: BrandID, to pipe: PipeWriter, report: @escaping Report) async throws
        -> BackupManifest
    {
        let archive = try BackupArchive(to: pipe)
        try await archive.add("README", Array(BrandArchive.readMe.utf8))
        var streams: [String: Int] = [:]
        for name in BrandArchive.streams {
            streams[name] = try await write(stream: name, of: slug, to: archive)
        }
        let control = try await control.tables(of: brand)
        return try await tables.viewing(slug, schema: slug.schemaName) { view in
            let oid = try await tables.oid(view)
            var manifest = BackupManifest(
                slug: slug.text, brand: brand, schemaVersion: TenantSchema.version, release: Release.current,
                takenAt: tables.tenants.clock.now())
            manifest.streams = streams
            manifest.months = try await tables.months(view)
            manifest.sequences = try await tables.sequences(view)
            manifest.totals = try await tables.totals(view)
            // What a restore must know before the rows come.
            try await archive.add("backup.json", manifest.encoded())
            try await archive.add("schema.sql", Array(TenantSchema.sql.utf8))
            for (table, content) in control {
                var table = table
                for content in content {
                    table.pieces.append(content.piece)
                    try await archive.add(content, of: table.name, in: "control")
                }
                manifest.control.append(table)
            }
            try Failpoint.hit("brand.backup.write.half")
            manifest.tables = try await tables.pieces(view, report: report) { table, content in
                try await archive.add(content, of: table, in: "tables")
            }
            guard try await tables.stands(view, since: oid) else {
                throw Fault(
                    .unavailable, doing: "write the backup",
                    "the brand's tables were replaced meanwhile; it is begun again")
            }
            try await archive.end(manifest)
            return manifest
        }
    }

    private func write(stream name: String, of slug: Slug, to archive: BackupArchive) async throws -> Int {
        let stream = RedisStream(redis, key: slug.redisPrefix + name)
        var last: String?
        var count = 0
        while true {
            let entries = try await stream.oldest(BrandArchive.pageEntries, after: last)
            guard let end = entries.last else { return count }
            last = end.id
            count += entries.count
            let lines = try entries.map { try ArchivedEntry($0).line }
            try await archive.add("streams/\(name)/\(end.id).ndjson", lines.flatMap { $0 + [0x0A] })
        }
    }

    private static let readMe = """
        A backup of one brand, made by ConstIntel.

        manifest.json   what there is: every table with its columns and its pieces, and the hash of each piece
                        (SHA-256). An archive without it was not written to its end.
        backup.json     the same as far as it was known before the tables were written
        schema.sql      makes the brand's tables, empty
        tables/         their rows, in pieces, as COPY of PostgreSQL writes and reads them
        control/        the rows that the control plane has of the brand, likewise; secrets are sealed
        streams/        events that were accepted and not yet stored, one JSON object a line

        A brand is restored from it by psql alone as runbooks/backup-format.md says.

        """
}

extension TenantArchiveStore {
    /// Cuts all tables into pieces, hands each to `body`, and gives what there was.
    func pieces(
        _ view: View, report: @escaping BrandArchive.Report,
        _ body: nonisolated(nonsending) (String, BackupManifest.Content) async throws -> Void
    ) async throws -> [BackupManifest.Table] {
        let columns = try await TenantArchiveStore.columns(in: view.transaction)
        let expected = try await expectedRows(view)
        var tables: [BackupManifest.Table] = []
        var progress = ArchiveProgress(expectedRows: expected)
        for archived in TenantSchema.archived {
            var table = BackupManifest.Table(name: archived.table, columns: columns[archived.table] ?? [])
            var cutter = PieceCutter()
            nonisolated(nonsending) func keep(_ content: BackupManifest.Content) async throws {
                table.pieces.append(content.piece)
                try await body(table.name, content)
                if let words = progress.add(content.piece) { await report(words) }
            }
            try await rows(of: archived, columns: table.columns, view) { chunk in
                for content in cutter.add(chunk) { try await keep(content) }
            }
            if let rest = cutter.end() { try await keep(rest) }
            tables.append(table)
        }
        return tables
    }
}

/// How far a backup or a restore has come, told once a second.
struct ArchiveProgress {
    let expectedRows: Int64
    private var rows: Int64 = 0
    private var bytes = 0
    private var toldAt = ContinuousClock.now

    init(expectedRows: Int64) { self.expectedRows = expectedRows }

    /// What to say now, if anything.
    mutating func add(_ piece: BackupManifest.Piece) -> String? {
        rows += piece.rows
        bytes += piece.bytes
        guard ContinuousClock.now - toldAt >= .seconds(1) else { return nil }
        toldAt = .now
        let of = expectedRows >= rows ? " of about \(expectedRows)" : ""
        return "\(rows)\(of) rows, \(bytes >> 20) MB"
    }
}

/// An entry of a stream as a line of JSON: texts as they are, other bytes in Base64.
struct ArchivedEntry: Codable {
    struct Field: Codable {
        let name: String
        var text: String?
        var base64: String?
    }

    let id: String
    let fields: [Field]

    init(_ entry: RedisStreamEntry) {
        id = entry.id
        fields = entry.fields.map { name, value in
            if let text = String(validating: value, as: UTF8.self) { return Field(name: name, text: text) }
            return Field(name: name, base64: Data(value).base64EncodedString())
        }
    }

    /// What to append to a stream.
    var values: [(String, [UInt8])] {
        fields.map { field in
            let bytes = field.text.map { Array($0.utf8) }
            return (
                field.name, bytes ?? field.base64.flatMap { Data(base64Encoded: $0) }.map(Array.init) ?? []
            )
        }
    }

    var line: [UInt8] {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return Array(try encoder.encode(self))
        }
    }
}
