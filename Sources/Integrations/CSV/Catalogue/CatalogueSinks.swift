import Commerce
import Contract
import Events
import Kernel

/// Rows that are products: set as of the receipt of their file, so that an older file changes nothing.
struct ProductSink: RowSink {
    private let reader: ProductReader
    private let products: Products
    private let instant: Timestamp
    private var waiting: [Product] = []

    var pending: Int { waiting.count }

    init(
        _ options: ImportOptions, first: [[UInt8]], of operation: OperationStore.Open,
        _ surroundings: Imports.Surroundings
    ) throws {
        reader = try ProductReader(options, first: first)
        products = surroundings.products
        instant = operation.createdAt
    }

    mutating func take(_ row: DelimitedParser.Row) -> RowOutcome {
        do {
            waiting.append(try reader.read(row))
            return .pending
        } catch {
            return .rejected(error.reason)
        }
    }

    mutating func flush() async throws -> FlushedRows {
        guard !waiting.isEmpty else { return FlushedRows() }
        let change = try await products.set(waiting, at: instant)
        waiting = []
        return FlushedRows(accepted: Int64(change.changed), duplicates: Int64(change.unchanged))
    }

    func finish() async throws {}
}

/// Rows that are stock levels, set as of the receipt of their file. Those of products that there are not are
/// rejected.
struct StockSink: RowSink {
    /// How often levels are set whose products go away meanwhile.
    private static let attempts = 3

    private let reader: StockReader
    private let inventory: Inventory
    private let products: Products
    private let instant: Timestamp
    private var waiting: [(row: DelimitedParser.Row, level: StockLevel)] = []

    var pending: Int { waiting.count }

    init(
        _ options: ImportOptions, first: [[UInt8]], of operation: OperationStore.Open,
        _ surroundings: Imports.Surroundings
    ) throws {
        reader = try StockReader(options, first: first)
        inventory = surroundings.inventory
        products = surroundings.products
        instant = operation.createdAt
    }

    mutating func take(_ row: DelimitedParser.Row) -> RowOutcome {
        do {
            waiting.append((row, try reader.read(row)))
            return .pending
        } catch {
            return .rejected(error.reason)
        }
    }

    mutating func flush() async throws -> FlushedRows {
        var flushed = FlushedRows()
        var attempt = 0
        while !waiting.isEmpty {
            attempt += 1
            let known = try await products.known(waiting.map(\.level.productId))
            let unknown = waiting.filter { !known.contains(Array($0.level.productId.utf8)) }
            flushed.rejected += unknown.map { row, level in
                (row, "productId: there is no product '\(level.productId)'")
            }
            waiting.removeAll { !known.contains(Array($0.level.productId.utf8)) }
            do {
                let change = try await inventory.set(waiting.map(\.level), at: instant)
                flushed.accepted += Int64(change.changed)
                flushed.duplicates += Int64(change.unchanged)
                waiting = []
            } catch let fault as Fault where fault.code == .invalid && attempt < StockSink.attempts {
                // A product has gone since it was looked for.
            }
        }
        return flushed
    }

    func finish() async throws {}
}
