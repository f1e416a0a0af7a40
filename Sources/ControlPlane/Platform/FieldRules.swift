import Kernel

/// Rules for fields that several requests have in common.
enum FieldRules {
    /// A name for people: 1 to 100 characters without control characters, with no space around it.
    static func text(_ text: String, field: String, doing: String) throws(Fault) -> String {
        let forbidden = text.unicodeScalars.contains {
            $0.properties.generalCategory == .control || $0.properties.generalCategory == .lineSeparator
        }
        guard (1...100).contains(text.count), text.utf8.count <= 400, !forbidden else {
            throw Fault(
                .invalid, doing: doing, "expected 1 to 100 characters, none a control character", field: field
            )
        }
        guard text.first?.isWhitespace != true, text.last?.isWhitespace != true else {
            throw Fault(.invalid, doing: doing, "expected no space at the beginning or the end", field: field)
        }
        return text
    }

    /// A DNS name of two labels or more (RFC 1123), in lower case.
    static func domain(_ text: String, field: String, doing: String) throws(Fault) -> String {
        let domain = text.lowercased()
        guard isHost(domain), domain.contains(".") else {
            throw Fault(
                .invalid, doing: doing,
                "expected a domain such as shop.example.com, other letters as xn--…", field: field)
        }
        return domain
    }

    /// An e-mail address as mail systems really accept it, in lower case.
    static func email(_ text: String, field: String = "email", doing: String) throws(Fault) -> String {
        let email = text.lowercased()
        let parts = email.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, (1...64).contains(parts[0].utf8.count), email.utf8.count <= 254,
            parts[0].utf8.allSatisfy({ $0.isASCIILetterOrDigit || ".!#$%&'*+/=?^_`{|}~-".utf8.contains($0) }),
            isHost(String(parts[1]))
        else {
            throw Fault(.invalid, doing: doing, "expected an address such as ana@example.com", field: field)
        }
        return email
    }

    static func isHost(_ text: String) -> Bool {
        text.utf8.count <= 253
            && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                    && label.utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") }
            }
    }
}

extension UInt8 {
    var isASCIILetterOrDigit: Bool {
        (0x30...0x39).contains(self) || (0x41...0x5A).contains(self) || (0x61...0x7A).contains(self)
    }
}
