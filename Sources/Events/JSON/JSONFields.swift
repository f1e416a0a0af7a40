import Kernel

/// The members of one JSON object by name, with faults that say which is wrong. `null` counts as absent.
package struct JSONFields {
    /// What they are read for.
    package let doing: String
    private let path: String?
    private var values: [String: JSONText] = [:]
    private(set) var repeated: String?

    /// - Parameter path: where the object stands, which begins the field of a fault.
    package init(_ object: JSONText, under path: String?, doing: String) {
        self.doing = doing
        self.path = path
        for (name, value) in object.members where values.updateValue(value, forKey: name) != nil {
            repeated = repeated ?? name
        }
    }

    /// The names, in no order.
    var names: some Collection<String> { values.keys }

    /// The member called `name`; nil when absent.
    package func value(_ name: String) -> JSONText? {
        guard let value = values[name], value.kind != .null else { return nil }
        return value
    }

    /// A string of 1 to `limit` bytes without control characters; nil when absent.
    package func text(_ name: String, upTo limit: Int) throws(Fault) -> String? {
        guard let value = value(name) else { return nil }
        guard let text = value.string else { throw fault(name, "expected a string") }
        guard !text.isEmpty else { throw fault(name, "it is empty") }
        guard text.utf8.count <= limit else { throw fault(name, "it has more than \(limit) bytes") }
        guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
            throw fault(name, "it has a control character")
        }
        return text
    }

    /// An amount that is not negative, as a decimal string or a number; nil when absent.
    package func money(_ name: String) throws(Fault) -> Money? {
        guard let value = value(name) else { return nil }
        let digits = value.number.map(Array.init) ?? value.string.map { Array($0.utf8) }
        guard let digits, let amount = Money(bytes: digits) else {
            throw fault(name, "expected a decimal number with at most 4 decimals, such as \"29.33\"")
        }
        guard amount >= .zero else { throw fault(name, "an amount is not negative") }
        return amount
    }

    /// A currency code of three letters; nil when absent.
    package func currency(_ name: String) throws(Fault) -> Currency? {
        guard let text = try text(name, upTo: 3) else { return nil }
        guard let currency = Currency(text) else {
            throw fault(name, "expected a currency code of three letters, such as USD")
        }
        return currency
    }

    /// An RFC 3339 date-time; nil when absent.
    func instant(_ name: String) throws(Fault) -> Timestamp? {
        guard let text = try text(name, upTo: 64) else { return nil }
        guard let instant = Timestamp(rfc3339: text) else {
            throw fault(name, "expected an RFC 3339 date-time such as 2026-01-31T10:00:00Z")
        }
        return instant
    }

    /// `true` or `false`, also as a text, which is what files have; nil when absent.
    package func truth(_ name: String) throws(Fault) -> Bool? {
        guard let value = value(name) else { return nil }
        guard let truth = value.boolean ?? value.string.flatMap({ Bool($0.lowercased()) }) else {
            throw fault(name, "expected true or false")
        }
        return truth
    }

    /// A string, whatever it holds; nil when absent.
    package func string(_ name: String) throws(Fault) -> String? {
        guard let value = value(name) else { return nil }
        guard let text = value.string else { throw fault(name, "expected a string") }
        return text
    }

    /// A whole number of 32 bits; nil when absent.
    package func integer(_ name: String) throws(Fault) -> Int? {
        guard let value = value(name) else { return nil }
        let literal = value.number.map { String(decoding: $0, as: UTF8.self) }
        guard let number = literal.flatMap({ Int32($0) }) else {
            throw fault(name, "expected a whole number from \(Int32.min) to \(Int32.max)")
        }
        return Int(number)
    }

    /// - Throws: where a name is there twice, or is neither of `known` nor of `ignored`.
    package func require(only known: [String], ignoring ignored: [String]) throws(Fault) {
        if let repeated { throw fault(repeated, "it is there twice") }
        if let unknown = names.filter({ !known.contains($0) && !ignored.contains($0) }).min() {
            throw fault(
                unknown, "there is no such field; the fields are \(known.joined(separator: ", "))")
        }
    }

    /// What is wrong with the member called `name`.
    package func fault(_ name: String, _ detail: String) -> Fault {
        Fault(.invalid, doing: doing, detail, field: path.map { "\($0).\(name)" } ?? name)
    }
}
