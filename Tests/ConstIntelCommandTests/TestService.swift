import Contract
import Foundation
import Hummingbird
import Kernel
import Logging
import NIOCore
import Synchronization

@testable import ConstIntelCommand

/// What a service was asked.
struct Asked: Sendable {
    var method: String
    var path: String
    var query: [String]
    var token: String?
    var idempotencyKey: String?
    var contentType: String?
    var body: [UInt8]
    /// Where a piece of a file begins.
    var offset: Int64?
    /// What is kept with a file that comes in pieces.
    var metadata: [String: String] = [:]

    var call: String { "\(method) \(path)" }

    /// The JSON object of the body.
    var json: JSONValue? { try? JSONDecoder().decode(JSONValue.self, from: Data(body)) }
}

/// An answer to give.
struct Reply: Sendable {
    var status = 200
    var body: String
    /// Writes the body instead, in parts; the connection breaks off where it throws.
    var stream: (@Sendable (inout any ResponseBodyWriter) async throws -> Void)?

    init(_ body: String = "", status: Int = 200) {
        self.body = body
        self.status = status
    }

    /// A body of server-sent events.
    static func events(
        _ stream: @escaping @Sendable (inout any ResponseBodyWriter) async throws -> Void
    ) -> Reply {
        var reply = Reply()
        reply.stream = stream
        return reply
    }

    init(_ value: some Encodable, status: Int = 200) throws {
        self.init(String(decoding: try JSONEncoder().encode(value), as: UTF8.self), status: status)
    }

    /// A problem answer.
    static func problem(_ status: Int, _ code: String, _ detail: String, field: String? = nil) -> Reply {
        let member = field.map { #","field":"\#($0)""# } ?? ""
        let body = #"{"type":"https://constintel.dev/problems/\#(code)","title":"\#(code)","#
        return Reply(
            body + #""status":\#(status),"detail":"\#(detail)","code":"\#(code)"\#(member)}"#, status: status)
    }
}

/// A real HTTP server on a real socket and a real port that answers as a test says: what the command sees of
/// a service, without the service.
final class TestService: Sendable {
    /// The state directory whose `run/operator.sock` the server listens on.
    let state: String
    /// A directory for the session file.
    let configuration: String
    private let readsUploads: Bool
    private let port = Mutex(0)
    private let log = Mutex<[Asked]>([])
    private let pieces = AsyncStream<Int>.makeStream()

    private init(_ directory: String, readsUploads: Bool) {
        self.readsUploads = readsUploads
        state = directory + "/state"
        configuration = directory + "/config"
    }

    /// The server's base URL.
    var url: String { "http://127.0.0.1:\(port.withLock { $0 })" }

    /// What it was asked so far.
    var asked: [Asked] { log.withLock { $0 } }

    /// Sizes of the parts of uploaded files, as they arrive.
    var arrivals: AsyncStream<Int> { pieces.stream }

    /// Runs `body` beside a server that answers with `answer`, in a directory of its own; one that does not
    /// read uploads answers to them at once.
    static func run(
        readsUploads: Bool = true,
        _ answer: @escaping @Sendable (Asked, TestService) async throws -> Reply,
        _ body: @Sendable (TestService) async throws -> Void
    ) async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let service = TestService(directory, readsUploads: readsUploads)
        try FileManager.default.createDirectory(
            atPath: service.state + "/run", withIntermediateDirectories: true)
        let started = AsyncStream<Int?>.makeStream()
        let socket = service.application(
            .unixDomainSocket(path: service.state + "/run/operator.sock"), answer
        ) {
            _ in started.continuation.yield(nil)
        }
        let web = service.application(.hostname("127.0.0.1", port: 0), answer) { port in
            started.continuation.yield(port)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await socket.run() }
            group.addTask { try await web.run() }
            for await port in started.stream.prefix(2) {
                if let port { service.port.withLock { $0 = port } }
            }
            defer { group.cancelAll() }
            try await body(service)
        }
    }

    private func application(
        _ address: BindAddress, _ answer: @escaping @Sendable (Asked, TestService) async throws -> Reply,
        _ onRunning: @escaping @Sendable (Int?) -> Void
    ) -> Application<CallbackResponder<BasicRequestContext>> {
        var logger = Logger(label: "test-service")
        logger.logLevel = .critical
        return Application(
            responder: CallbackResponder { request, _ in try await self.respond(to: request, answer) },
            configuration: .init(address: address),
            onServerRunning: { onRunning($0.localAddress?.port) }, logger: logger)
    }

