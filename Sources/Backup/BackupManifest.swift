import Contract
import Foundation
import Kernel
import Sealing

/// What a backup holds: its last member, `manifest.json`. An archive without it was not written to its end.
package struct BackupManifest: Codable, Sendable, Equatable {
    /// The format that this release writes, and the only one that it reads.
    package static let format = 1
    package static let name = "manifest.json"

    /// One piece of a table: `tables/<table>/<the first 16 digits of its hash>.copy`.
    package struct Piece: Codable, Sendable, Equatable {
        package let rows: Int64
        package let bytes: Int
        /// SHA-256 of the member, in hexadecimal digits.
        package let sha256: String

        /// The piece that has these bytes.
        package init(content: [UInt8], rows: Int64) {
            self.rows = rows
            bytes = content.count
            sha256 = BackupManifest.hash(content)
        }
    }

    /// SHA-256 in hexadecimal digits.
    package static func hash(_ bytes: [UInt8]) -> String { Hex.encode(SHA256.hash(bytes)) }

    /// The rows of a table, in a fixed order.
    package struct Table: Codable, Sendable, Equatable {
        package let name: String
        package let columns: [String]
        package var pieces: [Piece] = []

        package init(name: String, columns: [String]) {
            self.name = name
            self.columns = columns
        }

        package var rows: Int64 { pieces.reduce(0) { $0 + $1.rows } }
        package var bytes: Int { pieces.reduce(0) { $0 + $1.bytes } }
        /// Two tables with the same rows have the same.
        package var sha256: String {
            Hex.encode(SHA256.hash(pieces.map { "\($0.sha256)\n" }.joined().utf8))
        }
    }

    /// A piece with its bytes.
    package struct Content: Sendable {
        package let piece: Piece
        package let bytes: [UInt8]

        init(rows: Int64, bytes: [UInt8]) {
            piece = Piece(content: bytes, rows: rows)
            self.bytes = bytes
        }
    }

    /// A month of receipt that has a partition.
    package struct Month: Codable, Sendable, Equatable {
        package let partition: String
        package let starts: Timestamp
        package let ends: Timestamp

        package init(partition: String, starts: Timestamp, ends: Timestamp) {
            self.partition = partition
            self.starts = starts
            self.ends = ends
        }
    }

    /// What people recognise a backup by.
    package struct Totals: Codable, Sendable, Equatable {
        package var events: Int64 = 0
        package var profiles: Int64 = 0
        package var orders: Int64 = 0
        /// By currency, as decimal strings.
        package var revenue: [String: String] = [:]

        package init() {}
    }

    package var format = BackupManifest.format
    package var slug: String
    /// Nil for the control plane's own.
    package var brandId: BrandID?
    /// Of the brand's tables.
    package var schemaVersion: Int
    /// The release that wrote it.
    package var release: String
    /// When its view of the database began.
    package var takenAt: Timestamp
    package var months: [Month] = []
    /// The next value of each sequence, by table.
    package var sequences: [String: Int64] = [:]
    package var totals = Totals()
    package var tables: [Table] = []
    /// What the control plane knows of the brand.
    package var control: [Table] = []
    /// Entries of each stream.
    package var streams: [String: Int] = [:]

    package init(slug: String, brand: BrandID?, schemaVersion: Int, release: String, takenAt: Timestamp) {
        self.slug = slug
        brandId = brand
        self.schemaVersion = schemaVersion
        self.release = release
        self.takenAt = takenAt
    }

    package var bytes: Int { (tables + control).reduce(0) { $0 + $1.bytes } }
    package var rows: Int64 { tables.reduce(0) { $0 + $1.rows } }

    /// As its member has it.
    package func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(self))
    }

    /// - Throws: `Fault.invalid` for what is none, or is of a format that this release does not know.
    package init(encoded bytes: [UInt8]) throws(Fault) {
        struct Format: Decodable { let format: Int }
        let doing = "read the backup's manifest"
        guard let found = try? JSONDecoder().decode(Format.self, from: Data(bytes)) else {
            throw Fault(.invalid, doing: doing, "it is malformed")
        }
        guard found.format == BackupManifest.format else {
            throw Fault(
                .invalid, doing: doing,
                "its format is \(found.format), and this release reads \(BackupManifest.format): "
                    + "restore it with the release that wrote it")
        }
        do {
            self = try JSONDecoder().decode(BackupManifest.self, from: Data(bytes))
        } catch {
            throw Fault(.invalid, doing: doing, "it is malformed", cause: error)
        }
    }
}
