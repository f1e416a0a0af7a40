import Events
import Foundation

/// Makes of identifiers as they were sent what they stand for (the table in `identity.md`).
public struct IdentifierNormaliser: Sendable {
    /// The identifiers of one event.
    public struct Result: Sendable, Equatable {
        /// What is usable, each once, by priority; of two phones the one sent as `phone` comes first.
        public var usable: [Identifier] = []
        /// Whether a strong identifier was sent that stands for nothing, such as a phone of three digits.
        public var hasUnusableStrong = false
    }

    private let country: String

    /// - Parameter country: ISO 3166-1 alpha-2, for phone numbers without a country code.
    public init(country: String) { self.country = country }

    public func normalise(_ sent: [SentIdentifier]) -> Result {
        var result = Result()
        for identifier in sent.sorted(by: { rank($0) < rank($1) }) {
            let kind = identifier.normalisedKind
            if let value = value(of: identifier.value, kind: kind) {
                let usable = Identifier(kind: kind, value: value)
                if !result.usable.contains(usable) { result.usable.append(usable) }
            } else if kind.strength == .strong {
                result.hasUnusableStrong = true
            }
        }
        return result
    }

    /// Places kinds by priority, and `phone` before `whatsapp`.
    private func rank(_ identifier: SentIdentifier) -> Int {
        let kind = Identifier.Kind.allCases.firstIndex(of: identifier.normalisedKind) ?? 0
        return kind * 2 + (identifier.kind == .whatsapp ? 1 : 0)
    }

    private func value(of text: String, kind: Identifier.Kind) -> String? {
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !trimmed.isEmpty else { return nil }
        switch kind {
        case .phone: return PhoneNumbers.e164(trimmed, country: country)
        case .email: return email(trimmed.lowercased())
        case .upiID: return trimmed.lowercased()
        case .loyaltyID, .deviceID, .cookieID, .qrID: return trimmed
        case .cardLast4: return trimmed.utf8.count == 4 && trimmed.allSatisfy(\.isASCIIDigit) ? trimmed : nil
        }
    }

    /// No dot or plus tricks: two spellings of one mailbox are evidence, not identity.
    private func email(_ text: String) -> String? {
        guard let at = text.lastIndex(of: "@") else { return nil }
        let local = text[..<at]
        let domain = text[text.index(after: at)...]
        guard !local.isEmpty, !domain.isEmpty, !text.contains(where: \.isWhitespace) else { return nil }
        guard !domain.utf8.allSatisfy({ $0 < 0x80 }) else { return text }
        // The URL writes its host in IDNA. What is no letter, digit, dot or dash of a host was no domain.
        guard let host = URL(string: "http://\(domain)")?.absoluteString.dropFirst("http://".count),
            !host.isEmpty,
            host.allSatisfy({ $0.isASCIIDigit || ("a"..."z").contains($0) || ".-_".contains($0) })
        else { return nil }
        return "\(local)@\(host)"
    }
}

extension Character {
    fileprivate var isASCIIDigit: Bool { ("0"..."9").contains(self) }
}
