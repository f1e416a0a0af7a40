import AsyncHTTPClient
import Foundation
import Kernel
import NIOCore
import Synchronization

/// One event of a `text/event-stream`.
package struct ServerSentEvent: Sendable, Equatable {
    /// What kind it is; `message` when the stream does not say.
    package var name: String
    package var data: String

    package init(name: String, data: String) {
        self.name = name
        self.data = data
    }
}

/// Makes events of the bytes of a `text/event-stream` (WHATWG HTML, section 9.2.6), however they are cut.
package struct ServerSentEventParser: Sendable {
    /// An event with more is not one of ours.
    package static let largestEvent = 1 << 20

    private var line: [UInt8] = []
    private var name = ""
    private var data: [String] = []
    private var size = 0
    private var endedWithReturn = false

    package init() {}

    /// The events that `bytes` complete; comments are none.
    package mutating func feed(_ bytes: some Sequence<UInt8>) throws(Fault) -> [ServerSentEvent] {
        var events: [ServerSentEvent] = []
        for byte in bytes {
            let isSecondOfTwo = endedWithReturn && byte == 0x0A
            endedWithReturn = byte == 0x0D
            if isSecondOfTwo { continue }
            if byte == 0x0A || byte == 0x0D {
                if let event = endLine() { events.append(event) }
                continue
            }
            line.append(byte)
            size += 1
            guard size <= Self.largestEvent else {
                throw Fault(.internal, doing: "follow the events", "one of them is larger than 1 MiB")
            }
        }
        return events
    }

    private mutating func endLine() -> ServerSentEvent? {
        let text = String(decoding: line, as: UTF8.self)
        line.removeAll(keepingCapacity: true)
        guard !text.isEmpty else { return dispatch() }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        var value = parts.count == 2 ? String(parts[1]) : ""
        if value.hasPrefix(" ") { value.removeFirst() }
        switch parts[0] {
        case "event": name = value
        case "data": data.append(value)
        // A comment, or a field that is not used here.
        default: break
        }
        return nil
    }

    private mutating func dispatch() -> ServerSentEvent? {
        defer { (name, data, size) = ("", [], 0) }
        guard !data.isEmpty else { return nil }
        return ServerSentEvent(name: name.isEmpty ? "message" : name, data: data.joined(separator: "\n"))
    }
}

extension Endpoint {
    /// Calls `each` with every event of the answer to `request`, until it answers false or the stream ends.
    ///
    /// - Throws: a fault that is `unavailable` when the connection breaks, or nothing, not even a comment,
    ///   arrives for `silence`: a frozen service keeps its connections open.
    func events(
        _ request: Request, silence: Duration,
        _ each: @escaping @Sendable (ServerSentEvent) async throws -> Bool
    ) async throws {
        let body = try await open(request)
        let heard = LastWord()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await self.read(body, request) { event in
                    heard.come()
                    guard let event else { return true }
                    return try await each(event)
                }
            }
            group.addTask {
                while true {
                    let deadline = heard.cameAt + silence
                    guard ContinuousClock.now < deadline else {
                        throw Fault(.unavailable, doing: request.doing, "the service fell silent")
                    }
                    try await Task.sleep(until: deadline, clock: .continuous)
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Calls `each` with every event, and with nil for every other part that arrives.
    private func read(
        _ body: HTTPClientResponse.Body, _ request: Request,
        _ each: @Sendable (ServerSentEvent?) async throws -> Bool
    ) async throws {
        var parser = ServerSentEventParser()
        var parts = body.makeAsyncIterator()
        while let part = try await next(&parts, request) {
            guard try await each(nil) else { return }
            for event in try parser.feed(part.readableBytesView) {
                guard try await each(event) else { return }
            }
        }
    }

    private func next(
        _ parts: inout HTTPClientResponse.Body.AsyncIterator, _ request: Request
    ) async throws -> ByteBuffer? {
        do {
            return try await parts.next()
        } catch let error as CancellationError {
            throw error
        } catch {
            throw TransportFailure(error, address: address).fault(doing: request.doing)
        }
    }
}

/// When something last arrived.
private final class LastWord: Sendable {
    private let instant = Mutex(ContinuousClock.now)

    var cameAt: ContinuousClock.Instant { instant.withLock { $0 } }

    func come() { instant.withLock { $0 = .now } }
}
