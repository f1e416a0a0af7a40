import ArgumentParser
import Contract
import Kernel

struct InventoryGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inventory",
        abstract: "See and set how much of its products each store of a brand has.",
        discussion: """
            Example:
              constintel inventory list --below-reorder-point --brand acme
            """,
        subcommands: [InventoryList.self, InventorySet.self, InventoryRemove.self])
}

struct InventoryList: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List stock levels, by their products and the stores of each.",
        discussion: """
            A level is below its reorder point when what is there, less what is reserved, is.

            Example:
              constintel inventory list --store berlin --below-reorder-point --brand acme
            """)

    private static let columns = [
        "productId", "storeId", "storeName", "quantity", "reservedQuantity", "reorderPoint", "maxStock",
        "lastUpdated",
    ]

    @Option(help: "Only levels of the product with this id of the brand's.") var product: String?
    @Option(help: "Only levels of the store with this id of the brand's.") var store: String?
    @Flag(help: "Only levels that are below their reorder point.") var belowReorderPoint = false
    @OptionGroup var brand: BrandOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let query = page.query(with: [
            ("productId", product), ("storeId", store),
            ("belowReorderPoint", belowReorderPoint ? "true" : nil),
        ])
        let answer = try await service.instance(of: brand.slug).send(
            Request(.get, "/api/inventory", query: query, doing: "list the inventory of '\(brand.slug)'"))
        try service.report(page: answer, columns: Self.columns)
    }
}

struct InventorySet: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Set one stock level, or all of a JSON file.",
        discussion: """
            A level is set whole: what is not said is empty after it. Its product is there already. --file \
            takes {"inventory": [...]}, or an array, of at most 1,000; all are set, or none. Their fields \
            are those of 'constintel inventory list --output json'.

            Example:
              constintel inventory set sku-1 berlin --quantity 12 --reorder-point 5 --brand acme
              constintel inventory set --file stock.json --brand acme
            """)

    @Argument(help: "The brand's id of the product.") var product: String?
    @Argument(help: "The brand's id of the store.") var store: String?

    @Option(parsing: .unconditional, help: "How much of it is there; below zero where more was sold.")
    var quantity: Int?

    @Option(help: "What of it is promised to somebody.") var reserved = 0
    @Option(help: "Below it the store orders more.") var reorderPoint: Int?
    @Option(help: "What the store holds at most.") var maxStock: Int?
    @Option(help: "What the store is called.") var storeName: String?

    @Option(help: "A file of stock levels instead; '-' is standard input.", completion: .file())
    var file: String?

    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    func validate() throws {
        guard file == nil ? store != nil : product == nil else {
            throw ValidationError("Name a product and a store, or a --file of several levels.")
        }
        guard file != nil || quantity != nil else { throw ValidationError("A stock level has a --quantity.") }
    }

    func run(on service: Service) async throws {
        guard let product, let store, let quantity else {
            let answer = try await service.set("inventory", file: file ?? "-", of: brand.slug)
            let change = try answer.decode(InventoryChange.self)
            return try service.report(
                answer, changed: change.changed, unchanged: change.unchanged,
                of: ("stock level", "stock levels"))
        }
        var level = StockLevel(
            productId: product, storeId: store, quantity: quantity, reservedQuantity: reserved)
        level.reorderPoint = reorderPoint
        level.maxStock = maxStock
        level.storeName = storeName
        let answer = try await service.instance(of: brand.slug).send(
            Request(
                .put, "/api/inventory/\(escaped(product))/\(escaped(store))", json: level,
                doing: "set the stock level of \(product) in \(store)"))
        let order = [
            "productId", "storeId", "storeName", "quantity", "reservedQuantity", "reorderPoint", "maxStock",
            "lastUpdated",
        ]
        try service.report(answer) {
            Description(try answer.decode(JSONValue.self).fields(order: order)).lines
        }
    }
}

struct InventoryRemove: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Remove one stock level.",
        discussion: """
            As if the store had never had the product. One that is out of it has a level of 0.

            Example:
              constintel inventory remove sku-1 berlin --brand acme
            """)

    @Argument(help: "The brand's id of the product.") var product: String
    @Argument(help: "The brand's id of the store.") var store: String
    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(
                .delete, "/api/inventory/\(escaped(product))/\(escaped(store))",
                doing: "remove the stock level of \(product) in \(store)"))
        try service.report(answer) { ["Removed the stock level of \(product) in \(store)."] }
    }
}
