import Hummingbird
import NIOCore

/// Metrics of one or several processes as Prometheus reads them: each family once, with all of its series.
public struct MetricsText: Sendable {
    private struct Family {
        let kind: String
        var help: String?
        var lines: [String] = []
    }

    private var families: [String: Family] = [:]

    public init() {}

    /// Adds what this process knows.
    public mutating func add(_ family: MetricFamily) {
        for sample in family.samples {
            let labels = sample.labels.text.isEmpty ? "" : "{\(sample.labels.text)}"
            append(
                "\(family.name)\(sample.suffix)\(labels) \(MetricsText.number(sample.value))",
                to: family.name, kind: family.kind.rawValue, help: MetricsText.escaped(family.help))
        }
    }

    /// Adds what another process has answered, with one more label on each of its series.
    ///
    /// A family that is of another kind there, as it may be in another release, is left out.
    public mutating func add(_ text: String, labelled name: String, _ value: String) {
        let label = MetricLabels([(name, value)]).text
        var help: [Substring: Substring] = [:]
        var current: (name: String, kind: String, help: String?)?
        for line in text.split(separator: "\n") {
            if line.hasPrefix("#") {
                let words = line.split(separator: " ", maxSplits: 3)
                guard words.count >= 3 else { continue }
                if words[1] == "HELP" { help[words[2]] = words.count == 4 ? words[3] : "" }
                if words[1] == "TYPE", words.count == 4 {
                    current = (String(words[2]), String(words[3]), help[words[2]].map(String.init))
                }
            } else if let current, let end = line.firstIndex(where: { $0 == "{" || $0 == " " }) {
                let rest = line[line.index(after: end)...]
                let labels = line[end] == "{" ? "{\(label),\(rest)" : "{\(label)} \(rest)"
                append("\(line[..<end])\(labels)", to: current.name, kind: current.kind, help: current.help)
            }
        }
    }

    private mutating func append(_ line: String, to name: String, kind: String, help: String?) {
        guard families[name, default: Family(kind: kind, help: help)].kind == kind else { return }
        families[name, default: Family(kind: kind, help: help)].lines.append(line)
    }

    /// The whole text, families by name.
    public func render() -> String {
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            if let help = family.help, !help.isEmpty { text += "# HELP \(name) \(help)\n" }
            text += "# TYPE \(name) \(family.kind)\n"
            for line in family.lines { text += line + "\n" }
        }
        return text
    }

    /// The whole text as an answer.
    public var response: Response {
        Response(
            status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
            body: .init(byteBuffer: ByteBuffer(string: render())))
    }

    private static func escaped(_ help: String) -> String {
        help.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
    }

    /// Whole numbers without a fraction; the format's words for what is not finite.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map { "\($0)" } ?? "\(value)"
    }
}
