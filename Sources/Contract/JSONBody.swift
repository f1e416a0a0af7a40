/// What a request brings as its JSON body. A body with any other field is refused, since a mistyped name of
/// an optional field would otherwise go unnoticed.
public protocol JSONBody: Codable, Sendable {
    associatedtype CodingKeys: CodingKey & CaseIterable
}

extension JSONBody {
    /// The names of all fields that such a body may have.
    public static var fields: [String] { CodingKeys.allCases.map(\.stringValue) }
}
