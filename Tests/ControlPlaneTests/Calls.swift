import Contract
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Kernel
import NIOCore
import Web

@testable import ControlPlane

/// An answer of the API under test.
struct Answer {
    let status: Int
    let headers: HTTPFields
    let body: Data

    func decode<Value: Decodable>(_: Value.Type) throws -> Value {
        try JSONDecoder().decode(Value.self, from: body)
    }

    /// The answer as a problem, for its `code` and `field`.
    var problem: Problem {
        get throws { try decode(Problem.self) }
    }
}

extension TestPlane {
    /// Calls the API as the operator on this machine, or with a token through the edge's listener.
    func call(
        _ method: HTTPRequest.Method, _ path: String, _ body: (any Encodable & Sendable)? = nil,
        token: String? = nil, headers: HTTPFields = [:]
    ) async throws -> Answer {
        let text = try body.map { String(decoding: try JSONEncoder().encode($0), as: UTF8.self) }
        return try await send(method, path, text: text, token: token, headers: headers)
    }

    /// The same with a body that need not be JSON. An empty token means the edge's listener without one.
    func send(
        _ method: HTTPRequest.Method, _ path: String, text: String?, token: String? = nil,
        headers: HTTPFields = [:]
    ) async throws -> Answer {
        let router = plane.router(token == nil ? .local : plane.tokenAuthentication)
        var fields = headers
        if let token, !token.isEmpty { fields[.authorization] = "Bearer \(token)" }
        let headers = fields
        return try await Application(router: router).test(.router) { client in
            try await client.execute(
                uri: path, method: method, headers: headers, body: text.map { ByteBuffer(string: $0) }
            ) { response in
                Answer(
                    status: response.status.code, headers: response.headers,
                    body: Data(response.body.readableBytesView))
            }
        }
    }

    /// Makes a user and logs in as them.
    func login(
        _ role: UserRole, brand: String? = nil, email: String = "ana@example.com"
    ) async throws -> TokenPair {
        let draft = UserDraft(email: email, role: role, brand: brand, password: "correct horse battery")
        let made = try await call(.post, "/api/admin/users", draft)
        guard made.status == 201 else { throw try made.problem }
        return try await call(
            .post, "/api/auth/login", LoginRequest(email: email, password: "correct horse battery"), token: ""
        ).decode(TokenPair.self)
    }
}
