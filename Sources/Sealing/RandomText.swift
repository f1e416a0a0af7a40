import Kernel

/// Random text of the 62 letters and digits of ASCII, 5.95 bits in each character.
public enum RandomText {
    /// `count` characters, each equally likely to be any of the 62.
    public static func base62(_ count: Int) -> String {
        var text: [UInt8] = []
        while text.count < count {
            // 248 is the largest multiple of 62 in a byte: taking a remainder of more would favour some.
            let drawn = RandomBytes.make(count - text.count + 8).lazy.filter { $0 < 248 }
            text += drawn.prefix(count - text.count).map { Base62.alphabet[Int($0 % 62)] }
        }
        return String(decoding: text, as: UTF8.self)
    }
}

/// Makes passwords for roles and users that no person types.
public enum PasswordGenerator {
    /// 32 letters and digits: 190 bits, and nothing that needs quoting anywhere.
    public static func make(length: Int = 32) -> Secret { Secret(RandomText.base62(length)) }
}

enum Base62 {
    static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
    /// Of each byte whether it is in the alphabet; looked at for each character of each request's key.
    private static let isDigit = (0...UInt8.max).map { alphabet.contains($0) }

    /// `number` in six digits, which hold any 32 bits.
    static func sixDigits(_ number: UInt32) -> String {
        var digits: [UInt8] = []
        var rest = Int(number)
        for _ in 0..<6 {
            digits.append(alphabet[rest % 62])
            rest /= 62
        }
        return String(decoding: digits.reversed(), as: UTF8.self)
    }

    static func isText(_ text: some StringProtocol, count: Int) -> Bool {
        text.utf8.count == count && text.utf8.allSatisfy { isDigit[Int($0)] }
    }
}
