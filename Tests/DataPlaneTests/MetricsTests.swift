import Contract
import Foundation
import Kernel
import TestSupport
import Testing

@testable import DataPlane

@Suite("What an instance measures", .timeLimit(.minutes(5)))
struct MetricsTests {
    @Test("events are counted from the door to the tables, and promtool finds nothing wrong")
    func events() async throws {
        try await TestInstance.serving { instance in
            let event = #"{"eventId":"e1","type":"page_view","identifiers":{"email":"a@b.com"}}"#
            for body in [event, event, #"{"type":"nothing"}"#] {
                _ = try await instance.post("/api/events", body)
                try await instance.drained()
            }
            let batch = "{\"events\":[\(event),{\"type\":7},{}]}"
            _ = try await instance.post("/api/events/batch", batch)
            _ = try await instance.get("/api/monitoring/stats", as: StatsView.self)
            _ = try await instance.call("GET", "/api/events/\(UUID())")
            var lines: Set<Substring> = []
            try await eventually("the last batch is counted") {
                lines = Set(try await instance.metrics().split(separator: "\n"))
                return lines.contains(#"constintel_events_committed_total{outcome="known"} 2"#)
                    && lines.contains("constintel_stream_entries 0")
            }
            let expected: [Substring] = [
                "constintel_events_accepted_total 3", "constintel_events_rejected_total 3",
                #"constintel_events_committed_total{outcome="new"} 1"#,
                #"constintel_events_committed_total{outcome="known"} 2"#,
                "constintel_events_dead_lettered_total 0", "constintel_writer_failures_total 0",
                "constintel_writer_commit_duration_seconds_count 3", "constintel_writer_batch_events_sum 3",
                #"constintel_intake_refusals_total{reason="full"} 0"#,
                "constintel_stream_entries_limit 200000",
                #"constintel_postgres_connections_limit{pool="projection"} 1"#,
                #"constintel_postgres_refusals_total{pool="reader"} 0"#,
                #"constintel_http_requests_total{method="POST",route="/api/events",status="2xx"} 2"#,
                #"constintel_http_requests_total{method="POST",route="/api/events",status="4xx"} 1"#,
                #"constintel_http_requests_total{method="GET",route="/api/events/{id}",status="4xx"} 1"#,
            ]
            for line in expected { #expect(lines.contains(line), "\(line)\n\(lines.sorted())") }
            #expect(try await Promtool.complaints(about: instance.metrics()).isEmpty)
        }
    }

    @Test("the rows of an import are counted by what became of them")
    func importRows() async throws {
        try await TestInstance.serving { instance in
            let answer = try await instance.post(
                "/api/integrations/csv?type=purchase&source=shop&map=email:mail&map=total:total",
                "mail,total\na@b.com,1.50\nb@b.com,2\nc@b.com,much\n", headers: ["Content-Type": "text/csv"])
            #expect(answer.status == 202, "\(answer.text)")
            try await eventually("the import is over") {
                try await instance.metrics().contains(#"rows_total{outcome="accepted"} 2"#)
            }
            #expect(try await instance.metrics().contains(#"rows_total{outcome="rejected"} 1"#))
        }
    }
}

extension TestInstance {
    /// The instance's own text, asked for without credentials as constinteld does.
    fileprivate func metrics() async throws -> String {
        let answer = try await call("GET", "/metrics", key: "")
        #expect(answer.status == 200)
        #expect(answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
        return answer.text
    }
}
