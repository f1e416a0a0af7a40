import Foundation

/// One state of work in progress, as a line for a terminal.
package struct ProgressBar: Sendable {
    /// What is being done, such as `uploading orders.csv`.
    package var label: String
    package var done: Int64
    /// How much there is to do; nil when nobody knows.
    package var total: Int64?
    /// What is counted: `bytes` are shown in kB and MB, anything else by its name.
    package var unit: String

    package init(label: String, done: Int64, total: Int64?, unit: String) {
        self.label = label
        self.done = done
        self.total = total
        self.unit = unit
    }

    /// The part that is done, from 0 to 1.
    package var fraction: Double? {
        guard let total, total > 0 else { return nil }
        return min(1, max(0, Double(done) / Double(total)))
    }

    /// The line, shorter than `width` columns, with the speed once there has been time to measure it.
    package func line(elapsed: Duration, width: Int) -> String {
        var figures = total.map { "\(amount(done)) of \(amount($0))" } ?? amount(done)
        if unit != "bytes" { figures += " \(unit)" }
        let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
        if seconds >= 1, done > 0, unit != "steps" {
            figures += "  \(amount(Int64(Double(done) / seconds)))/s"
        }
        var line = printable(label)
        if let fraction {
            let percent = "\(Int(fraction * 100))%"
            let padded = String(repeating: " ", count: 4 - percent.count) + percent
            let room = width - displayWidth(line) - figures.count - padded.count - 8
            if room >= 8 { line += "  " + Self.bar(fraction, cells: min(room, 40)) }
            line += " \(padded)"
        }
        line += "  \(figures)"
        return String(line.prefix(max(0, width - 1)))
    }

    private static func bar(_ fraction: Double, cells: Int) -> String {
        let filled = Int(fraction * Double(cells))
        return "[" + String(repeating: "#", count: filled) + String(repeating: "-", count: cells - filled)
            + "]"
    }

    private func amount(_ value: Int64) -> String {
        guard unit == "bytes" else { return grouped(value) }
        switch value {
        case ..<1_000: return "\(value) B"
        case ..<1_000_000: return String(format: "%.1f kB", Double(value) / 1e3)
        case ..<1_000_000_000: return String(format: "%.1f MB", Double(value) / 1e6)
        default: return String(format: "%.1f GB", Double(value) / 1e9)
        }
    }
}

/// `value` with its thousands set apart: `69,659`.
package func grouped(_ value: Int64) -> String {
    var result = ""
    for (index, digit) in String(value.magnitude).reversed().enumerated() {
        if index > 0, index % 3 == 0 { result.append(",") }
        result.append(digit)
    }
    return (value < 0 ? "-" : "") + String(result.reversed())
}

/// The line at the bottom of a terminal that shows how work goes on; silent where nobody watches.
actor ProgressLine {
    /// More often than this a line is not drawn again.
    private static let redrawInterval = Duration.milliseconds(80)

    private let streams: Streams
    private let clock = ContinuousClock()
    private var label: String?
    private var started: ContinuousClock.Instant
    private var drawn: ContinuousClock.Instant?

    init(_ streams: Streams) {
        self.streams = streams
        started = clock.now
    }

    /// Shows `bar`; a new label starts the time again.
    func show(_ bar: ProgressBar) {
        guard streams.errorIsTerminal else { return }
        let now = clock.now
        if bar.label != label {
            label = bar.label
            started = now
            drawn = nil
        }
        let isLast = bar.done == bar.total
        if let drawn, !isLast, now - drawn < Self.redrawInterval { return }
        drawn = now
        streams.error("\r\u{1B}[K" + bar.line(elapsed: now - started, width: streams.width))
    }

    /// Takes the line away, so that what is printed next has a line of its own.
    func clear() {
        guard label != nil else { return }
        label = nil
        streams.error("\r\u{1B}[K")
    }
}
