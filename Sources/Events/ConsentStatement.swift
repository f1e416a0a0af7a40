import Kernel

/// What an event says about consent: its property `consent`.
///
///     {"consent": {"email": {"marketing": true}, "whatsapp": {"marketing": false}}}
///
/// Each statement is about the identifier of that kind which the same event carries.
public struct ConsentStatement: Sendable, Equatable {
    /// The property that holds it.
    public static let property = "consent"
    private static let quotedProperty = Array("\"\(property)\"".utf8)
    /// Purposes of one identifier in one event.
    static let maximumPurposes = 20
    /// Bytes of a purpose's name.
    static let purposeBytes = 64

    public let kind: IdentifierKind
    /// What for, such as `marketing`.
    public let purpose: String
    public let isGranted: Bool

    /// Whether the properties of an event can hold statements: false for most, without reading them.
    ///
    /// It looks for the name among the bytes; a name with an escape in it is found by reading.
    public static func mayBe(in properties: [UInt8]) -> Bool {
        properties.withUnsafeBytes { bytes in
            quotedProperty.withUnsafeBytes { mark in
                for start in bytes.indices {
                    if bytes[start] == UInt8(ascii: "\\") { return true }
                    guard bytes[start] == mark[0], bytes.count - start >= mark.count else { continue }
                    if bytes[start..<start + mark.count].elementsEqual(mark) { return true }
                }
                return false
            }
        }
    }

    /// Reads the statements in the properties of an event.
    ///
    /// - Throws: `Fault.invalid` with the field, such as `properties.consent.email`.
    public static func all(in properties: JSONText, doing: String) throws(Fault) -> [ConsentStatement] {
        let fields = JSONFields(properties, under: "properties", doing: doing)
        guard let consent = fields.value(property) else { return [] }
        guard consent.kind == .object else {
            throw fields.fault(property, "expected an object of identifier kinds")
        }
        let kinds = JSONFields(consent, under: "properties.\(property)", doing: doing)
        if let repeated = kinds.repeated { throw kinds.fault(repeated, "it is there twice") }
        var statements: [ConsentStatement] = []
        for name in kinds.names.sorted() {
            guard let kind = IdentifierKind(rawValue: name) else {
                throw kinds.fault(name, "there is no such kind of identifier")
            }
            guard let said = kinds.value(name), said.kind == .object else {
                throw kinds.fault(name, "expected an object of purposes, such as {\"marketing\": true}")
            }
            let purposes = JSONFields(said, under: "properties.\(property).\(name)", doing: doing)
            if let repeated = purposes.repeated { throw purposes.fault(repeated, "it is there twice") }
            guard purposes.names.count <= maximumPurposes else {
                throw kinds.fault(name, "there are more than \(maximumPurposes) purposes")
            }
            for purpose in purposes.names.sorted() {
                guard (1...purposeBytes).contains(purpose.utf8.count), !purpose.utf8.contains(0) else {
                    throw kinds.fault(name, "a purpose has 1 to \(purposeBytes) bytes")
                }
                guard let granted = purposes.value(purpose)?.boolean else {
                    throw purposes.fault(purpose, "expected true or false")
                }
                statements.append(.init(kind: kind, purpose: purpose, isGranted: granted))
            }
        }
        return statements
    }
}
