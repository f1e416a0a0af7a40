import Sealing

/// Cuts the rows of a table, as COPY writes them, into pieces of 1 to 4 MiB whose ends depend on the rows
/// alone: where rows are added or changed, only the pieces around them are other ones.
package struct PieceCutter: ~Copyable {
    /// What a piece has at least, the last one excepted, and at most, a row's length aside.
    static let least = 1 << 20
    static let most = 4 << 20
    /// One row in so many ends a piece that is long enough.
    private static let period: UInt64 = 1024
    /// So much of a row's beginning, where its key is, decides whether it ends a piece.
    private static let keyBytes = 40

    private var piece: [UInt8] = []
    private var rows: Int64 = 0

    package init() {}

    /// Takes whole rows; hands over the pieces that they complete.
    package mutating func add(_ chunk: [UInt8]) -> [BackupManifest.Content] {
        var finished: [BackupManifest.Content] = []
        var start = 0
        while start < chunk.count {
            let end = chunk[start...].firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? chunk.count
            piece += chunk[start..<end]
            rows += 1
            if piece.count >= PieceCutter.most
                || piece.count >= PieceCutter.least && PieceCutter.ends(chunk[start..<end])
            {
                finished.append(take())
            }
            start = end
        }
        return finished
    }

    /// What is left at the end of the table.
    package mutating func end() -> BackupManifest.Content? { piece.isEmpty ? nil : take() }

    private mutating func take() -> BackupManifest.Content {
        defer { (piece, rows) = ([], 0) }
        return .init(rows: rows, bytes: piece)
    }

    /// FNV-1a over the row's beginning.
    private static func ends(_ row: ArraySlice<UInt8>) -> Bool {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in row.prefix(keyBytes) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return (hash ^ hash >> 32) % period == 0
    }
}
