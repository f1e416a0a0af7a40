import Contract
import Kernel
import Sealing

/// A key that may be made: every field of the draft checked.
struct KeySpecification: Sendable {
    let name: String
    let environment: APIKeyText.Environment
    let scopes: [KeyScope]
    let expiresAt: Timestamp?

    static let doing = "create the key"

    /// - Throws: `Fault.invalid` with the first field that is wrong and what was expected.
    init(_ draft: KeyDraft, now: Timestamp) throws(Fault) {
        name = try FieldRules.text(draft.name, field: "name", doing: Self.doing)
        switch draft.environment ?? "live" {
        case "live": environment = .live
        case "test": environment = .test
        default: throw Self.wrong("environment", "expected live or test")
        }
        let asked = draft.scopes ?? KeyScope.allCases.map(\.rawValue)
        let known = Set(asked.compactMap(KeyScope.init(rawValue:)))
        guard !asked.isEmpty, known.count == Set(asked).count else {
            let names = KeyScope.allCases.map(\.rawValue).joined(separator: ", ")
            throw Self.wrong("scopes", "expected one or more of \(names)")
        }
        scopes = KeyScope.allCases.filter(known.contains)
        if let expiresAt = draft.expiresAt, expiresAt <= now {
            throw Self.wrong("expiresAt", "expected a time to come")
        }
        expiresAt = draft.expiresAt
    }

    private static func wrong(_ field: String, _ expected: String) -> Fault {
        Fault(.invalid, doing: doing, expected, field: field)
    }
}
