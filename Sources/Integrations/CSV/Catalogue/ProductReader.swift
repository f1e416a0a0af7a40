import Commerce
import Events
import Kernel

/// Makes products of rows.
struct ProductReader: RowPreviews {
    private let columns: RowColumns

    /// - Parameter first: the header, or the first row of a file that has none.
    init(_ options: ImportOptions, first: [[UInt8]]) throws(Fault) {
        columns = try RowColumns(options, first: first)
    }

    /// The product that a row is.
    func read(_ row: DelimitedParser.Row) throws(RowRejection) -> Product {
        let texts = try columns.texts(of: row.fields)
        do throws(Fault) {
            var product = Product(productId: "", name: "")
            var metadata: [(String, [UInt8])] = []
            for (target, index) in columns.columns where !texts[index].isEmpty {
                if target.hasPrefix("metadata.") {
                    metadata.append(
                        (String(target.dropFirst("metadata.".count)), JSONText.quoted(texts[index])))
                } else {
                    try ProductReader.set(target, texts[index], of: &product)
                }
            }
            if !metadata.isEmpty {
                product.metadata = String(decoding: JSONText.object(metadata), as: UTF8.self)
            }
            try Products.check(product, doing: ImportOptions.doing)
            return product
        } catch {
            throw RowRejection(error)
        }
    }

    private static func set(_ target: String, _ text: String, of product: inout Product) throws(Fault) {
        switch target {
        case "productId": product.productId = text
        case "name": product.name = text
        case "description": product.description = text
        case "category": product.category = text
        case "subcategory": product.subcategory = text
        case "active": product.active = try RowReader.truth(text, target)
        case "price":
            guard let price = Money(bytes: Array(text.utf8)) else {
                throw ImportOptions.wrong(
                    target, "expected a decimal number with at most 4 decimals, such as 29.33")
            }
            product.price = price
        case "currency":
            guard let currency = Currency(text) else {
                throw ImportOptions.wrong(target, "expected a currency code of three letters, such as USD")
            }
            product.currency = currency
        default: throw ImportOptions.wrong(target, "products have no such field")
        }
    }

    mutating func preview(_ row: DelimitedParser.Row) throws(RowRejection) -> [String: String] {
        let product = try read(row)
        return ["active": String(product.active)]
    }
}
