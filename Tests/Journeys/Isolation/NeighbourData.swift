import Contract
import Foundation
import Kernel
import TestSupport

extension Neighbours {
    /// Makes a brand with users, keys and data of every sort, its canary in all of them.
    static func settle(_ slug: Slug, in installation: Installation) async throws -> Neighbour {
        let number = UInt64.random(in: 1 << 40..<1 << 44)
        var brand = Neighbour(slug: slug, canary: "kestrel\(String(number, radix: 36))")
        _ = try await command(
            installation, "brand", "create", slug.text, "--name", brand.canary, "--domain",
            "\(brand.canary).example.com", "--brand-plan", "enterprise")
        let kinds = [
            ("live key", ["--environment", "live"]), ("test key", ["--environment", "test"]),
            ("browser key", ["--browser", "--origin", "https://\(slug).example"]),
        ]
        for (kind, options) in kinds {
            let made = try await command(
                installation, ["key", "create", slug.text, "--name", brand.canary] + options)
            brand.credentials.append((kind, try JSONDecoder().decode(KeyCreated.self, from: made).key))
        }
        for role in [UserRole.brandOwner, .brandUser] {
            let email = "\(role.rawValue)-\(brand.email)"
            let made = try await command(
                installation, "user", "create", email, "--role", role.rawValue, "--brand", slug.text)
            let password = try JSONDecoder().decode(UserCreated.self, from: made).password ?? ""
            let token = try await logIn(email, password, to: installation)
            brand.accessTokens.append((role.rawValue, token))
            let here = try await brandToken(slug.text, for: token, of: installation)
            brand.credentials.append(("token of its \(role.rawValue)", here))
        }
        try await fill(brand, in: installation)
        brand.ids = try await ids(of: brand, in: installation)
        return brand
    }

    static func logIn(_ email: String, _ password: String, to installation: Installation) async throws
        -> String
    {
        let body = try JSONEncoder().encode(LoginRequest(email: email, password: password))
        let reply = try await installation.http(
            "POST", "/api/auth/login", headers: [("Content-Type", "application/json")], body: Array(body))
        return try JSONDecoder().decode(TokenPair.self, from: reply.body).accessToken
    }

    /// A token for a brand's instance, for whoever has an access token.
    static func brandToken(_ slug: String, for token: String, of installation: Installation) async throws
        -> String
    {
        let reply = try await installation.http(
            "POST", "/api/auth/brand-token",
            headers: [("Authorization", "Bearer \(token)"), ("Content-Type", "application/json")],
            body: Array(#"{"brand":"\#(slug)"}"#.utf8))
        guard reply.status == 200 else { throw Failure("no token for \(slug): \(reply.text)") }
        return try JSONDecoder().decode(BrandToken.self, from: reply.body).accessToken
    }

    private static func command(_ installation: Installation, _ arguments: String...) async throws -> Data {
        try await command(installation, arguments)
    }

    private static func command(
        _ installation: Installation, _ arguments: [String]
    ) async throws -> Data {
        let answer = try await installation.run(arguments + ["--output", "json"])
        guard answer.status == 0 else {
            throw Failure("\(arguments): \(answer.errors)\n\(installation.logTail)")
        }
        return Data(answer.output.utf8)
    }

    /// Events, orders, a product that a store has, a row in the merge queue, a decision, a file with a
    /// rejected row.
    private static func fill(_ brand: Neighbour, in installation: Installation) async throws {
        let canary = brand.canary
        func send(_ path: String, _ body: String, type: String = "application/json") async throws {
            let reply = try await installation.http(
                "POST", "/b/\(brand.slug)\(path)",
                headers: [
                    ("Authorization", "Bearer \(brand.credentials[0].value)"), ("Content-Type", type),
                    ("Prefer", "wait"),
                ], body: Array(body.utf8))
            guard (200..<300).contains(reply.status) else { throw Failure("\(path): \(reply.text)") }
        }
        for number in 1...4 {
            let address = number == 1 ? brand.email : "\(number)-\(brand.email)"
            try await send(
                "/api/events",
                """
                {"eventId": "\(canary)-\(number)", "type": "purchase", "channel": "\(canary)",
                 "identifiers": {"email": "\(address)", "phone": "+14155550123"},
                 "properties": {"orderId": "\(canary)-\(number)", "total": "9.99",
                                "items": [{"productId": "\(canary)", "quantity": 1, "price": "9.99"}]}}
                """)
        }
        try await send(
            "/api/events",
            """
            {"type": "page_view", "identifiers": {"email": "b-\(brand.email)"},
             "properties": {"a": "\(canary)"}}
            """)
        // One id for both, which does not tell whose they are: another brand may call its own so.
        let id = UUID().uuidString
        try await send(
            "/api/products",
            """
            {"products": [{"productId": "\(id)", "name": "\(canary)", "description": "\(canary)",
                           "category": "\(canary)", "metadata": {"\(canary)": "\(canary)"}}]}
            """)
        try await send(
            "/api/inventory",
            """
            {"inventory": [{"productId": "\(id)", "storeId": "\(id)", "storeName": "\(canary)",
                            "quantity": 1}]}
            """)
        try await send(
            "/api/identifiers/block",
            #"{"kind": "email", "value": "b-\#(brand.email)", "reason": "\#(canary)"}"#)
        try await send(
            "/api/integrations/csv?map=email:email&map=total:amount&fileName=\(canary).csv&source=\(canary)",
            "email,amount\nc-\(brand.email),1\n\(brand.email),\(canary)\n", type: "text/csv")
        let upload = try await installation.http(
            "POST", "/b/\(brand.slug)/api/uploads",
            headers: [
                ("Authorization", "Bearer \(brand.credentials[0].value)"), ("Upload-Length", "9"),
                ("Upload-Metadata", "filename \(Data(canary.utf8).base64EncodedString())"),
            ])
        guard upload.status == 201 else { throw Failure("the upload: \(upload.text)") }
    }

    /// Every id that the brand's own lists show, the control plane's included.
    private static func ids(of brand: Neighbour, in installation: Installation) async throws -> [String] {
        var found: Set<String> = []
        func collect(_ value: Any) {
            if let members = value as? [String: Any] {
                for (name, value) in members {
                    if ["id", "publicId", "storeId"].contains(name), let id = value as? String {
                        found.insert(id)
                    }
                    collect(value)
                }
            } else if let items = value as? [Any] {
                items.forEach(collect)
            }
        }
        for operation in try OpenAPIDocument(of: "DataPlane").described()
        where operation.method == "GET" && operation.pathParameters.isEmpty && !operation.isPublic {
            let reply = try await installation.http(
                "GET", "/b/\(brand.slug)\(operation.path)",
                headers: [("Authorization", "Bearer \(brand.credentials[0].value)")])
            if let value = try? JSONSerialization.jsonObject(with: reply.body) { collect(value) }
        }
        for arguments in [
            ["key", "list", brand.slug.text], ["operation", "list", "--subject", brand.slug.text],
        ] {
            let answer = try await installation.run(arguments + ["--output", "json"])
            collect(try JSONSerialization.jsonObject(with: Data(answer.output.utf8)))
        }
        guard found.count > 8 else { throw Failure("\(brand.slug) has only \(found)") }
        return found.sorted()
    }
}
