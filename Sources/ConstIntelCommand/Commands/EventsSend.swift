import ArgumentParser
import Contract
import Foundation
import Kernel

struct EventsSend: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "send",
        abstract: "Send events as JSON.",
        discussion: """
            Takes one event, an array of events, {"events": [...]}, or a line for each event (NDJSON), which \
            are sent 1,000 at a time. An event with an eventId counts once however often it is sent; \
            --idempotency-key does the same for events without one.

            Example:
              echo '{"type": "search", "identifiers": {"email": "a@b.com"}}' \
                | constintel events send --brand acme
            """)

    /// Larger input is for `events import`, or for several calls.
    private static let largestInput = 64 << 20

    @Argument(help: "The file; '-' is standard input.", completion: .file())
    var file = "-"

    @Option(help: "Makes sending the same input again harmless.")
    var idempotencyKey: String?

    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    private var doing: String { "send the events to '\(brand.slug)'" }

    func run(on service: Service) async throws {
        let input = EventInput(try read())
        let instance = try await service.instance(of: brand.slug)
        switch input {
        case .single(let bytes):
            let answer = try await instance.send(request("/api/events", bytes, "application/json", part: nil))
            try service.report(answer) {
                Description(try answer.decode(JSONValue.self).fields(order: ["eventId", "outcome"])).lines
            }
        case .batch(let bytes):
            let answer = try await instance.send(
                request("/api/events/batch", bytes, "application/json", part: nil))
            try report(try answer.decode(BatchAnswer.self), on: service)
        case .lines(let batches):
            try report(try await send(batches, to: instance), on: service)
        }
    }

    private func read() throws -> [UInt8] {
        let input = try InputFile(file, doing: doing)
        var bytes: [UInt8] = []
        while let piece = try input.read(upTo: 1 << 20) {
            bytes.append(contentsOf: piece.readableBytesView)
            guard bytes.count <= Self.largestInput else {
                throw Fault(
                    .tooLarge, doing: doing, "\(file) has more than \(Self.largestInput >> 20) MiB; split it")
            }
        }
        guard bytes.contains(where: { !EventInput.blanks.contains($0) }) else {
            throw Fault(.invalid, doing: doing, "\(file == "-" ? "standard input" : file) holds no event")
        }
        return bytes
    }

    /// Sends `batches` one after the other; the verdicts' indexes count through all of them.
    private func send(_ batches: [EventInput.Batch], to instance: Endpoint) async throws -> BatchAnswer {
        var total = BatchAnswer(accepted: 0, rejected: 0, results: [])
        for (part, batch) in batches.enumerated() {
            let answer = try await instance.send(
                request("/api/events/batch", batch.bytes, "application/x-ndjson", part: part)
            ).decode(BatchAnswer.self)
            total.accepted += answer.accepted
            total.rejected += answer.rejected
            total.results += answer.results.map { verdict in
                var verdict = verdict
                verdict.index += batch.firstIndex
                return verdict
            }
        }
        return total
    }

    private func request(_ path: String, _ bytes: [UInt8], _ contentType: String, part: Int?) -> Request {
        var request = Request(.post, path, body: .bytes(bytes, contentType: contentType), doing: doing)
        request.idempotencyKey = idempotencyKey.map { key in part.map { "\(key)-\($0)" } ?? key }
        return request
    }

    private func report(_ answer: BatchAnswer, on service: Service) throws {
        switch service.output {
        case .json:
            service.streams.print(String(decoding: try JSONEncoder().encode(answer), as: UTF8.self))
        case .table:
            service.streams.print(
                "Sent to '\(brand.slug)': \(grouped(Int64(answer.accepted))) accepted, "
                    + "\(grouped(Int64(answer.rejected))) rejected.")
            let rejected = answer.results.filter { $0.outcome == .rejected }
            let table = Table(
                [.init("event", .right), .init("field"), .init("reason")],
                rows: rejected.map { [String($0.index), $0.field ?? "", $0.error ?? ""] })
            if !rejected.isEmpty { for line in table.lines(styled: false) { service.note(line) } }
        }
        if answer.rejected > 0 { throw ExitStatus.rejections }
    }
}

/// Events as a person wrote them down, and how they are sent.
enum EventInput: Equatable {
    /// Lines of NDJSON for one request.
    struct Batch: Equatable {
        /// How many events come before it.
        var firstIndex: Int
        var bytes: [UInt8]
    }

    /// One event, or something that the service will explain what is wrong with.
    case single([UInt8])
    /// `{"events": […]}`.
    case batch([UInt8])
    case lines([Batch])

    static let blanks: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
    /// What the service takes in one request.
    private static let largestBatch = 1000
    /// Well below the service's limit on a body.
    private static let largestBatchBytes = 4 << 20

    /// What `bytes` hold: one JSON value, or one on each line.
    init(_ bytes: [UInt8]) {
        let whole = try? JSONDecoder().decode(JSONValue.self, from: Data(bytes))
        switch whole {
        case .array?:
            self = .batch(Array(#"{"events":"#.utf8) + bytes + Array("}".utf8))
        case let value?:
            self = value["events"]?.elements == nil ? .single(bytes) : .batch(bytes)
        case nil:
            let lines = bytes.split(separator: 0x0A).filter { line in
                line.contains { !Self.blanks.contains($0) }
            }
            let first = lines.first.flatMap { try? JSONDecoder().decode(JSONValue.self, from: Data($0)) }
            self = first == nil ? .single(bytes) : .lines(Self.batches(lines))
        }
    }

    private static func batches(_ lines: [ArraySlice<UInt8>]) -> [Batch] {
        var batches: [Batch] = []
        var count = 0
        for (index, line) in lines.enumerated() {
            let fits = batches.last.map { $0.bytes.count + line.count < largestBatchBytes } ?? false
            if !fits || count == largestBatch {
                batches.append(Batch(firstIndex: index, bytes: []))
                count = 0
            }
            batches[batches.count - 1].bytes += line + [0x0A]
            count += 1
        }
        return batches
    }
}
