import Kernel
import Testing

@testable import Backup

@Suite("What a manifest refuses")
struct ManifestTests {
    @Test("a format of another release names the format; what is no manifest is told so")
    func formats() {
        let other = #expect(throws: Fault.self) {
            try BackupManifest(encoded: Array(#"{"format": 99}"#.utf8))
        }
        #expect(other?.code == .invalid && other?.detail.contains("its format is 99") == true)
        for text in ["", "{}", "[]", #"{"format": 1}"#, #"{"format": "1"}"#] {
            let fault = #expect(throws: Fault.self) { try BackupManifest(encoded: Array(text.utf8)) }
            #expect(fault?.detail == "it is malformed", "\(text)")
        }
    }

    @Test("tables with other rows have other hashes")
    func hashes() {
        var (one, two) = (
            BackupManifest.Table(name: "a", columns: ["x"]), BackupManifest.Table(name: "a", columns: ["x"])
        )
        one.pieces = [.init(content: [1], rows: 1), .init(content: [2], rows: 1)]
        two.pieces = [.init(content: [2], rows: 1), .init(content: [1], rows: 1)]
        #expect(one.sha256 != two.sha256 && one.rows == 2 && one.bytes == 2)
        two.pieces = one.pieces
        #expect(one.sha256 == two.sha256)
    }
}
