import Events
import Kernel

/// What a text about a product or a store may be.
struct TextRule {
    /// As events hold their ids, which name the same products and stores.
    static let id = TextRule(bytes: EventLimits.keyBytes)

    /// At most so many bytes.
    let bytes: Int
    /// Whether it may be empty, and have lines.
    var isProse = false

    /// - Throws: `Fault.invalid` with the field.
    func check(_ text: String, _ field: String, doing: String) throws(Fault) {
        guard let broken = broken(by: text) else { return }
        throw Fault(.invalid, doing: doing, broken, field: field)
    }

    /// Whether `text` is such a text: what is none need not be looked for.
    func allows(_ text: String) -> Bool { broken(by: text) == nil }

    private func broken(by text: String) -> String? {
        if text.isEmpty, !isProse { return "it is empty" }
        if text.utf8.count > bytes { return "it has more than \(bytes) bytes" }
        let isWrong: (Unicode.Scalar) -> Bool =
            isProse ? { $0.value == 0 } : { $0.value < 0x20 || $0.value == 0x7F }
        return text.unicodeScalars.contains(where: isWrong) ? "it has a control character" : nil
    }
}