    private func respond(
        to request: Hummingbird.Request, _ answer: @Sendable (Asked, TestService) async throws -> Reply
    ) async throws -> Response {
        var body: [UInt8] = []
        let isUpload = request.uri.path.hasSuffix("/csv")
        if !isUpload || readsUploads {
            for try await piece in request.body {
                body.append(contentsOf: piece.readableBytesView)
                if isUpload { pieces.continuation.yield(piece.readableBytes) }
            }
        }
        let query = request.uri.query.map { $0.split(separator: "&").map(String.init) } ?? []
        var asked = Asked(
            method: request.method.rawValue, path: request.uri.path, query: query,
            token: request.headers[.authorization]?.replacing("Bearer ", with: ""),
            idempotencyKey: request.headers[.init("Idempotency-Key")!],
            contentType: request.headers[.contentType], body: body,
            offset: request.headers[.init("Upload-Offset")!].flatMap { Int64($0) })
        for entry in request.headers[.init("Upload-Metadata")!]?.split(separator: ",") ?? [] {
            let parts = entry.split(separator: " ").map(String.init)
            let value = Data(base64Encoded: parts.last ?? "").map { String(decoding: $0, as: UTF8.self) }
            asked.metadata[parts[0]] = value
        }
        log.withLock { $0.append(asked) }
        let reply = try await answer(asked, self)
        if let stream = reply.stream {
            return Response(
                status: .ok, headers: [.contentType: "text/event-stream"],
                body: .init { writer in
                    try await stream(&writer)
                    try await writer.finish(nil)
                })
        }
        return Response(
            status: .init(code: reply.status), headers: [.contentType: "application/json"],
            body: .init(byteBuffer: ByteBuffer(string: reply.body)))
    }
}

/// A new directory with a short path, for sockets.
func temporaryDirectory() throws -> String {
    let name = String(UInt32.random(in: 0...UInt32.max), radix: 36)
    let path = FileManager.default.temporaryDirectory.path + "/ci-\(name)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
}

/// What a run of the command left behind.
struct Outcome: Sendable {
    var status: Int32
    var output: String
    var error: String
}

/// Runs the command in surroundings that know nothing but `environment`.
func constintel(
    _ arguments: [String], environment: [String: String], input: String? = nil, terminal: Bool = false,
    clock: any WallClock = SystemWallClock()
) async -> Outcome {
    let written = Written()
    let surroundings = Surroundings(
        environment: environment, streams: written.streams(terminal: terminal), readLine: { input },
        inputIsTerminal: terminal, clock: clock, systemStateDirectory: "/nonexistent",
        pollInterval: .milliseconds(1))
    let status = await Surroundings.$current.withValue(surroundings) { await CommandLineTool.run(arguments) }
    return Outcome(status: status, output: written.output, error: written.error)
}

extension TestService {
    /// Runs the command as a person on the service's machine would.
    func locally(
        _ arguments: String..., input: String? = nil, terminal: Bool = false
    ) async -> Outcome { await locally(arguments, input: input, terminal: terminal) }

    /// The same with a list of arguments.
    func locally(_ arguments: [String], input: String? = nil, terminal: Bool = false) async -> Outcome {
        await constintel(
            arguments, environment: ["CONSTINTEL_HOME": state, "XDG_CONFIG_HOME": configuration],
            input: input, terminal: terminal)
    }

    /// Runs the command as a person elsewhere would, who has logged in or will.
    func remotely(_ arguments: String..., input: String? = nil, clock: any WallClock = SystemWallClock())
        async -> Outcome
    {
        await constintel(
            arguments, environment: ["CONSTINTEL_URL": url, "XDG_CONFIG_HOME": configuration], input: input,
            clock: clock)
    }

    /// The answer to a `POST /api/auth/brand-token`: this server, under the brand's prefix.
    func brandToken(_ token: String = "brand-token", expiresIn: Int = 300) throws -> Reply {
        try Reply(BrandToken(accessToken: token, expiresIn: expiresIn, url: "\(url)/b/demo"))
    }
}

/// Collects what a run writes.
final class Written: Sendable {
    private let texts = Mutex((output: "", error: ""))

    var output: String { texts.withLock { $0.output } }
    var error: String { texts.withLock { $0.error } }

    func streams(terminal: Bool, width: Int = 80) -> Streams {
        Streams(
            output: { text in self.texts.withLock { $0.output += text } },
            error: { text in self.texts.withLock { $0.error += text } },
            outputIsTerminal: terminal, errorIsTerminal: terminal, width: width)
    }
}
