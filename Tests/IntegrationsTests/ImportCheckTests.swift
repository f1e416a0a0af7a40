import Kernel
import Testing

@testable import Integrations

@Suite("Looking at the beginning of a file")
struct ImportCheckTests {
    private func check(_ bytes: [UInt8], _ query: [String: [String]] = [:]) throws {
        var query = query
        if query["map"] == nil { query["map"] = ["email:mail", "total:value"] }
        try FileBeginning(bytes, try ImportOptions(query: { query[$0] ?? [] }, timeZone: "UTC")).check()
    }

    @Test("a file of the mapped columns is good, whatever its line ends, and when it ends within a character")
    func good() {
        for text in [
            "mail,value\na@b.c,1\n", "mail,value\r\na@b.c,1\r\n", "mail,value", "\u{FEFF}mail,value\n",
        ] {
            #expect(throws: Never.self) { try check(Array(text.utf8)) }
        }
        for cut in 1...3 {
            #expect(throws: Never.self) { try check(Array(Array("mail,value\n😀".utf8).dropLast(cut))) }
        }
    }

    @Test("an empty file, a file of blanks and a binary file are refused")
    func bad() {
        let images: [[UInt8]] = [
            [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 0x0D],
            [0x50, 0x4B, 0x03, 0x04, 0x14, 0x00],
            [0x1F, 0x8B, 0x08, 0x00],
            Array("mail,value\n\u{0}".utf8), [], Array(" \n\r\n".utf8),
            [0xEF, 0xBB, 0xBF],
        ]
        for bytes in images {
            let fault = #expect(throws: Fault.self) { try check(bytes) }
            #expect(fault?.code == .invalid)
        }
    }

    @Test("a header without the mapped column is refused, with the columns that are there")
    func missingColumn() {
        let fault = #expect(throws: Fault.self) { try check(Array("email,value\n".utf8)) }
        #expect(fault?.field == "map")
        #expect(fault?.detail.contains("there is no column 'mail'") == true)
        #expect(fault?.detail.contains("'email', 'value'") == true)
    }

    @Test("an unclosed quote at the beginning is refused")
    func unclosed() {
        let bytes =
            Array("\"mail,value\n".utf8) + Array(repeating: UInt8(ascii: "x"), count: ImportFile.sampleBytes)
        #expect(throws: Fault.self) { try check(bytes) }
    }
}
