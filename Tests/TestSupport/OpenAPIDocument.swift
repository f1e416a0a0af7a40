import Foundation
import Yams

/// A plane's `openapi.yaml` as it stands in this checkout, read for what it promises.
public struct OpenAPIDocument {
    /// Says which part of a document a test has looked for in vain.
    public struct Missing: Error, CustomStringConvertible {
        let place: String
        public var description: String { "openapi.yaml has nothing at \(place)" }
    }

    /// The file as it is.
    public let bytes: Data
    let root: Node

    /// - Parameter room: `DataPlane` or `ControlPlane`.
    public init(of room: String) throws {
        bytes = try Data(contentsOf: URL(fileURLWithPath: "\(Self.checkout)/Sources/\(room)/openapi.yaml"))
        guard let root = try compose(yaml: String(decoding: bytes, as: UTF8.self)) else {
            throw Missing(place: "its beginning")
        }
        self.root = root
    }

    /// Where the checkout is: named by `infra/test.sh`, whose tests may not be allowed to read the original.
    private static let checkout: String = {
        if let named = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_CHECKOUT"] { return named }
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { url.deleteLastPathComponent() }
        return url.path
    }()

    /// Every operation as its method and path, such as `GET /api/events/{id}`.
    public var operations: Set<String> { Set(operationNodes.map { "\($0.method) \($0.path)" }) }

    /// Every operation with what its path says of all of them.
    var operationNodes: [(method: String, path: String, shared: Node?, operation: Node)] {
        let methods = ["get", "head", "post", "put", "patch", "delete", "options", "trace"]
        var found: [(String, String, Node?, Node)] = []
        for (path, item) in root["paths"]?.mapping ?? [:] {
            for (method, operation) in item.mapping ?? [:] {
                guard let path = path.string, let method = method.string, methods.contains(method) else {
                    continue
                }
                found.append((method.uppercased(), path, item["parameters"], operation))
            }
        }
        return found
    }

    /// What stands at a place such as `components/schemas/EventType/enum`, as texts.
    public func texts(at place: String) throws -> [String] {
        let node = try node(at: place.split(separator: "/").map(String.init))
        return node.sequence?.compactMap(\.string) ?? node.string.map { [$0] } ?? []
    }

    /// The names of what stands at a place such as `components/schemas/Event/properties`.
    public func names(at place: String) throws -> Set<String> {
        let node = try node(at: place.split(separator: "/").map(String.init))
        return Set(node.mapping?.keys.compactMap(\.string) ?? [])
    }

    /// The members of what stands at a place that are texts, as they are written: a `$ref` is not followed.
    public func written(at place: String) throws -> [String: String] {
        let members = try node(at: place.split(separator: "/").map(String.init)).mapping ?? [:]
        return Dictionary(
            uniqueKeysWithValues: members.compactMap { key, value in
                key.string.flatMap { key in value.string.map { (key, $0) } }
            })
    }

    /// What the references in the list at a place name, such as `#/components/parameters/Limit`.
    public func references(at keys: [String]) throws -> Set<String> {
        Set(try node(at: keys).sequence?.compactMap { $0["$ref"]?.string } ?? [])
    }

    /// What is wrong with an answer by the document's schema for it; empty when nothing is.
    ///
    /// - Parameter operation: method and path as `operations` has them.
    public func faults(
        in body: Data, of operation: String, status: Int, type: String = "application/json"
    ) throws -> [String] {
        let words = operation.split(separator: " ").map(String.init)
        let response = try node(at: ["paths", words[1], words[0].lowercased(), "responses", "\(status)"])
        guard let schema = try resolved(response)["content"]?[type]?["schema"] else {
            throw Missing(place: "\(operation) \(status) \(type)")
        }
        let value = try JSONSerialization.jsonObject(with: body, options: .fragmentsAllowed)
        return try SchemaCheck(document: self).faults(in: value, by: schema, at: "$")
    }

    /// The node itself, or the one that its `$ref` names.
    func resolved(_ node: Node) throws -> Node {
        guard let reference = node["$ref"]?.string else { return node }
        return try resolved(self.node(at: reference.split(separator: "/").dropFirst().map(String.init)))
    }

    private func node(at keys: [String]) throws -> Node {
        try keys.reduce(root) { node, key in
            let members = try resolved(node).mapping
            // By its text: a status is a text, which a subscript would take for a number.
            guard let next = members?.first(where: { $0.key.scalar?.string == key })?.value else {
                throw Missing(place: keys.joined(separator: "/"))
            }
            return next
        }
    }
}
