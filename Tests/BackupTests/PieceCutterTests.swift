import Testing

@testable import Backup

@Suite("Tables are cut into pieces by what is in them")
struct PieceCutterTests {
    /// Rows of about 200 bytes with keys that rise.
    private static func rows(_ range: Range<Int>, salt: String = "") -> [[UInt8]] {
        range.map { number in
            let key = String(repeating: "0", count: 12 - "\(number)".count) + "\(number)"
            return Array(
                "\(key)-\(number &* 2_654_435_761)\t\(salt)\(String(repeating: "x", count: 170))\n".utf8)
        }
    }

    private static func cut(_ rows: [[UInt8]], chunk: Int) -> [BackupManifest.Content] {
        var cutter = PieceCutter()
        var pieces: [BackupManifest.Content] = []
        var start = 0
        while start < rows.count {
            let end = min(start + chunk, rows.count)
            pieces += cutter.add(Array(rows[start..<end].joined()))
            start = end
        }
        if let rest = cutter.end() { pieces.append(rest) }
        return pieces
    }

    @Test("pieces hold all rows in order, within their sizes, however the rows come")
    func sizes() {
        let rows = Self.rows(0..<60_000)
        let pieces = Self.cut(rows, chunk: 1000)
        #expect(pieces.flatMap(\.bytes) == Array(rows.joined()))
        #expect(pieces.reduce(0) { $0 + $1.piece.rows } == 60_000)
        #expect(pieces.count >= 4)
        #expect(pieces.dropLast().allSatisfy { $0.piece.bytes >= PieceCutter.least })
        #expect(pieces.allSatisfy { $0.piece.bytes <= PieceCutter.most + 250 })
        #expect(Self.cut(rows, chunk: 7).map(\.piece) == pieces.map(\.piece))
        #expect(Self.cut(rows, chunk: 60_000).map(\.piece) == pieces.map(\.piece))
    }

    @Test("rows that are added, changed or taken away make other pieces only around them")
    func stability() {
        let before = Self.rows(0..<80_000)
        let pieces = Set(Self.cut(before, chunk: 500).map(\.piece.sha256))
        func fresh(_ rows: [[UInt8]]) -> Int {
            Self.cut(rows, chunk: 500).count { !pieces.contains($0.piece.sha256) }
        }
        #expect(fresh(before) == 0)
        #expect(fresh(before + Self.rows(80_000..<80_800)) <= 2, "appended")
        #expect(fresh(Self.rows(-50..<0) + before) <= 2, "put before all others")
        var changed = before
        changed[40_000] = Self.rows(40_000..<40_001, salt: "changed")[0]
        #expect(fresh(changed) == 1, "changed behind its key")
        #expect(fresh(Array(before[..<40_000] + before[40_100...])) <= 2, "taken away")
        #expect(pieces.count >= 6)
    }

    @Test("no rows make no piece")
    func empty() {
        var cutter = PieceCutter()
        #expect(cutter.add([]).isEmpty)
        #expect(cutter.end() == nil)
    }
}
