/// What the bytes of a file mean as text.
public enum TextEncoding: String, Codable, Sendable, CaseIterable {
    case utf8 = "utf-8"
    case utf16LittleEndian = "utf-16le"
    case utf16BigEndian = "utf-16be"
    case windows1250 = "windows-1250"
    case windows1251 = "windows-1251"
    case windows1252 = "windows-1252"
    case windows1254 = "windows-1254"
    case latin1 = "iso-8859-1"
    case latin9 = "iso-8859-15"
    case macintosh
    case shiftJIS = "shift_jis"
    case gb18030
    case eucKR = "euc-kr"

    /// The encoding of this name (IANA's), in upper or lower case.
    public init?(name: String) { self.init(rawValue: name.lowercased()) }

    /// Bytes of the shortest character.
    var unitBytes: Int { self == .utf16LittleEndian || self == .utf16BigEndian ? 2 : 1 }

    /// The encoding that the beginning of a file seems to have; nil where it is no text.
    ///
    /// A byte order mark decides. What is UTF-8 is that; where every other byte is zero, it is UTF-16. What
    /// else has no control characters is taken for Windows-1252, as which spreadsheets save files in most of
    /// Europe and America; the other encodings of one byte cannot be told from it, and have to be named.
    static func detected(in sample: [UInt8]) -> TextEncoding? {
        if sample.starts(with: [0xEF, 0xBB, 0xBF]) { return isUTF8(sample) ? .utf8 : nil }
        if sample.starts(with: [0xFF, 0xFE]) { return .utf16LittleEndian }
        if sample.starts(with: [0xFE, 0xFF]) { return .utf16BigEndian }
        if sample.contains(0) { return utf16(sample) }
        if isUTF8(sample) { return .utf8 }
        return sample.allSatisfy(isWindows1252) ? .windows1252 : nil
    }

    /// UTF-16 without a mark: most characters of a file of rows are ASCII, with a zero before or behind it.
    private static func utf16(_ sample: [UInt8]) -> TextEncoding? {
        let pairs = sample.count / 2
        guard pairs > 0 else { return nil }
        var (high, low) = (0, 0)
        for pair in 0..<pairs {
            let (first, second) = (sample[2 * pair], sample[2 * pair + 1])
            if first == 0, isPrintable(second) { high += 1 }
            if second == 0, isPrintable(first) { low += 1 }
        }
        if 2 * low > pairs { return .utf16LittleEndian }
        return 2 * high > pairs ? .utf16BigEndian : nil
    }

    private static func isPrintable(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x7F || (0x09...0x0D).contains(byte)
    }

    private static func isWindows1252(_ byte: UInt8) -> Bool {
        isPrintable(byte) || byte >= 0x80 && ![0x81, 0x8D, 0x8F, 0x90, 0x9D].contains(byte)
    }

    /// Whether the bytes are UTF-8, but for a character that the end of the sample may have cut.
    static func isUTF8(_ sample: [UInt8]) -> Bool {
        String(validating: sample.dropLast(cutBytes(sample)), as: UTF8.self) != nil
    }

    /// How many bytes at the end begin a character and do not end it.
    private static func cutBytes(_ sample: [UInt8]) -> Int {
        for count in 1...3 where sample.count >= count {
            let byte = sample[sample.count - count]
            if byte & 0xC0 == 0x80 { continue }
            let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC2 ? 2 : 1
            return length > count ? count : 0
        }
        return 0
    }
}
