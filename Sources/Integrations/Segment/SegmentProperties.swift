import Events
import Kernel

/// The properties of a message on their way into an event's.
///
/// All that the sender wrote stays, under its own names. Where one of ours has the name of one of the
/// sender's that means something else, the sender's is kept as `own…`: its `items`, a count, as `ownItems`.
struct SegmentProperties {
    private var members: [(name: String, value: [UInt8]?)] = []
    private var places: [String: Int] = [:]

    /// - Parameter object: what is no object has no properties.
    init(_ object: JSONText?) {
        guard let object else { return }
        for (name, value) in object.members { put(name, Array(value.bytes)) }
    }

    /// As a JSON object.
    var json: [UInt8] {
        JSONText.object(members.compactMap { member in member.value.map { (member.name, $0) } })
    }

    /// What stands under a name; nil when it is absent or null.
    func value(_ name: String) -> JSONText? {
        guard let bytes = places[name].flatMap({ members[$0].value }),
            let value = try? JSONText.checking(bytes), value.kind != .null
        else { return nil }
        return value
    }

    func has(_ name: String) -> Bool { value(name) != nil }

    /// A text or a number that can be an id.
    func id(_ name: String) -> String? { value(name)?.word(upTo: EventLimits.keyBytes) }

    /// Writes a property in place of whatever stands there and means the same.
    mutating func replace(_ name: String, _ value: [UInt8]) { put(name, value) }

    /// Writes a property of ours; what stands there and differs is set aside.
    mutating func fill(_ name: String, _ value: [UInt8]) {
        if let place = places[name], members[place].value != value { setAside(name) }
        put(name, value)
    }

    /// The same with a text.
    mutating func fill(_ name: String, text: String) { fill(name, JSONText.quoted(text)) }

    /// Fills a property unless the sender has it already.
    mutating func complete(_ name: String, _ value: JSONText?) {
        guard let value, !has(name) else { return }
        put(name, Array(value.bytes))
    }

    mutating func remove(_ name: String) {
        if let place = places.removeValue(forKey: name) { members[place].value = nil }
    }

    /// Keeps a property under another name, and tells whether there was one.
    @discardableResult
    mutating func setAside(_ name: String) -> Bool {
        guard let place = places[name], let value = members[place].value else { return false }
        remove(name)
        var own = "own" + name.prefix(1).uppercased() + name.dropFirst()
        while places[own] != nil { own += "_" }
        put(own, value)
        return true
    }

    private mutating func put(_ name: String, _ value: [UInt8]) {
        if let place = places[name] {
            members[place].value = value
        } else {
            places[name] = members.count
            members.append((name, value))
        }
    }
}

extension SegmentProperties {
    /// Leaves a text that says something; an empty one goes, and what is no text is set aside.
    mutating func keepText(_ name: String) {
        guard let value = value(name) else { return }
        guard let text = value.string else {
            setAside(name)
            return
        }
        if text.isEmpty { remove(name) }
    }

    /// Leaves a number, also one that is written as a text; what is none is set aside.
    mutating func keepNumber(_ name: String) {
        guard let value = value(name), value.kind != .number else { return }
        let digits = Array((value.string ?? "").utf8)
        if let number = try? JSONText.checking(digits), number.kind == .number {
            replace(name, Array(number.bytes))
        } else {
            setAside(name)
        }
    }

    /// Leaves an amount that is not negative; what is none is set aside.
    mutating func keepAmount(_ name: String) {
        guard let value = value(name) else { return }
        if let amount = SegmentProperties.amount(value) {
            replace(name, value, as: amount)
        } else {
            setAside(name)
        }
    }

    /// Writes an amount as a text, unless it stands there in a way that is read everywhere.
    mutating func replace(_ name: String, _ value: JSONText, as amount: Money) {
        let digits = value.number.map(Array.init) ?? Array((value.string ?? "").utf8)
        if Money(bytes: digits) != amount { replace(name, JSONText.quoted(amount.description)) }
    }

    /// An amount that is not negative, from a text or a number.
    ///
    /// Senders reckon in binary fractions: what has more than four decimals as a number is rounded to four,
    /// 57.980000000000004 to 57.98. A text says exactly what it says.
    static func amount(_ value: JSONText) -> Money? {
        let amount =
            value.number.map { Money(bytes: $0) ?? rounded(Array($0)) }
            ?? value.string.map { Money($0.trimmingSpaces) }
        guard let amount = amount ?? nil, amount >= .zero else { return nil }
        return amount
    }

    /// A JSON number to four decimals, halves away from zero; nil when it is too large.
    static func rounded(_ literal: [UInt8]) -> Money? {
        let isNegative = literal.first == UInt8(ascii: "-")
        let parts = literal.dropFirst(isNegative ? 1 : 0).split(
            maxSplits: 1, whereSeparator: { $0 == UInt8(ascii: "e") || $0 == UInt8(ascii: "E") })
        guard let mantissa = parts.first else { return nil }
        let exponent = parts.count == 2 ? Int(String(decoding: parts[1], as: UTF8.self)) ?? 0 : 0
        let point = mantissa.firstIndex(of: UInt8(ascii: ".")) ?? mantissa.endIndex
        let digits = mantissa.filter { $0 != UInt8(ascii: ".") }
        // How many digits stand before the end of the fourth decimal.
        let length = mantissa.distance(from: mantissa.startIndex, to: point) + exponent + 4
        var amount: Int64 = 0
        for position in 0..<max(0, min(length, 64)) {
            let digit = position < digits.count ? digits[digits.startIndex + position] & 0x0F : 0
            guard amount <= Money.limit.tenThousandths / 10 else { return nil }
            amount = amount * 10 + Int64(digit)
        }
        guard length <= 64 || amount == 0 else { return nil }
        if length >= 0, length < digits.count, digits[digits.startIndex + length] & 0x0F >= 5 { amount += 1 }
        guard amount <= Money.limit.tenThousandths else { return nil }
        return Money(tenThousandths: isNegative ? -amount : amount)
    }
}

extension String {
    /// Without white space at either end.
    fileprivate var trimmingSpaces: Substring {
        let rest = drop(while: \.isWhitespace)
        return rest.lastIndex { !$0.isWhitespace }.map { rest[...$0] } ?? rest
    }
}
