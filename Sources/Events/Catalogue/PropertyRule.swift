import Kernel

/// What a property of an event holds, where it is there.
///
/// Files have everything as text, so a number and a truth value may be written as one.
public enum PropertyKind: String, Sendable, CaseIterable, Codable {
    /// A string.
    case text
    /// A string of 1 to 200 bytes without control characters.
    case id
    /// An amount that is not negative, with at most four decimals.
    case money
    /// A decimal number.
    case number
    /// `true` or `false`.
    case boolean
    /// A currency code of three letters.
    case currency
    /// An RFC 3339 date-time.
    case instant
    /// A number, or a string.
    case version
    /// Products with their `productId`, `quantity` and `price`.
    case items
}

/// What one property of a type of event means, and what it must hold.
public struct PropertyRule: Sendable {
    /// Bytes of a text.
    static let textBytes = 4_096

    public let name: String
    public let kind: PropertyKind
    public let isRequired: Bool
    /// A sentence without its subject, for the documentation.
    public let meaning: String

    /// Holds the property of an event to it.
    ///
    /// - Throws: `Fault.invalid` with the field.
    func check(_ fields: JSONFields, of type: EventType) throws(Fault) {
        guard let value = fields.value(name) else {
            guard isRequired else { return }
            throw fields.fault(name, "it is missing: an event of type '\(type.rawValue)' has it")
        }
        switch kind {
        case .text: try check(text: value, fields)
        case .id: _ = try fields.text(name, upTo: EventLimits.keyBytes)
        case .money: _ = try fields.money(name)
        case .number: try check(number: value, fields)
        case .boolean: _ = try fields.truth(name)
        case .currency: _ = try fields.currency(name)
        case .instant: _ = try fields.instant(name)
        case .version:
            guard value.number != nil || value.string != nil else {
                throw fields.fault(name, "expected a number or a string")
            }
        case .items: _ = try OrderItems.bytes(fields, name)
        }
    }

    /// It may be empty, as a page's title is.
    private func check(text value: JSONText, _ fields: JSONFields) throws(Fault) {
        guard let text = value.string else { throw fields.fault(name, "expected a string") }
        guard text.utf8.count <= PropertyRule.textBytes else {
            throw fields.fault(name, "it has more than \(PropertyRule.textBytes) bytes")
        }
    }

    private func check(number value: JSONText, _ fields: JSONFields) throws(Fault) {
        if value.number != nil { return }
        guard let text = value.string, let literal = try? JSONText.checking(Array(text.utf8)),
            literal.number?.count == text.utf8.count
        else { throw fields.fault(name, "expected a number") }
    }
}
