import Foundation
import HTTPTypes
import Hummingbird
import Kernel
import NIOCore
import Synchronization

/// Answers that are written bit by bit, such as server-sent events (WHATWG HTML, section 9.2), of which there
/// may be only so many at a time.
///
/// Whoever writes them makes the next one when the one before has gone out, so that nothing piles up for a
/// client that reads slowly; one that does not read at all is dropped, and its connection closed without an
/// end: it has to ask again.
public final class EventStreams: Sendable {
    /// A stream says something so often, be it a comment: proxies close what is silent.
    public static let heartbeat = Duration.seconds(15)
    /// How long a stream lasts at most, before the client has to ask again.
    public static let longest = Duration.seconds(3600)

    private let maximum: Int
    private let patience: Duration
    private let open = Atomic<Int>(0)

    /// - Parameters:
    ///   - maximum: streams that are open at the same time.
    ///   - patience: how long one event may wait for its client to read.
    public init(maximum: Int = 64, patience: Duration = .seconds(30)) {
        self.maximum = maximum
        self.patience = patience
    }

    /// An answer whose events `produce` writes; the stream ends when that returns.
    ///
    /// - Throws: `Fault.limited` when too many are open.
    public func open(
        doing: String, _ produce: @escaping @Sendable (inout EventStreamWriter) async throws -> Void
    ) throws(Fault) -> Response {
        var headers: HTTPFields = [.contentType: "text/event-stream", .cacheControl: "no-store"]
        // Asks nginx to pass each event on at once.
        if let name = HTTPField.Name("X-Accel-Buffering") { headers[name] = "no" }
        return try open(headers: headers, doing: doing, produce)
    }

    /// An answer of any length with these headers, whose pieces `produce` writes; it ends when that returns.
    ///
    /// - Throws: `Fault.limited` when too many are open.
    public func open(
        headers: HTTPFields, doing: String,
        _ produce: @escaping @Sendable (inout EventStreamWriter) async throws -> Void
    ) throws(Fault) -> Response {
        let seat = try Seat(of: self, doing: doing)
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody { [patience] writer in
                defer { withExtendedLifetime(seat) {} }
                let loan = WriterLoan(body: writer)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    let writing = WritingSince()
                    group.addTask {
                        var events = EventStreamWriter(body: loan.body, writing: writing)
                        try await produce(&events)
                    }
                    group.addTask { try await writing.end(after: patience, doing: doing) }
                    defer { group.cancelAll() }
                    try await group.next()
                }
                try await writer.finish(nil)
            })
    }

    /// One stream's place among those that may be open; it is free again when nobody holds it.
    private final class Seat: Sendable {
        private let streams: EventStreams

        init(of streams: EventStreams, doing: String) throws(Fault) {
            self.streams = streams
            guard streams.open.add(1, ordering: .relaxed).newValue <= streams.maximum else {
                throw Fault(
                    .limited, doing: doing, "\(streams.maximum) streams are followed already",
                    retryAfter: .seconds(10))
            }
        }

        deinit { streams.open.subtract(1, ordering: .relaxed) }
    }
}

/// Lends the connection's writer to the one child task that writes, which has it to itself meanwhile.
private struct WriterLoan: @unchecked Sendable {
    let body: any ResponseBodyWriter
}

/// Writes the events of one stream.
public struct EventStreamWriter {
    fileprivate var body: any ResponseBodyWriter
    fileprivate let writing: WritingSince

    /// Writes an event whose data is `value` as JSON.
    ///
    /// - Parameter id: what the client sends back as `Last-Event-ID` when it goes on after this event.
    public mutating func send(_ name: String, id: String? = nil, json value: some Encodable) async throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try await send(name, id: id, text: String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    /// Writes an event whose data is `text`, JSON without a line break.
    public mutating func send(_ name: String, id: String? = nil, text: String) async throws {
        let place = id.map { "id: \($0)\n" } ?? ""
        try await write("\(place)event: \(name)\ndata: \(text)\n\n")
    }

    /// Writes a comment, by which the client and what is between know that the stream lives.
    public mutating func heartbeat() async throws { try await write(": waiting\n\n") }

    /// Writes a piece of an answer that is no stream of events.
    public mutating func write(_ bytes: [UInt8]) async throws { try await write(ByteBuffer(bytes: bytes)) }

    private mutating func write(_ text: String) async throws { try await write(ByteBuffer(string: text)) }

    private mutating func write(_ buffer: ByteBuffer) async throws {
        writing.begin()
        defer { writing.end() }
        try await body.write(buffer)
    }
}

/// Since when something is being written that its client does not take.
private final class WritingSince: Sendable {
    private let instant = Mutex<ContinuousClock.Instant?>(nil)

    func begin() { instant.withLock { $0 = .now } }

    func end() { instant.withLock { $0 = nil } }

    /// Throws once one thing has been written for so long; else when it is cancelled.
    func end(after patience: Duration, doing: String) async throws {
        while true {
            let began = instant.withLock { $0 }
            let deadline = (began ?? .now) + patience
            guard deadline > .now else {
                throw Fault(.unavailable, doing: doing, "the client has read nothing for \(patience)")
            }
            try await Task.sleep(until: deadline, clock: .continuous)
        }
    }
}

extension HTTPField.Name {
    /// `Last-Event-ID`: the id of the last event that a client has had of a stream which was cut.
    public static let lastEventID = HTTPField.Name("Last-Event-ID")!
}
