import Foundation
import Kernel
import TestSupport

/// What a brand's keys and tokens can do over HTTP to what is not its own.
struct HTTPIsolation: Sendable {
    /// A request that must be refused, or at least tell nothing.
    struct Intrusion: Sendable {
        let kind: String
        let method: String
        let path: String
        var headers: [(String, String)] = []
        var body: (type: String, bytes: [UInt8])?
        /// Answers that are no breach, provided that they tell nothing of the other brand.
        var expected: Set<Int> = [401, 403, 404]
    }

    let neighbours: Neighbours
    private let instance: [OpenAPIOperation]
    private let control: [OpenAPIOperation]

    init(_ neighbours: Neighbours) throws {
        self.neighbours = neighbours
        instance = try OpenAPIDocument(of: "DataPlane").described()
        control = try OpenAPIDocument(of: "ControlPlane").described()
    }

    /// Every operation of both documents as `brand`, on what is `victim`'s.
    ///
    /// - Parameter reading: only what reads, for a proof that is to find a breach and not to do harm by it.
    func tryEverything(
        as brand: Neighbour, on victim: Neighbour, reading: Bool = false
    ) async throws -> Ledger {
        let intrusions =
            (atItsPath(brand, victim) + underOwnPath(brand, victim) + routedByHeader(brand, victim)
            + onControlPlane(brand, victim) + crookedPaths(brand, victim))
            .filter { !reading || $0.method == "GET" && !$0.path.contains("follow") }
        return try await withThrowingTaskGroup(of: Ledger.self) { group in
            let lanes = 4
            for lane in 0..<lanes {
                group.addTask {
                    var ledger = Ledger()
                    for index in stride(from: lane, to: intrusions.count, by: lanes) {
                        try await attempt(intrusions[index], brand, victim, &ledger)
                    }
                    return ledger
                }
            }
            return try await group.reduce(into: Ledger()) { $0 += $1 }
        }
    }

    private func attempt(
        _ intrusion: Intrusion, _ brand: Neighbour, _ victim: Neighbour, _ ledger: inout Ledger
    ) async throws {
        var headers = intrusion.headers
        if let body = intrusion.body { headers.append(("Content-Type", body.type)) }
        let reply = try await neighbours.installation.http(
            intrusion.method, intrusion.path, headers: headers, body: intrusion.body?.bytes ?? [])
        var breach: String?
        if !intrusion.expected.contains(reply.status) { breach = "\(reply.status) \(reply.text.suffix(120))" }
        if reply.text.contains(victim.canary) { breach = "\(reply.status) with the other's data" }
        ledger.note(intrusion.kind, "\(brand.slug): \(intrusion.method) \(intrusion.path)", breach: breach)
    }

    // MARK: - The instance

    /// Every operation below the other brand's path, with every credential.
    private func atItsPath(_ brand: Neighbour, _ victim: Neighbour) -> [Intrusion] {
        instance.flatMap { operation in
            let credentials = bearers(brand.credentials + brand.accessTokens)
            return asked(operation, victim, by: credentials).map { path, headers in
                Intrusion(
                    kind: "its path", method: operation.method, path: "/b/\(victim.slug)\(path)",
                    headers: headers, body: body(of: operation, naming: victim),
                    expected: operation.isPublic ? [200, 403, 404] : [401, 403])
            }
        }
    }

