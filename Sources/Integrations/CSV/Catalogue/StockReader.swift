import Commerce
import Contract
import Kernel

/// Makes stock levels of rows.
struct StockReader: RowPreviews {
    private let columns: RowColumns

    /// - Parameter first: the header, or the first row of a file that has none.
    init(_ options: ImportOptions, first: [[UInt8]]) throws(Fault) {
        columns = try RowColumns(options, first: first)
    }

    /// The level that a row is.
    func read(_ row: DelimitedParser.Row) throws(RowRejection) -> StockLevel {
        let texts = try columns.texts(of: row.fields)
        do throws(Fault) {
            var level = StockLevel(productId: "", storeId: "", quantity: 0)
            var hasQuantity = false
            for (target, index) in columns.columns where !texts[index].isEmpty {
                try StockReader.set(target, texts[index], of: &level)
                hasQuantity = hasQuantity || target == "quantity"
            }
            guard hasQuantity else { throw ImportOptions.wrong("quantity", "it is missing") }
            try Inventory.check(level, doing: ImportOptions.doing)
            return level
        } catch {
            throw RowRejection(error)
        }
    }

    private static func set(_ target: String, _ text: String, of level: inout StockLevel) throws(Fault) {
        switch target {
        case "productId": level.productId = text
        case "storeId": level.storeId = text
        case "storeName": level.storeName = text
        case "quantity": level.quantity = try count(text, target)
        case "reservedQuantity": level.reservedQuantity = try count(text, target)
        case "reorderPoint": level.reorderPoint = try count(text, target)
        case "maxStock": level.maxStock = try count(text, target)
        default: throw ImportOptions.wrong(target, "stock levels have no such field")
        }
    }

    /// A whole number, also as `12.0`, which is what spreadsheets make of it.
    private static func count(_ text: String, _ target: String) throws(Fault) -> Int {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let count = Int(parts[0]),
            parts.count == 1 || (!parts[1].isEmpty && parts[1].allSatisfy { $0 == "0" })
        else {
            throw ImportOptions.wrong(target, "expected a whole number, found '\(text.prefix(40))'")
        }
        return count
    }

    mutating func preview(_ row: DelimitedParser.Row) throws(RowRejection) -> [String: String] {
        let level = try read(row)
        return ["quantity": String(level.quantity)]
    }
}
