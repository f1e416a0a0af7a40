import AsyncHTTPClient
import Contract
import Foundation
import Kernel
import NIOCore
import Testing

/// What an instance has answered.
struct Answer: Sendable {
    let status: Int
    let headers: [String: String]
    let body: Data

    func json<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
        try JSONDecoder().decode(type, from: body)
    }

    var text: String { String(decoding: body, as: UTF8.self) }
}

extension TestInstance {
    /// Calls the instance over its socket, with its key unless `headers` say otherwise.
    func call(
        _ method: String, _ path: String, _ body: [UInt8] = [], headers: [String: String] = [:],
        key: String? = nil
    ) async throws -> Answer {
        let socket = (directory + "/s").addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        var request = HTTPClientRequest(url: "http+unix://\(socket)\(path)")
        request.method = .init(rawValue: method)
        let credential = key ?? self.key
        if !credential.isEmpty { request.headers.add(name: "Authorization", value: "Bearer \(credential)") }
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if !body.isEmpty { request.body = .bytes(ByteBuffer(bytes: body)) }
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
        let collected = try await response.body.collect(upTo: 64 << 20)
        let pairs = response.headers.map { ($0.name.lowercased(), $0.value) }
        return Answer(
            status: Int(response.status.code), headers: Dictionary(pairs) { $1 },
            body: Data(collected.readableBytesView))
    }

    func post(
        _ path: String, _ body: String, headers: [String: String] = [:], key: String? = nil
    ) async throws -> Answer {
        try await call("POST", path, Array(body.utf8), headers: headers, key: key)
    }

    func get<Value: Decodable>(_ path: String, as type: Value.Type = Value.self) async throws -> Value {
        let answer = try await call("GET", path)
        #expect(answer.status == 200, "\(path): \(answer.text)")
        return try answer.json(type)
    }

    func stats() async throws -> StatsView { try await get("/api/monitoring/stats") }

    /// Waits until nothing waits to be committed.
    func drained() async throws {
        try await eventually("the stream is empty") { try await brand.stream.length() == 0 }
    }
}

extension Answer {
    /// Expects a problem of this status, code and field, whole as RFC 9457 and the product want it.
    func expectProblem(
        _ status: Int, _ code: Fault.Code, _ field: String? = nil, _ words: String = "",
        _ comment: String = "",
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let context = Comment(rawValue: "\(comment) answered \(self.status) \(text.prefix(500))")
        #expect(self.status == status, context, sourceLocation: sourceLocation)
        #expect(
            headers["content-type"] == "application/problem+json", context, sourceLocation: sourceLocation)
        guard let problem = try? json(Problem.self) else {
            Issue.record(context, sourceLocation: sourceLocation)
            return
        }
        #expect(
            problem.status == status && problem.code == code.rawValue, context, sourceLocation: sourceLocation
        )
        #expect(problem.field == field, context, sourceLocation: sourceLocation)
        #expect(problem.type.hasSuffix("/problems/\(code.rawValue)"), context, sourceLocation: sourceLocation)
        #expect(
            problem.detail.hasPrefix("could not ") && (words.isEmpty || problem.detail.contains(words)),
            context,
            sourceLocation: sourceLocation)
        #expect(
            problem.requestId == headers["x-request-id"] && problem.requestId?.isEmpty == false, context,
            sourceLocation: sourceLocation)
    }
}