    /// Every operation that takes an id below one's own path, with the other's ids; and lists that ask for
    /// what is the other's.
    private func underOwnPath(_ brand: Neighbour, _ victim: Neighbour) -> [Intrusion] {
        let headers = bearers(brand.credentials)
        let byId = instance.filter { !$0.pathParameters.isEmpty }.flatMap { operation in
            asked(operation, victim, by: headers).map { path, headers in
                // Ids of products and stores are what each brand calls them: the other's are its own here.
                let isNamedHere = ["/api/products/", "/api/inventory/"].contains { path.hasPrefix($0) }
                return Intrusion(
                    kind: "its ids", method: operation.method, path: "/b/\(brand.slug)\(path)",
                    headers: headers, body: body(of: operation, naming: victim),
                    expected: isNamedHere ? [200, 201, 204, 400, 401, 403, 404, 409] : [401, 403, 404])
            }
        }
        let lists = instance.filter { $0.method == "GET" && $0.pathParameters.isEmpty && !$0.isPublic }
        let asking = ["email=\(victim.email)"] + victim.ids.flatMap { ["profile=\($0)", "cursor=\($0)"] }
        let listed = lists.flatMap { operation in
            asking.map {
                Intrusion(
                    kind: "its data in lists", method: "GET", path: "/b/\(brand.slug)\(operation.path)?\($0)",
                    headers: headers[0], expected: [200, 400])
            }
        }
        let values = instance.filter { $0.path.hasPrefix("/api/identifiers/") }.map {
            Intrusion(
                kind: "its values", method: $0.method, path: "/b/\(brand.slug)\($0.path)",
                headers: headers[0],
                body: (
                    "application/json",
                    Array(#"{"kind":"email","value":"\#(victim.email)","reason":"r"}"#.utf8)
                ))
        }
        return byId + listed + values
    }

    /// Without a brand in the path the key says whose it is: one that says the other's name without being
    /// the other's.
    private func routedByHeader(_ brand: Neighbour, _ victim: Neighbour) -> [Intrusion] {
        let nobody = "\(String(repeating: "0", count: 12))_\(String(repeating: "0", count: 30))"
        let stranger = "ci_live_\(victim.slug)_\(nobody)"
        let ways: [[(String, String)]] = brand.credentials.flatMap { credential in
            let renamed = credential.value.replacing("_\(brand.slug)_", with: "_\(victim.slug)_")
            return [
                [("Authorization", "Bearer \(renamed)")], [("X-API-Key", renamed)],
                [("Authorization", "Bearer \(credential.value)"), ("X-API-Key", stranger)],
                [("Authorization", "Bearer \(stranger)"), ("X-API-Key", credential.value)],
                [("Authorization", "Bearer \(credential.value)"), ("Authorization", "Bearer \(stranger)")],
                [("X-API-Key", stranger), ("X-API-Key", credential.value)],
                [("Authorization", "Basic \(Data("\(renamed):".utf8).base64EncodedString())")],
            ]
        }
        return instance.filter { !$0.isPublic && $0.method == "GET" }.flatMap { operation in
            ways.flatMap { headers in
                filled(operation, with: victim).prefix(2).map {
                    Intrusion(
                        kind: "headers", method: operation.method, path: $0, headers: headers,
                        // A request that nginx finds ambiguous is no request. With one's own key it is one's
                        // own brand that answers.
                        expected: [200, 400, 401, 403, 404, 410])
                }
            }
        }
    }

    /// Paths that two readers may read differently.
    private func crookedPaths(_ brand: Neighbour, _ victim: Neighbour) -> [Intrusion] {
        let rests = ["/api/events", "/api/profiles", "/metrics", "/api/monitoring/stats"]
        return rests.flatMap { rest in
            [
                "/b/\(brand.slug)/../\(victim.slug)\(rest)", "/b/\(brand.slug)/%2e%2e/\(victim.slug)\(rest)",
                "/b/\(brand.slug)%2f..%2f\(victim.slug)\(rest)", "/b/\(brand.slug)//b/\(victim.slug)\(rest)",
                "/b/\(victim.slug)%00\(rest)", "/b/\(victim.slug);x\(rest)", "//b/\(victim.slug)\(rest)",
                "/b/\(brand.slug).sock:/../\(victim.slug)\(rest)", "/b/./\(victim.slug)\(rest)",
                "/b/\(brand.slug)/b/\(victim.slug)\(rest)", "/B/\(victim.slug)\(rest)",
                "/b/\(victim.slug.text.uppercased())\(rest)", "/api/../b/\(victim.slug)\(rest)",
            ].flatMap { path in
                bearers(brand.credentials).map {
                    Intrusion(
                        kind: "crooked paths", method: "GET", path: path, headers: $0,
                        expected: [400, 401, 403, 404])
                }
            }
        }
    }

    // MARK: - The control plane

    /// Every operation of the control plane with the other's slug and ids, by users and with keys.
    private func onControlPlane(_ brand: Neighbour, _ victim: Neighbour) -> [Intrusion] {
        control.filter { !$0.isPublic }.flatMap { operation in
            let credentials = bearers(brand.accessTokens + brand.credentials)
            return asked(operation, victim, by: credentials).map { path, headers in
                // A list without a name in it is of what its caller may see; a report of a key that is
                // another brand's does nothing.
                let isList = operation.method == "GET" && operation.pathParameters.isEmpty
                let isOwn = isList || operation.id == "reportLeakedKeys"
                return Intrusion(
                    kind: "control plane", method: operation.method, path: path, headers: headers,
                    body: body(of: operation, naming: victim),
                    expected: isOwn ? [200, 401, 403, 404] : [401, 403, 404])
            }
        }
    }

    // MARK: - What they are made of

    /// Every credential in both headers, and none.
    private func bearers(_ credentials: [(name: String, value: String)]) -> [[(String, String)]] {
        credentials.map { [("Authorization", "Bearer \($0.value)")] }
            + credentials.map { [("X-API-Key", $0.value)] } + [[]]
    }

    /// An operation with each of the victim's ids by the first credential, and by each other one with one id:
    /// who asks is looked at before what is asked for.
    private func asked(
        _ operation: OpenAPIOperation, _ victim: Neighbour, by credentials: [[(String, String)]]
    ) -> [(path: String, headers: [(String, String)])] {
        let paths = filled(operation, with: victim)
        return paths.map { ($0, credentials[0]) } + credentials.dropFirst().map { (paths[0], $0) }
    }

    /// The paths of an operation that name what is the victim's: its slug, and each of its ids in turn.
    private func filled(_ operation: OpenAPIOperation, with victim: Neighbour) -> [String] {
        var query = operation.query.map { "\($0.key)=\($0.value)" }
        if operation.path == "/api/auth/brand-token" { query = [] }
        let suffix = query.isEmpty ? "" : "?" + query.joined(separator: "&").replacing(" ", with: "%20")
        var paths = [operation.path]
        for name in operation.pathParameters {
            let values = name == "slug" ? [victim.slug.text] : victim.ids
            paths = paths.flatMap { path in
                values.map { path.replacing("{\(name)}", with: $0) }
            }
        }
        return paths.map { $0 + suffix }
    }

    /// A body that the operation takes, in which whatever can name a brand or a profile names the victim's.
    private func body(
        of operation: OpenAPIOperation, naming victim: Neighbour
    ) -> (type: String, bytes: [UInt8])? {
        guard let body = operation.body, body.type == "application/json",
            var members = (try? JSONSerialization.jsonObject(with: Data(body.bytes))) as? [String: Any]
        else { return operation.body }
        for name in members.keys where name == "brand" || name == "slug" { members[name] = victim.slug.text }
        if operation.id == "reportLeakedKeys" { members["text"] = victim.credentials[0].value }
        if members["with"] != nil { members["with"] = victim.ids[0] }
        let bytes = (try? JSONSerialization.data(withJSONObject: members)) ?? Data()
        return (body.type, Array(bytes))
    }
}
