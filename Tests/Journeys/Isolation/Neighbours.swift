import AsyncHTTPClient
import Contract
import Foundation
import Kernel
import NIOCore
import Postgres
import Redis
import TestSupport

/// One of the brands of an installation, with everything by which it may prove who it is.
struct Neighbour: Sendable {
    let slug: Slug
    /// Stands in every text of the brand, and nowhere else.
    let canary: String
    /// Keys and the token of its instance, by their names.
    var credentials: [(name: String, value: String)] = []
    /// Access tokens of its users for the control plane, by their roles.
    var accessTokens: [(name: String, value: String)] = []
    /// Whatever it has that bears an id.
    var ids: [String] = []

    var email: String { "\(canary)@example.com" }
    var schema: String { slug.schemaName }
    var role: String { slug.runtimeRole }
}

/// An installation with brands that must not know of each other. One's name begins with another's.
struct Neighbours: Sendable {
    static let slugs = ["ash", "ash-2", "birch"]

    let installation: Installation
    let brands: [Neighbour]

    static func with(_ body: (Neighbours) async throws -> Void) async throws {
        let installation = try Installation()
        do {
            try await installation.start()
            var brands: [Neighbour] = []
            for slug in slugs { brands.append(try await settle(Slug(slug), in: installation)) }
            try await body(Neighbours(installation: installation, brands: brands))
            await installation.remove()
        } catch {
            await installation.remove()
            throw error
        }
    }

    /// All brands but one.
    func others(than brand: Neighbour) -> [Neighbour] { brands.filter { $0.slug != brand.slug } }

    // MARK: - The stores

    /// PostgreSQL as its superuser.
    func superuser(_ database: String = "constintel_brands") async throws -> PostgresConnection {
        try await connection(
            database, user: "constintel", passwordFile: "secrets/postgres-password")
    }

    /// PostgreSQL as a brand's instance.
    func connection(as brand: Neighbour, to database: String) async throws -> PostgresConnection {
        try await connection(
            database, user: brand.role,
            passwordFile: "instances/\(brand.slug)/credentials/postgres-password")
    }

    private func connection(
        _ database: String, user: String, passwordFile: String
    ) async throws -> PostgresConnection {
        try await PostgresConnection.connect(
            PostgresConfiguration(
                host: "\(installation.directory)/run", database: database, user: user,
                password: try secret(passwordFile), applicationName: "tests"), on: TestServers.reactor)
    }

    /// Redis as a brand's instance, or as who may do everything.
    func redis(as brand: Neighbour?) throws -> RedisClient {
        let (user, file) =
            brand.map { ($0.slug.redisUser, "instances/\($0.slug)/credentials/redis-password") }
            ?? ("constintel", "secrets/redis-password")
        return RedisClient(
            RedisConfiguration(
                socket: "\(installation.directory)/run/redis.sock", user: user, password: try secret(file)),
            on: TestServers.reactor)
    }

    private func secret(_ file: String) throws -> Secret {
        Secret(try String(contentsOfFile: "\(installation.directory)/\(file)", encoding: .utf8))
    }
}

// MARK: - Over HTTP

/// What the edge has answered, whole.
struct Reply: Sendable {
    let status: Int
    /// Headers and body.
    let text: String
    let body: Data
}

extension Installation {
    /// Sends a request to the edge as it stands; once more when the edge closes a kept connection just then.
    nonisolated func http(
        _ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8] = []
    ) async throws -> Reply {
        do {
            return try await sent(method, path, headers, body)
        } catch {
            return try await sent(method, path, headers, body)
        }
    }

    private nonisolated func sent(
        _ method: String, _ path: String, _ headers: [(String, String)], _ body: [UInt8]
    ) async throws -> Reply {
        var request = HTTPClientRequest(url: "http://\(edge)\(path)")
        request.method = .init(rawValue: method)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if !body.isEmpty { request.body = .bytes(ByteBuffer(bytes: body)) }
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(30))
        var bytes = ByteBuffer()
        // A stream of events may never end; how it begins is what it gives.
        let isStream = response.headers.first(name: "content-type") == "text/event-stream"
        for try await part in response.body {
            bytes.writeImmutableBuffer(part)
            if isStream || bytes.readableBytes > 16 << 20 { break }
        }
        let fields = response.headers.map { "\($0.name): \($0.value)" }.joined(separator: "\n")
        return Reply(
            status: Int(response.status.code), text: "\(fields)\n\n\(String(buffer: bytes))",
            body: Data(bytes.readableBytesView))
    }
}
