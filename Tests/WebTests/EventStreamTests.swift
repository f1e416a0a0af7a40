import Foundation
import Glibc
import Hummingbird
import HummingbirdTesting
import Kernel
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import Web

@Suite("Server-sent events", .timeLimit(.minutes(1)))
struct EventStreamTests {
    private struct Told: Codable { var text: String }

    @Test("an event has its id, its name and its data, and a comment is between them")
    func text() async throws {
        let router = WebRouter(context: WebContext.self)
        let streams = EventStreams()
        router.get("events") { _, _ in
            try streams.open(doing: "tell") { events in
                try await events.send("told", id: "7", json: Told(text: "a\nb"))
                try await events.heartbeat()
                try await events.send("end", json: Told(text: ""))
            }
        }
        try await Application(router: router).test(.router) { client in
            try await client.execute(uri: "/events", method: .get) { response in
                #expect(response.headers[.contentType] == "text/event-stream")
                #expect(
                    String(buffer: response.body) == """
                        id: 7
                        event: told
                        data: {"text":"a\\nb"}

                        : waiting

                        event: end
                        data: {"text":""}


                        """)
            }
        }
    }

    @Test("one stream too many is refused, and there is room again when one has ended")
    func limit() throws {
        let streams = EventStreams(maximum: 2)
        var open = try (0..<2).map { _ in try streams.open(doing: "tell") { _ in } }
        let fault = #expect(throws: Fault.self) { try streams.open(doing: "tell") { _ in } }
        #expect(fault?.code == .limited)
        open.removeLast()
        #expect(throws: Never.self) { try streams.open(doing: "tell") { _ in } }
    }

    @Test("a client that does not read is dropped, after what it read came whole")
    func silence() async throws {
        let path = "/tmp/ci-events-\(UInt32.random(in: 0...UInt32.max)).sock"
        defer { unlink(path) }
        let router = WebRouter(context: WebContext.self)
        let streams = EventStreams(maximum: 1, patience: .milliseconds(300))
        let sent = Atomic<Int>(0)
        let ended = AsyncStream.makeStream(of: Void.self)
        router.get("events") { _, _ in
            try streams.open(doing: "tell") { events in
                defer { ended.continuation.finish() }
                while true {
                    try await events.send("told", json: Told(text: String(repeating: "x", count: 10_000)))
                    sent.add(1, ordering: .relaxed)
                }
            }
        }
        let ready = AsyncStream.makeStream(of: Void.self)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = WebServer(router: router, listener: .path(path, mode: 0o600), logger: logger) {
            ready.continuation.finish()
        }
        let group = ServiceGroup(configuration: .init(services: [.init(service: server)], logger: logger))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            for await _ in ready.stream {}
            let client = try Client(path)
            client.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
            for await _ in ended.stream {}
            // All that was taken fits into the buffers between the two: nothing piles up.
            #expect(sent.load(ordering: .relaxed) < 1000)
            let text = client.readToEnd()
            #expect(text.contains("event: told") && !text.hasSuffix("0\r\n\r\n"))
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }
}

/// A client that reads when it is told to.
private final class Client: Sendable {
    private let descriptor: Int32

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw Fault(.unavailable, doing: "connect", path) }
    }

    deinit { close(descriptor) }

    func send(_ text: String) {
        _ = Array(text.utf8).withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }

    func readToEnd() -> String {
        var all: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while case let count = read(descriptor, &block, block.count), count > 0 { all += block[..<count] }
        return String(decoding: all, as: UTF8.self)
    }
}
