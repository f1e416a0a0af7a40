import Foundation
import Logging
import Testing

@testable import Web

@Suite("Structured logs")
struct LogTests {
    private func line(_ layout: StructuredLogHandler.Layout, _ message: String) -> String {
        var handler = StructuredLogHandler(label: "test", level: .info, layout: layout)
        handler[metadataKey: "brand"] = "acme"
        handler[metadataKey: "message"] = "a field of this name"
        return handler.line(
            for: LogEvent(
                level: .warning, message: "\(message)", metadata: ["n": "1"], source: nil, file: "",
                function: "",
                line: 0))
    }

    @Test("away from a terminal a line is one JSON object, whatever the message holds")
    func json() throws {
        let message = "a \"quoted\"\nline \\ \u{1} ü"
        let text = line(.json, message)
        #expect(!text.contains("\n"))
        let object = try JSONDecoder().decode([String: String].self, from: Data(text.utf8))
        #expect(object["message"] == message)
        #expect(object["message_"] == "a field of this name")
        #expect((object["level"], object["brand"], object["n"]) == ("warning", "acme", "1"))
    }

    @Test("on a terminal a line cannot be made to look like two")
    func human() {
        let text = line(.human, "one\n12:00:00 INFO  two")
        #expect(!text.contains("\n"))
        #expect(text.contains("WARNING  one 12:00:00 INFO  two brand=acme"))
    }
}
