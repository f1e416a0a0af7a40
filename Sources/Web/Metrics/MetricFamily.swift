/// All series of one name at one moment, with what they mean.
///
/// The shape is that of Prometheus's text format, version 0.0.4.
public struct MetricFamily: Sendable {
    /// How the values of a family behave.
    public enum Kind: String, Sendable {
        /// Only rises, from zero at the start of the process.
        case counter
        /// Goes up and down.
        case gauge
        /// How many values were at most so large, their sum and their number.
        case histogram
    }

    /// One line of the text.
    struct Sample: Sendable {
        /// What a histogram puts behind the family's name: `_bucket`, `_sum`, `_count`.
        var suffix = ""
        let labels: MetricLabels
        let value: Double
    }

    let name: String
    let help: String
    let kind: Kind
    let samples: [Sample]

    init(_ name: String, _ kind: Kind, help: String, samples: [Sample]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.samples = samples
    }

    /// A counter or gauge that was read somewhere, with a value for each set of labels.
    public init(_ name: String, _ kind: Kind, help: String, _ values: [(labels: MetricLabels, value: Double)])
    {
        self.init(
            name, kind, help: help, samples: values.map { Sample(labels: $0.labels, value: $0.value) })
    }

    /// A counter or gauge that was read somewhere, with one value.
    public init(_ name: String, _ kind: Kind, help: String, _ value: Double) {
        self.init(name, kind, help: help, [(MetricLabels([]), value)])
    }
}

/// The labels of one series, written as they stand between the braces.
public struct MetricLabels: Hashable, Sendable, ExpressibleByDictionaryLiteral {
    let text: String

    /// - Parameter pairs: names, which have only letters, digits and `_`, and values, which have anything.
    public init(_ pairs: [(String, String)]) {
        text = pairs.map { "\($0)=\"\(MetricLabels.escaped($1))\"" }.joined(separator: ",")
    }

    public init(dictionaryLiteral pairs: (String, String)...) { self.init(pairs) }

    private init(text: String) { self.text = text }

    /// The same labels and, behind them, one more.
    func with(_ name: String, _ value: String) -> MetricLabels {
        let pair = "\(name)=\"\(MetricLabels.escaped(value))\""
        return MetricLabels(text: text.isEmpty ? pair : "\(text),\(pair)")
    }

    private static func escaped(_ value: String) -> String {
        guard value.utf8.contains(where: { $0 == 0x5C || $0 == 0x22 || $0 == 0x0A }) else { return value }
        return value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}
