import CoreMetrics
import Synchronization

/// What holds the value of one series while it is recorded.
protocol MetricCell: AnyObject, Sendable {
    static var kind: MetricFamily.Kind { get }
    func samples(_ labels: MetricLabels) -> [MetricFamily.Sample]
}

final class CounterCell: MetricCell, CounterHandler {
    static let kind = MetricFamily.Kind.counter
    private let value = Atomic<Int64>(0)

    func increment(by amount: Int64) {
        if amount > 0 { value.wrappingAdd(amount, ordering: .relaxed) }
    }

    func reset() { value.store(0, ordering: .relaxed) }

    func samples(_ labels: MetricLabels) -> [MetricFamily.Sample] {
        [.init(labels: labels, value: Double(value.load(ordering: .relaxed)))]
    }
}

final class GaugeCell: MetricCell, MeterHandler, RecorderHandler {
    static let kind = MetricFamily.Kind.gauge
    private let value = Mutex(0.0)

    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { self.value.withLock { $0 = value } }
    func increment(by amount: Double) { value.withLock { $0 += amount } }
    func decrement(by amount: Double) { value.withLock { $0 -= amount } }
    func record(_ value: Int64) { set(Double(value)) }
    func record(_ value: Double) { set(value) }

    func samples(_ labels: MetricLabels) -> [MetricFamily.Sample] {
        [.init(labels: labels, value: value.withLock { $0 })]
    }
}

/// Counts values by how large they are.
final class HistogramCell: MetricCell, TimerHandler, RecorderHandler {
    static let kind = MetricFamily.Kind.histogram
    /// Upper bounds for durations, in seconds.
    static let seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
    /// Upper bounds for numbers of things, up to a full batch.
    static let numbers: [Double] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]

    private struct State {
        /// By bound; the last counts what is above all of them.
        var counts: [Int64]
        var sum = 0.0
    }

    private let bounds: [Double]
    private let state: Mutex<State>

    init(bounds: [Double]) {
        self.bounds = bounds
        state = Mutex(State(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock { state in
            state.counts[bucket] += 1
            state.sum += value
        }
    }

    /// Each bucket counts those below it too.
    func samples(_ labels: MetricLabels) -> [MetricFamily.Sample] {
        let state = state.withLock { $0 }
        var total: Int64 = 0
        var samples: [MetricFamily.Sample] = []
        for (bound, count) in zip(bounds + [.infinity], state.counts) {
            total += count
            samples.append(
                .init(
                    suffix: "_bucket", labels: labels.with("le", MetricsText.number(bound)),
                    value: Double(total)))
        }
        samples.append(.init(suffix: "_sum", labels: labels, value: state.sum))
        samples.append(.init(suffix: "_count", labels: labels, value: Double(total)))
        return samples
    }
}
