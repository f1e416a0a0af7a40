import Glibc
import Kernel
import Logging

/// Writes each log line to standard error with one `write`: for people when that is a terminal, otherwise as
/// one JSON object a line (`time`, `level`, `logger`, `message`, then the metadata).
public struct StructuredLogHandler: LogHandler {
    /// What a line looks like.
    public enum Layout: Sendable {
        case human, json
    }

    /// On every line of this logger.
    public var metadata: Logger.Metadata = [:]
    /// Lines below it are not written.
    public var logLevel: Logger.Level
    /// Asked for more metadata at every line.
    public var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let layout: Layout
    private let clock: any WallClock

    /// A handler for the logger called `label`.
    public init(
        label: String, level: Logger.Level, layout: Layout = isatty(STDERR_FILENO) == 1 ? .human : .json,
        clock: any WallClock = SystemWallClock()
    ) {
        self.label = label
        self.logLevel = level
        self.layout = layout
        self.clock = clock
    }

    /// Makes every logger of this process write this way; `CONSTINTEL_LOG_LEVEL` overrides `level`.
    public static func bootstrap(level: Logger.Level = .info) {
        let named = getenv("CONSTINTEL_LOG_LEVEL").flatMap { Logger.Level(rawValue: String(cString: $0)) }
        LoggingSystem.bootstrap { StructuredLogHandler(label: $0, level: named ?? level) }
    }

    /// One value of `metadata`.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes one line.
    public func log(event: LogEvent) {
        var line = Array(line(for: event).utf8)
        line.append(UInt8(ascii: "\n"))
        // A line that cannot be written has nowhere else to go.
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// The line of `event`, without its end.
    func line(for event: LogEvent) -> String {
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { $1 } }
        if let own = event.metadata { fields.merge(own) { $1 } }
        if let error = event.error { fields["error"] = "\(error)" }
        let sorted = fields.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        switch layout {
        case .human: return human(event, sorted)
        case .json: return json(event, sorted)
        }
    }

    private func human(_ event: LogEvent, _ fields: [(String, String)]) -> String {
        let time = "\(clock.now())".dropFirst(11).prefix(8)
        let level = event.level.rawValue.uppercased()
        let pairs = fields.map { " \($0.0)=\(printable($0.1))" }.joined()
        let padding = String(repeating: " ", count: max(0, 8 - level.count))
        return "\(time) \(level)\(padding) \(printable("\(event.message)"))\(pairs)"
    }

    private func json(_ event: LogEvent, _ fields: [(String, String)]) -> String {
        let fixed = [
            ("time", "\(clock.now())"), ("level", event.level.rawValue), ("logger", label),
            ("message", "\(event.message)"),
        ]
        let own = Set(fixed.map(\.0))
        let all = fixed + fields.map { (own.contains($0.0) ? "\($0.0)_" : $0.0, $0.1) }
        return "{" + all.map { "\(quoted($0.0)):\(quoted($0.1))" }.joined(separator: ",") + "}"
    }
}

/// `text` with control characters shown as spaces, so that what came from outside cannot forge a line.
private func printable(_ text: String) -> String {
    String(
        String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }))
}

/// `text` as a JSON string (RFC 8259, section 7).
private func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\n": result += "\\n"
        case _ where scalar.value < 0x20:
            let digits = String(scalar.value, radix: 16)
            result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}
