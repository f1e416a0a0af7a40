/// Any JSON value: for answers whose shape belongs to a brand's data and not to this command.
package enum JSONValue: Decodable, Sendable, Equatable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    /// The member called `name` of an object; nil where there is none or it is null.
    package subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self, let value = members[name], value != .null else { return nil }
        return value
    }

    /// The elements of an array.
    package var elements: [JSONValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    /// The value on one line, as a person would write it: `email=a@b.com, loyalty_id=7`.
    package var text: String {
        switch self {
        case .null: ""
        case .bool(let value): String(value)
        case .integer(let value): String(value)
        case .number(let value): String(value)
        case .string(let value): value
        case .array(let elements): elements.map(\.text).joined(separator: ", ")
        case .object(let members): Self.text(of: members)
        }
    }

    /// The members as a description's fields: those named in `order` first, the others by name.
    package func fields(order: [String]) -> [(name: String, value: String?)] {
        guard case .object(let members) = self else { return [("value", text)] }
        let first = order.filter { members[$0] != nil }
        let others = members.keys.filter { !first.contains($0) }.sorted()
        return (first + others).map { (words($0), self[$0]?.text) }
    }

    /// A table of `items` with a column for each of `names` that any of them has.
    package static func table(_ items: [JSONValue], columns names: [String]) -> Table {
        let present = names.filter { name in items.contains { $0[name] != nil } }
        let shown = present.isEmpty ? names : present
        let rows = items.map { item in shown.map { item[$0]?.text ?? "" } }
        return Table(shown.map { Table.Column(words($0)) }, rows: rows)
    }

    private static func text(of members: [String: JSONValue]) -> String {
        if let kind = members["kind"], let value = members["value"] { return "\(kind.text)=\(value.text)" }
        return members.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.text)" }.joined(separator: ", ")
    }
}

/// `name` in words: `totalOrders` is `total orders`.
private func words(_ name: String) -> String {
    name.reduce(into: "") { words, letter in
        words += letter.isUppercase ? " " + letter.lowercased() : String(letter)
    }
}
