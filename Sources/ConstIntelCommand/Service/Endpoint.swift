import AsyncHTTPClient
import Foundation
import Kernel
import NIOCore

/// One request to a service, and what it is for.
struct Request: Sendable {
    enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    /// What is sent along.
    enum Body: Sendable {
        case none
        case bytes([UInt8], contentType: String)
        /// Can be sent only once: a request with it is not repeated.
        case file(FileUpload, contentType: String)
    }

    var method: Method
    var path: String
    var query: [(name: String, value: String)]
    var body: Body
    /// Headers beside those of every request.
    var headers: [(name: String, value: String)] = []
    /// Lets the service recognise the same request when it comes again.
    var idempotencyKey: String?
    /// Finishes the sentence "could not …".
    var doing: String
    /// Whether the service answers only when long work is done.
    var isLong = false

    init(
        _ method: Method, _ path: String, query: [(name: String, value: String)] = [], body: Body = .none,
        doing: String
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.body = body
        self.doing = doing
    }

    /// A request whose body is `json`.
    init(_ method: Method, _ path: String, json: some Encodable, doing: String) throws {
        let bytes = [UInt8](try JSONEncoder().encode(json))
        self.init(method, path, body: .bytes(bytes, contentType: "application/json"), doing: doing)
    }

    fileprivate var isRepeatable: Bool {
        if case .file = body { false } else { true }
    }

    /// How long the answer may take. An upload lasts as long as it lasts.
    fileprivate var timeout: TimeAmount { isRepeatable && !isLong ? .seconds(60) : .hours(24) }
}

/// What a service answered to a request that it did not refuse.
struct Answer: Sendable {
    var body: Data
    /// What the request was for.
    var doing: String

    /// The answer as a `T`; a fault when it is something else.
    func decode<T: Decodable>(_ type: T.Type) throws(Fault) -> T {
        do {
            return try JSONDecoder().decode(type, from: body)
        } catch {
            throw Fault(
                .internal, doing: doing, "the answer is not one that this version of constintel understands",
                field: Self.place(of: error))
        }
    }

    /// The member that an answer was misunderstood at, such as `items.0.slug`.
    private static func place(of error: any Error) -> String? {
        let path: [any CodingKey] =
            switch error as? DecodingError {
            case .keyNotFound(let key, let context): context.codingPath + [key]
            case .typeMismatch(_, let context), .valueNotFound(_, let context): context.codingPath
            case .dataCorrupted(let context): context.codingPath
            default: []
            }
        return path.isEmpty
            ? nil : path.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
    }

    /// The answer's own text.
    var text: String { String(decoding: body, as: UTF8.self) }
}

/// An HTTP API that requests are sent to with the credentials for it.
struct Endpoint: Sendable {
    /// What an answer may have at most. Pages are limited far below this by the service.
    private static let largestAnswer = 64 << 20

    let http: HTTPClient
    let address: ServiceAddress
    let credentials: any Credentials

    /// The answer to `request`; throws a fault with the service's own words when it refuses, and one that is
    /// `unavailable` when it does not answer. A token that is not taken is replaced once.
    func send(_ request: Request) async throws -> Answer {
        Answer(body: try await collect(open(request), request), doing: request.doing)
    }

    /// The body of the answer to `request` as it arrives; refusals and replaced tokens as with `send`.
    func open(_ request: Request) async throws -> HTTPClientResponse.Body {
        let token = try await credentials.token()
        var response = try await exchange(request, token: token)
        if response.status == .unauthorized, request.isRepeatable, let token,
            let other = try await credentials.token(insteadOf: token), other != token
        {
            response = try await exchange(request, token: other)
        }
        let status = Int(response.status.code)
        guard (200..<300).contains(status) else {
            let body = try await collect(response.body, request)
            throw Refusal(status: status, body: body).fault(doing: request.doing)
        }
        return response.body
    }

    private func exchange(_ request: Request, token: String?) async throws -> HTTPClientResponse {
        try await transport(doing: request.doing) {
            try await http.execute(message(request, token: token), timeout: request.timeout)
        }
    }

    private func collect(_ body: HTTPClientResponse.Body, _ request: Request) async throws -> Data {
        try await transport(doing: request.doing) {
            Data(try await body.collect(upTo: Self.largestAnswer).readableBytesView)
        }
    }

    /// Runs `work`, whose errors are those of a connection, and tells them as faults.
    func transport<Result: Sendable>(
        doing: String, isolation: isolated (any Actor)? = #isolation, _ work: () async throws -> Result
    ) async throws -> Result {
        do {
            return try await work()
        } catch let error as CancellationError {
            throw error
        } catch {
            throw TransportFailure(error, address: address).fault(doing: doing)
        }
    }

    private func message(_ request: Request, token: String?) -> HTTPClientRequest {
        var message = HTTPClientRequest(url: address.url(path: request.path, query: request.query))
        message.method = .init(rawValue: request.method.rawValue)
        message.headers.add(name: "Accept", value: "application/json")
        message.headers.add(name: "User-Agent", value: "constintel")
        if let token { message.headers.add(name: "Authorization", value: "Bearer \(token)") }
        for (name, value) in request.headers { message.headers.add(name: name, value: value) }
        if let key = request.idempotencyKey { message.headers.add(name: "Idempotency-Key", value: key) }
        switch request.body {
        case .none:
            break
        case .bytes(let bytes, let contentType):
            message.headers.add(name: "Content-Type", value: contentType)
            message.body = .bytes(bytes)
        case .file(let upload, let contentType):
            message.headers.add(name: "Content-Type", value: contentType)
            message.body = .stream(upload, length: upload.length.map { .known($0) } ?? .unknown)
        }
        return message
    }
}
