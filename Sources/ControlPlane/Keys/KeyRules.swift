import Contract
import Kernel
import Sealing

/// A key that may be made: every field of the draft checked.
struct KeySpecification: Sendable {
    let name: String
    let environment: APIKeyText.Environment
    let scopes: [KeyScope]
    let expiresAt: Timestamp?
    /// Of a browser key; none when the brand's settings say.
    let origins: [String]
    let eventsPerSecond: Int?
    let requestsPerSecond: Int?

    static let doing = "create the key"
    /// The most that a key's own limit may be.
    static let mostPerSecond = 1_000_000

    /// - Throws: `Fault.invalid` with the first field that is wrong and what was expected.
    init(_ draft: KeyDraft, now: Timestamp) throws(Fault) {
        name = try FieldRules.text(draft.name, field: "name", doing: Self.doing)
        switch draft.environment ?? "live" {
        case "live": environment = .live
        case "test": environment = .test
        case "browser": environment = .browser
        default: throw Self.wrong("environment", "expected live, test or browser")
        }
        scopes = try Self.scopes(draft.scopes, environment)
        origins = try Self.origins(draft.origins, environment)
        for (field, value) in [
            ("eventsPerSecond", draft.eventsPerSecond), ("requestsPerSecond", draft.requestsPerSecond),
        ] {
            guard (1...Self.mostPerSecond).contains(value ?? 1) else {
                throw Self.wrong(field, "expected 1 to \(Self.mostPerSecond)")
            }
        }
        eventsPerSecond = draft.eventsPerSecond
        requestsPerSecond = draft.requestsPerSecond
        if let expiresAt = draft.expiresAt, expiresAt <= now {
            throw Self.wrong("expiresAt", "expected a time to come")
        }
        expiresAt = draft.expiresAt
    }

    private static func scopes(
        _ draft: [String]?, _ environment: APIKeyText.Environment
    ) throws(Fault) -> [KeyScope] {
        guard environment != .browser else {
            guard draft == nil || draft == [KeyScope.eventsWrite.rawValue] else {
                throw wrong("scopes", "a browser key may only have \(KeyScope.eventsWrite.rawValue)")
            }
            return [.eventsWrite]
        }
        let asked = draft ?? KeyScope.allCases.map(\.rawValue)
        let known = Set(asked.compactMap(KeyScope.init(rawValue:)))
        guard !asked.isEmpty, known.count == Set(asked).count else {
            let names = KeyScope.allCases.map(\.rawValue).joined(separator: ", ")
            throw wrong("scopes", "expected one or more of \(names)")
        }
        return KeyScope.allCases.filter(known.contains)
    }

    private static func origins(
        _ draft: [String]?, _ environment: APIKeyText.Environment
    ) throws(Fault) -> [String] {
        guard let draft else { return [] }
        guard environment == .browser else {
            throw wrong("origins", "only a browser key has origins")
        }
        guard (1...BrandSettings.mostOrigins).contains(draft.count) else {
            throw wrong(
                "origins",
                "expected 1 to \(BrandSettings.mostOrigins) origins, or none at all for those of the brand")
        }
        var origins: [String] = []
        for (index, text) in draft.enumerated() {
            let field = "origins[\(index)]"
            let origin = try FieldRules.origin(text, field: field, doing: doing)
            guard !origins.contains(origin) else { throw wrong(field, "it is there twice") }
            origins.append(origin)
        }
        return origins
    }

    /// The same key made anew: by the same name, for the same, as long as it was made for.
    init(again key: KeyView, now: Timestamp) throws(Fault) {
        guard let environment = APIKeyText.Environment.allCases.first(where: { $0.name == key.environment })
        else {
            throw Fault(.internal, doing: Keys.rotating, "its environment is unknown here")
        }
        name = key.name
        self.environment = environment
        scopes = key.scopes.compactMap(KeyScope.init)
        origins = key.origins ?? []
        eventsPerSecond = key.eventsPerSecond
        requestsPerSecond = key.requestsPerSecond
        expiresAt = key.expiresAt.map { now + ($0 - key.createdAt) }
    }

    private static func wrong(_ field: String, _ expected: String) -> Fault {
        Fault(.invalid, doing: doing, expected, field: field)
    }
}
