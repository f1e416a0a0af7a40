import ArgumentParser
import Contract
import Kernel

struct ProductsGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "products",
        abstract: "See and set what a brand sells.",
        discussion: """
            Products are known by the brand's own ids, as events name them. How much of them each store has \
            is seen with 'constintel inventory'.

            Example:
              constintel products set sku-1 --name "Canvas shoe" --price 29.90 --brand acme
            """,
        subcommands: [ProductsList.self, ProductsShow.self, ProductsSet.self, ProductsRemove.self])
}

struct ProductsList: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List a brand's products by their ids.",
        discussion: """
            Example:
              constintel products list --brand acme --category Shoes --active true
            """)

    private static let columns = [
        "productId", "name", "category", "subcategory", "price", "currency", "active", "updatedAt",
    ]

    @Option(help: "Only products of this category.") var category: String?
    @Option(help: "Only products that are sold at present, or with 'false' those that are not.")
    var active: Bool?

    @OptionGroup var brand: BrandOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let query = page.query(with: [("category", category), ("active", active.map { "\($0)" })])
        let answer = try await service.instance(of: brand.slug).send(
            Request(.get, "/api/products", query: query, doing: "list the products of '\(brand.slug)'"))
        try service.report(page: answer, columns: Self.columns)
    }
}

struct ProductsShow: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one product.",
        discussion: """
            Example:
              constintel products show sku-1 --brand acme
            """)

    @Argument(help: "The brand's id of it.") var id: String
    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(.get, "/api/products/\(escaped(id))", doing: "show the product \(id)"))
        try service.report(product: answer)
    }
}

struct ProductsSet: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Set one product, or all of a JSON file.",
        discussion: """
            A product is set whole: what is not said is empty after it. --file takes {"products": [...]}, or \
            an array, of at most 1,000; all are set, or none. Their fields are those of 'constintel products \
            list --output json'.

            Example:
              constintel products set sku-1 --name "Canvas shoe" --price 29.90 --metadata color=red \
                --brand acme
              constintel products set --file catalogue.json --brand acme
            """)

    @Argument(help: "The brand's id of the product.") var id: String?
    @Option(help: "What it is called.") var name: String?
    @Option(help: "What it is.") var description: String?
    @Option(help: "Its category.") var category: String?
    @Option(help: "Its subcategory.") var subcategory: String?
    @Option(help: "What one costs, such as 29.90.", transform: ProductsSet.parsePrice)
    var price: Money?
    @Option(help: "The currency of the price (default: the brand's).", transform: RateDay.parseCurrency)
    var currency: Currency?

    @Option(
        help: "Whatever else is known of it, as name=value; repeat it for more.",
        transform: ProductsSet.parseFact)
    var metadata: [Fact] = []

    @Flag(help: "It is not sold at present.") var inactive = false

    @Option(help: "A file of products instead; '-' is standard input.", completion: .file())
    var file: String?

    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    /// One member of the metadata.
    struct Fact: Sendable {
        let name: String
        let value: String
    }

    /// A product as it is sent.
    private struct Draft: Encodable {
        let name: String?
        let description: String?
        let category: String?
        let subcategory: String?
        let price: Money?
        let currency: Currency?
        let metadata: [String: String]?
        let active: Bool
    }

    func validate() throws {
        guard (id == nil) != (file == nil) else {
            throw ValidationError("Name a product, or a --file of several.")
        }
        guard file != nil || name != nil else { throw ValidationError("A product has a --name.") }
        guard Set(metadata.map(\.name)).count == metadata.count else {
            throw ValidationError("--metadata has a name twice.")
        }
    }

    func run(on service: Service) async throws {
        guard let id else {
            let answer = try await service.set("products", file: file ?? "-", of: brand.slug)
            let change = try answer.decode(ProductsChange.self)
            return try service.report(
                answer, changed: change.changed, unchanged: change.unchanged, of: ("product", "products"))
        }
        let facts = Dictionary(metadata.map { ($0.name, $0.value) }) { first, _ in first }
        let draft = Draft(
            name: name, description: description, category: category, subcategory: subcategory, price: price,
            currency: currency, metadata: facts.isEmpty ? nil : facts, active: !inactive)
        let answer = try await service.instance(of: brand.slug).send(
            Request(.put, "/api/products/\(escaped(id))", json: draft, doing: "set the product \(id)"))
        try service.report(product: answer)
    }

    @Sendable private static func parsePrice(_ text: String) throws -> Money {
        guard let price = Money(text), price >= .zero else {
            throw ValidationError("expected a decimal with at most 4 decimals, such as 29.90")
        }
        return price
    }

    @Sendable private static func parseFact(_ text: String) throws -> Fact {
        guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
            throw ValidationError("expected name=value, such as color=red")
        }
        return Fact(name: String(text[..<equals]), value: String(text[text.index(after: equals)...]))
    }
}

struct ProductsRemove: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Remove one product.",
        discussion: """
            What events say of it stays. One that stores have an inventory of is kept, unless \
            --with-inventory removes that too. To keep it and sell it no more, set it with --inactive.

            Example:
              constintel products remove sku-1 --brand acme
            """)

    @Argument(help: "The brand's id of it.") var id: String
    @Flag(help: "Remove its inventory in all stores too.") var withInventory = false
    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(
                .delete, "/api/products/\(escaped(id))",
                query: withInventory ? [("inventory", "true")] : [], doing: "remove the product \(id)"))
        let levels = try answer.decode(ProductRemoval.self).inventory
        try service.report(answer) {
            let stores = "\(grouped(Int64(levels))) \(levels == 1 ? "store" : "stores")"
            return ["Removed the product \(id)\(levels == 0 ? "" : ", and its inventory in \(stores)")."]
        }
    }
}

extension Service {
    fileprivate func report(product answer: Answer) throws {
        let order = [
            "productId", "name", "description", "category", "subcategory", "price", "currency", "active",
            "metadata",
        ]
        try report(answer) { Description(try answer.decode(JSONValue.self).fields(order: order)).lines }
    }
}
