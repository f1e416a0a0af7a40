import CoreMetrics
import Synchronization

/// Keeps what a process records through swift-metrics, for `/metrics` to read.
///
/// Names are Prometheus's, with the unit last: a `Timer` is a histogram of seconds and a `Recorder` that
/// aggregates one of numbers. A series lives as long as the registry.
public final class MetricsRegistry: MetricsFactory {
    /// Series that are kept; what is recorded beyond is counted as refused, and not kept.
    public static let maximumSeries = 2000
    static let refusedName = "constintel_metrics_series_refused_total"

    private struct Family {
        let kind: MetricFamily.Kind
        var cells: [MetricLabels: any MetricCell] = [:]
        /// In the order in which they came.
        var order: [MetricLabels] = []
    }

    private struct State {
        var families: [String: Family] = [:]
        var series = 0
        var refused = 0
    }

    private let maximumSeries: Int
    private let state = Mutex(State())

    public init(maximumSeries: Int = MetricsRegistry.maximumSeries) { self.maximumSeries = maximumSeries }

    /// Everything recorded so far.
    ///
    /// - Parameter help: what each name means. One that is not there has no HELP line.
    public func families(help: [String: String]) -> [MetricFamily] {
        let (families, refused) = state.withLock { ($0.families, $0.refused) }
        let recorded = families.map { name, family in
            MetricFamily(
                name, family.kind, help: help[name] ?? "",
                samples: family.order.flatMap { family.cells[$0]?.samples($0) ?? [] })
        }
        let limit = MetricFamily(
            MetricsRegistry.refusedName, .counter,
            help: "Series that were asked for and not kept, since there were too many.", Double(refused))
        return recorded + [limit]
    }

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        cell(label, dimensions) { CounterCell() } ?? NOOPMetricsHandler.instance
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        cell(label, dimensions) { GaugeCell() } ?? NOOPMetricsHandler.instance
    }

    public func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        guard aggregate else {
            return cell(label, dimensions) { GaugeCell() } ?? NOOPMetricsHandler.instance
        }
        return cell(label, dimensions) { HistogramCell(bounds: HistogramCell.numbers) }
            ?? NOOPMetricsHandler.instance
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        cell(label, dimensions) { HistogramCell(bounds: HistogramCell.seconds) }
            ?? NOOPMetricsHandler.instance
    }

    public func destroyCounter(_: any CounterHandler) {}
    public func destroyMeter(_: any MeterHandler) {}
    public func destroyRecorder(_: any RecorderHandler) {}
    public func destroyTimer(_: any TimerHandler) {}

    /// The one cell of these labels, made when there is none; nil when there is no room, or the name is
    /// another kind's.
    private func cell<Cell: MetricCell>(
        _ label: String, _ dimensions: [(String, String)], make: () -> Cell
    ) -> Cell? {
        let name = MetricsRegistry.name(label)
        let labels = MetricLabels(dimensions.map { (MetricsRegistry.name($0), $1) })
        return state.withLock { state in
            var family = state.families[name] ?? Family(kind: Cell.kind)
            if let cell = family.cells[labels] as? Cell { return cell }
            guard family.kind == Cell.kind, state.series < maximumSeries else {
                state.refused += 1
                return nil
            }
            let cell = make()
            family.cells[labels] = cell
            family.order.append(labels)
            state.families[name] = family
            state.series += 1
            return cell
        }
    }

    /// A name that Prometheus takes: what libraries call `http.server.duration` has underscores here.
    private static func name(_ label: String) -> String {
        String(decoding: label.utf8.map { isNameByte($0) ? $0 : UInt8(ascii: "_") }, as: UTF8.self)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
        default: false
        }
    }
}
