import Foundation
import Yams

/// What a document says of one operation, as far as a caller needs it.
public struct OpenAPIOperation: Sendable {
    /// The `operationId`.
    public let id: String
    /// In capitals.
    public let method: String
    /// With its parameters in braces.
    public let path: String
    /// Whether it is open to everybody.
    public let isPublic: Bool
    /// The query parameters that it cannot do without, each with a value that it may have.
    public let query: [String: String]
    /// A body that it takes, and its media type; nil when it takes none.
    public let body: (type: String, bytes: [UInt8])?
    /// The command of the command line that does it, or why there is none: `x-constintel-cli`.
    public let command: String?

    /// The names of the parameters in the path.
    public var pathParameters: [String] {
        path.matches(of: /\{([^}]+)\}/).map { String($0.1) }
    }
}

extension OpenAPIDocument {
    /// Every operation, in the order of the document.
    public func described() throws -> [OpenAPIOperation] {
        try operationNodes.map { method, path, shared, operation in
            let security = operation["security"] ?? root["security"]
            return OpenAPIOperation(
                id: operation["operationId"]?.string ?? "", method: method, path: path,
                isPublic: security?.sequence?.isEmpty ?? true,
                query: try neededQuery((shared?.sequence.map(Array.init) ?? [])
                    + (operation["parameters"]?.sequence.map(Array.init) ?? [])),
                body: try body(of: operation), command: operation["x-constintel-cli"]?.string)
        }
    }

    private func neededQuery(_ parameters: [Node]) throws -> [String: String] {
        var query: [String: String] = [:]
        for parameter in try parameters.map(resolved) {
            guard let name = parameter["name"]?.string, parameter["in"]?.string == "query",
                parameter["required"]?.bool == true
            else { continue }
            let sample = try parameter["example"].map(\.any) ?? sample(parameter["schema"])
            query[name] = ((sample as? [Any])?.first ?? sample).map { "\($0)" } ?? ""
        }
        return query
    }

    private func body(of operation: Node) throws -> (type: String, bytes: [UInt8])? {
        guard let content = try operation["requestBody"].map(resolved)?["content"]?.mapping,
            let (type, media) = content.first.map({ ($0.key.string ?? "", $0.value) })
        else { return nil }
        let example = media["example"] ?? media["examples"]?.mapping?.first?.value["value"]
        let sample = try example.map(\.any) ?? sample(media["schema"])
        if let text = sample as? String { return (type, Array(text.utf8)) }
        return (type, Array(try JSONSerialization.data(withJSONObject: sample ?? [:])))
    }

    /// A value that a schema allows; patterns are not looked at.
    func sample(_ schema: Node?) throws -> Any? {
        guard let schema = try schema.map(resolved) else { return nil }
        for given in ["example", "const", "default"] {
            if let value = schema[given] { return value.any }
        }
        if let value = schema["examples"]?.sequence?.first ?? schema["enum"]?.sequence?.first {
            return value.any
        }
        if schema["type"] == nil, let choice = (schema["oneOf"] ?? schema["anyOf"])?.sequence?.first {
            return try sample(choice)
        }
        let type = schema["type"]?.string ?? schema["type"]?.sequence?.first?.string
        switch type {
        case "object":
            let needed = schema["required"]?.sequence?.compactMap(\.string) ?? []
            var members: [String: Any] = [:]
            for name in needed { members[name] = try sample(schema["properties"]?[name]) ?? "x" }
            return members
        case "array":
            return try (schema["minItems"]?.int ?? 0) > 0 ? [sample(schema["items"]) ?? "x"] : []
        case "integer", "number": return schema["minimum"]?.int ?? 1
        case "boolean": return true
        default: return String(repeating: "x", count: max(1, schema["minLength"]?.int ?? 1))
        }
    }
}
