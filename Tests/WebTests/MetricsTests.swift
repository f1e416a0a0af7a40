import CoreMetrics
import Testing

@testable import Web

@Suite("Metrics as text")
struct MetricsTests {
    private func text(_ registry: MetricsRegistry, help: [String: String] = [:]) -> [String] {
        var text = MetricsText()
        for family in registry.families(help: help) { text.add(family) }
        return text.render().split(separator: "\n").map(String.init)
            .filter { !$0.contains(MetricsRegistry.refusedName) }
    }

    @Test("a family has its meaning and its kind once, and a line for each set of labels")
    func families() {
        let registry = MetricsRegistry()
        let counter = Counter(label: "shop_orders_total", dimensions: [("kind", "web")], factory: registry)
        counter.increment(by: 3)
        counter.increment(by: -5)
        Counter(label: "shop_orders_total", dimensions: [("kind", "web")], factory: registry).increment()
        Counter(label: "shop_orders_total", dimensions: [("kind", "pos")], factory: registry).increment()
        let meter = Meter(label: "shop.open", factory: registry)
        meter.increment(by: 2.5)
        meter.decrement()
        #expect(
            text(registry, help: ["shop_orders_total": "Orders\nby \\ kind."]) == [
                "# TYPE shop_open gauge", "shop_open 1.5",
                #"# HELP shop_orders_total Orders\nby \\ kind."#, "# TYPE shop_orders_total counter",
                #"shop_orders_total{kind="web"} 4"#, #"shop_orders_total{kind="pos"} 1"#,
            ])
    }

    @Test("what a label has that would end it is escaped")
    func escaping() {
        let labels: MetricLabels = ["a": "x\"y\\z\nw", "b": "é{},="]
        #expect(labels.text == #"a="x\"y\\z\nw",b="é{},=""#)
    }

    @Test("numbers are written as the format has them")
    func numbers() {
        let values = [0, -1, 1e15, 0.25, .infinity, -.infinity, .nan, 1e300]
        #expect(
            values.map(MetricsText.number) == [
                "0", "-1", "1000000000000000", "0.25", "+Inf", "-Inf", "NaN", "1e+300",
            ])
    }

    @Test("each bucket of a histogram counts those below it too, and its bound belongs to it")
    func histogram() {
        let registry = MetricsRegistry()
        let recorder = Recorder(label: "batch_events", aggregate: true, factory: registry)
        for value in [1, 2, 3, 1000, 1001] { recorder.record(value) }
        let lines = text(registry)
        for line in [
            "# TYPE batch_events histogram", #"batch_events_bucket{le="1"} 1"#,
            #"batch_events_bucket{le="2"} 2"#, #"batch_events_bucket{le="5"} 3"#,
            #"batch_events_bucket{le="500"} 3"#, #"batch_events_bucket{le="1000"} 4"#,
            #"batch_events_bucket{le="+Inf"} 5"#, "batch_events_sum 2007", "batch_events_count 5",
        ] { #expect(lines.contains(line), "\(line)") }
        let timer = Timer(label: "wait_seconds", dimensions: [("pool", "p")], factory: registry)
        timer.recordMilliseconds(20)
        #expect(text(registry).contains(#"wait_seconds_bucket{pool="p",le="0.025"} 1"#))
        #expect(text(registry).contains(#"wait_seconds_bucket{pool="p",le="0.01"} 0"#))
        #expect(text(registry).contains(#"wait_seconds_sum{pool="p"} 0.02"#))
    }

    @Test("nothing is lost when many record at once")
    func concurrency() async {
        let registry = MetricsRegistry()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for number in 0..<1000 {
                        Counter(
                            label: "n_total", dimensions: [("third", "\(number % 3)")], factory: registry
                        ).increment()
                        Timer(label: "t_seconds", factory: registry).recordMilliseconds(1)
                        Meter(label: "g", factory: registry).increment(by: number % 2 == 0 ? 1.0 : -1.0)
                    }
                }
            }
        }
        let lines = text(registry)
        #expect(lines.contains(#"n_total{third="0"} 2672"#) && lines.contains(#"n_total{third="2"} 2664"#))
        #expect(lines.contains("t_seconds_count 8000") && lines.contains("g 0"))
        #expect(lines.contains(#"t_seconds_bucket{le="0.001"} 8000"#))
    }

    @Test("series beyond the limit, and names of another kind, are counted and not kept")
    func limit() {
        let registry = MetricsRegistry(maximumSeries: 2)
        for number in 0..<5 {
            Counter(label: "n_total", dimensions: [("id", "\(number)")], factory: registry).increment()
        }
        Timer(label: "n_total", factory: registry).recordSeconds(1)
        var all = MetricsText()
        for family in registry.families(help: [:]) { all.add(family) }
        let lines = all.render().split(separator: "\n")
        #expect(lines.filter { $0.hasPrefix("n_total{") }.count == 2)
        #expect(lines.contains("\(MetricsRegistry.refusedName) 4"))
    }

    @Test("the texts of several processes become one, with a label that says whose each series is")
    func merging() {
        let one = """
            # HELP a_total How many.
            # TYPE a_total counter
            a_total 1
            a_total{k="v {x} y"} 2
            # HELP t_seconds How long.
            # TYPE t_seconds histogram
            t_seconds_bucket{le="+Inf"} 1
            t_seconds_sum 0.5
            t_seconds_count 1

            """
        var text = MetricsText()
        text.add(MetricFamily("a_total", .counter, help: "How many.", 7))
        text.add(one, labelled: "brand", "acme")
        text.add(one, labelled: "brand", "demo")
        text.add("# TYPE a_total gauge\na_total 9\nstray 1", labelled: "brand", "old")
        #expect(
            text.render() == """
                # HELP a_total How many.
                # TYPE a_total counter
                a_total 7
                a_total{brand="acme"} 1
                a_total{brand="acme",k="v {x} y"} 2
                a_total{brand="demo"} 1
                a_total{brand="demo",k="v {x} y"} 2
                # HELP t_seconds How long.
                # TYPE t_seconds histogram
                t_seconds_bucket{brand="acme",le="+Inf"} 1
                t_seconds_sum{brand="acme"} 0.5
                t_seconds_count{brand="acme"} 1
                t_seconds_bucket{brand="demo",le="+Inf"} 1
                t_seconds_sum{brand="demo"} 0.5
                t_seconds_count{brand="demo"} 1

                """)
    }

    @Test("a process knows its memory, its time, its descriptors and its start")
    func process() {
        let families = ProcessMetrics.families()
        func value(_ name: String) -> Double {
            families.first { $0.name == name }?.samples.first?.value ?? -1
        }
        #expect(value("process_resident_memory_bytes") > 1e6)
        #expect(value("process_cpu_seconds_total") >= 0)
        #expect(value("process_open_fds") >= 3 && value("process_open_fds") <= value("process_max_fds"))
        #expect(value("process_start_time_seconds") > 1.5e9 && value("process_threads") >= 1)
    }
}
