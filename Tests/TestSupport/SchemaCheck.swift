import Foundation
import Yams

/// Compares values with the part of JSON Schema that the documents use for answers. A keyword that it does
/// not know is a fault, so that none is passed over.
struct SchemaCheck {
    /// Keywords that are compared, and those that constrain nothing here.
    private static let known: Set<String> = [
        "$ref", "type", "const", "enum", "pattern", "required", "properties", "additionalProperties",
        "propertyNames", "items", "maxItems", "minItems", "minimum", "maximum", "maxLength", "minLength",
        "oneOf",
    ]
    private static let silent: Set<String> = ["description", "examples", "format", "default"]

    let document: OpenAPIDocument

    func faults(in value: Any, by schema: Node, at place: String) throws -> [String] {
        let schema = try document.resolved(schema)
        let keywords = schema.mapping?.keys.compactMap(\.string) ?? []
        var faults = keywords.filter { !SchemaCheck.known.union(SchemaCheck.silent).contains($0) }.map {
            "\(place): the test does not know the keyword '\($0)'"
        }
        let types = schema["type"].map { $0.sequence?.compactMap(\.string) ?? [$0.string ?? ""] } ?? []
        if !types.isEmpty, !types.contains(where: { has(value, type: $0) }) {
            faults.append("\(place): expected \(types.joined(separator: " or ")), found \(value)")
        }
        if let choices = schema["oneOf"]?.sequence {
            let fitting = try choices.count { try self.faults(in: value, by: $0, at: place).isEmpty }
            if fitting != 1 { faults.append("\(place): it is \(fitting) of the \(choices.count) schemas") }
        }
        if let text = value as? String { faults += try self.faults(in: text, by: schema, at: place) }
        if let number = value as? NSNumber { faults += self.faults(in: number, by: schema, at: place) }
        if let items = value as? [Any] {
            if let maximum = schema["maxItems"]?.int, items.count > maximum {
                faults.append("\(place): more than \(maximum) items")
            }
            if let minimum = schema["minItems"]?.int, items.count < minimum {
                faults.append("\(place): fewer than \(minimum) items")
            }
            for (index, item) in items.enumerated() {
                guard let schema = schema["items"] else { break }
                faults += try self.faults(in: item, by: schema, at: "\(place)[\(index)]")
            }
        }
        if let members = value as? [String: Any] {
            faults += try self.faults(in: members, by: schema, at: place)
        }
        return faults
    }

    private func has(_ value: Any, type: String) -> Bool {
        switch type {
        case "object": value is [String: Any]
        case "array": value is [Any]
        case "string": value is String
        case "boolean": value is Bool
        case "integer": (value as? NSNumber).map { $0.doubleValue.rounded() == $0.doubleValue } ?? false
        case "number": value is NSNumber
        case "null": value is NSNull
        default: false
        }
    }

    private func faults(in text: String, by schema: Node, at place: String) throws -> [String] {
        var faults: [String] = []
        if let choices = schema["enum"]?.sequence, !choices.contains(where: { $0.string == text }) {
            faults.append("\(place): '\(text)' is not one of the values")
        }
        if let only = schema["const"]?.string, only != text {
            faults.append("\(place): '\(text)' is not '\(only)'")
        }
        if let pattern = schema["pattern"]?.string, try text.firstMatch(of: Regex(pattern)) == nil {
            faults.append("\(place): '\(text)' does not match \(pattern)")
        }
        if let maximum = schema["maxLength"]?.int, text.unicodeScalars.count > maximum {
            faults.append("\(place): longer than \(maximum)")
        }
        if let minimum = schema["minLength"]?.int, text.unicodeScalars.count < minimum {
            faults.append("\(place): shorter than \(minimum)")
        }
        return faults
    }

    private func faults(in number: NSNumber, by schema: Node, at place: String) -> [String] {
        var faults: [String] = []
        if let minimum = schema["minimum"]?.float, number.doubleValue < minimum {
            faults.append("\(place): less than \(minimum)")
        }
        if let maximum = schema["maximum"]?.float, number.doubleValue > maximum {
            faults.append("\(place): more than \(maximum)")
        }
        return faults
    }

    private func faults(in members: [String: Any], by schema: Node, at place: String) throws -> [String] {
        var faults: [String] = []
        for name in schema["required"]?.sequence?.compactMap(\.string) ?? [] where members[name] == nil {
            faults.append("\(place).\(name): it is missing")
        }
        for (name, value) in members.sorted(by: { $0.key < $1.key }) {
            if let names = schema["propertyNames"] {
                faults += try self.faults(in: name, by: document.resolved(names), at: "\(place).\(name)")
            }
            if let member = schema["properties"]?[name] {
                faults += try self.faults(in: value, by: member, at: "\(place).\(name)")
            } else if let others = schema["additionalProperties"] {
                if others.bool == false {
                    faults.append("\(place).\(name): the document does not have it")
                } else if others.mapping != nil {
                    faults += try self.faults(in: value, by: others, at: "\(place).\(name)")
                }
            }
        }
        return faults
    }
}
