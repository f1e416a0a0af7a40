extension APIKeyText {
    /// The keys in a text of any kind, such as a finding of a secret scanner: whatever has a key's form and a
    /// check that fits, each once, in the order of the text.
    public static func all(in text: some StringProtocol) -> [APIKeyText] {
        let bytes = Array(text.utf8)
        var found: [APIKeyText] = []
        var known: Set<[UInt8]> = []
        for start in bytes.indices where bytes[start...].starts(with: "ci_".utf8) {
            guard let end = end(of: bytes, from: start),
                let key = APIKeyText.parse(String(decoding: bytes[start..<end], as: UTF8.self)),
                known.insert(key.hash).inserted
            else { continue }
            found.append(key)
        }
        return found
    }

    /// Where a key that begins at `start` ends, by the underscore behind its slug.
    private static func end(of bytes: [UInt8], from start: Int) -> Int? {
        let underscore = UInt8(ascii: "_")
        var place = start
        for _ in 0..<3 {
            guard let next = bytes[place...].prefix(maximumLength).firstIndex(of: underscore) else {
                return nil
            }
            place = next + 1
        }
        let end = place + publicIdLength + 1 + secretLength + checkLength
        return end <= bytes.count ? end : nil
    }
}
