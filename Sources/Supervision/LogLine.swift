import Contract
import FoundationEssentials
import Kernel

/// What the text of one line says: ConstIntel's own programs write one JSON object a line, where nobody reads
/// along on a terminal; others write what they like.
struct LogLine: Sendable, Equatable {
    /// The `logger` of lines that a supervisor adds to the log of its unit.
    static let supervisor = "supervisor"

    var at: Timestamp?
    var level: LogEntry.Level?
    var logger: String?
    var message: String

    init(_ text: String) {
        guard text.hasPrefix("{\""), let fields = LogLine.fields(text), let message = fields["message"] else {
            self.message = text
            return
        }
        at = fields["time"].flatMap { Timestamp(rfc3339: $0) }
        // What is finer than debug in the program's own scale is debug in syslog's.
        level = fields["level"].flatMap { $0 == "trace" ? .debug : LogEntry.Level(rawValue: $0) }
        logger = fields["logger"]
        let more = fields.filter { !["time", "level", "logger", "message"].contains($0.key) }
        self.message = ([message] + more.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
            .joined(separator: " ")
    }
}

extension LogLine {
    /// The members of a JSON object whose values are texts; nil when it is something else.
    static func fields(_ text: String) -> [String: String]? {
        try? JSONDecoder().decode([String: String].self, from: Data(text.utf8))
    }

    /// A supervisor's own line about a unit, with its end, as `init(_:)` reads it.
    static func note(_ message: String, level: String, at instant: Timestamp) -> String {
        let fields = [("time", "\(instant)"), ("level", level), ("logger", supervisor), ("message", message)]
        let members = fields.map { name, value in
            let data = try? JSONEncoder().encode(value)
            return "\"\(name)\":\(data.map { String(decoding: $0, as: UTF8.self) } ?? "\"\"")"
        }
        return "{\(members.joined(separator: ","))}\n"
    }

    /// Whether a line's text is a supervisor's own.
    static func isNote(_ text: some StringProtocol) -> Bool {
        text.hasPrefix("{\"time\":\"") && text.contains("\"logger\":\"\(supervisor)\",\"message\":")
    }
}
