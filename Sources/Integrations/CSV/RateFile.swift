import Contract
import Kernel

/// Reads a file of rates: three columns with the header `currency,day,rate`, in any order.
///
///     currency,day,rate
///     EUR,2026-01-31,1.0842
public enum RateFile {
    /// Bytes of a file.
    public static let maximumBytes = 1 << 20

    private static let columns = ["currency", "day", "rate"]

    /// The rates in `bytes`.
    ///
    /// - Throws: `Fault.invalid` with the row and column, such as `row 3, rate`.
    public static func rates(_ bytes: [UInt8], doing: String) throws(Fault) -> [CurrencyRate] {
        var rows = try rows(bytes, doing: doing)
        guard !rows.isEmpty else { throw Fault(.invalid, doing: doing, "the file is empty") }
        let header = rows.removeFirst().fields.map { String(decoding: $0, as: UTF8.self).lowercased() }
        var places: [Int] = []
        for column in columns {
            guard let place = header.firstIndex(of: column) else {
                throw Fault(
                    .invalid, doing: doing,
                    "the file has the columns \(columns.joined(separator: ", ")), named in its first row",
                    field: column)
            }
            places.append(place)
        }
        var rates: [CurrencyRate] = []
        for row in rows {
            let fields = row.fields.map { String(decoding: $0, as: UTF8.self) }
            guard fields.count == header.count else {
                throw Fault(
                    .invalid, doing: doing, "it has \(fields.count) columns, and the header \(header.count)",
                    field: "row \(row.number)")
            }
            guard let currency = Currency(fields[places[0]]) else {
                throw Fault(
                    .invalid, doing: doing, "expected a currency code of three letters, such as USD",
                    field: "row \(row.number), currency")
            }
            guard let day = Day(fields[places[1]]) else {
                throw Fault(
                    .invalid, doing: doing, "expected a day such as 2026-01-31",
                    field: "row \(row.number), day")
            }
            rates.append(CurrencyRate(currency: currency, day: day, rate: fields[places[2]]))
        }
        return rates
    }

    private static func rows(_ bytes: [UInt8], doing: String) throws(Fault) -> [DelimitedParser.Row] {
        guard String(validating: bytes, as: UTF8.self) != nil, !bytes.contains(0) else {
            throw Fault(.invalid, doing: doing, "the file is not UTF-8")
        }
        let firstLine = bytes.prefix { $0 != UInt8(ascii: "\n") }
        let separator = firstLine.contains(UInt8(ascii: ";")) ? UInt8(ascii: ";") : UInt8(ascii: ",")
        var parser = DelimitedParser(delimiter: .character(separator))
        do {
            return try parser.feed(bytes) + parser.finish()
        } catch {
            throw Fault(.invalid, doing: doing, "\(error)")
        }
    }
}
