/// The complete result of one statement: its rows, in binary form as the server sent them, and its tag.
public struct PostgresRows: RandomAccessCollection, Sendable {
    let result: ServerResult

    public var startIndex: Int { 0 }
    public var endIndex: Int { result.rowCount }

    public subscript(row: Int) -> PostgresRow {
        precondition(indices.contains(row), "the result has no row \(row)")
        return PostgresRow(result: result, row: row)
    }

    /// The command tag, such as `INSERT 0 5` or `COMMIT`.
    public var tag: String { result.tag }

    /// How many rows the statement read or changed.
    public var affected: Int { result.affected }

    /// The columns' names, in order.
    public var columns: [String] { (0..<result.columnCount).map(result.columnName) }

    /// The only column of every row.
    public func decode<T: PostgresDecodable>(_ type: T.Type) throws -> [T] {
        try map { try $0.decode(type) }
    }

    /// Every row as a tuple; `types` has one type for each column.
    public func decode<each Column: PostgresDecodable>(
        _ types: (repeat each Column).Type
    ) throws -> [(repeat each Column)] {
        try map { try $0.decode(types) }
    }
}

/// One row of a result; it keeps the whole result alive.
public struct PostgresRow: Sendable {
    let result: ServerResult
    let row: Int

    /// The row's only column.
    public func decode<T: PostgresDecodable>(_ type: T.Type) throws -> T {
        try checkColumns(1)
        return try value(0, as: type)
    }

    /// The row as a tuple: `row.decode((UUIDv7, String?, Money).self)`; throws unless the types are as many
    /// as the columns and each fits.
    public func decode<each Column: PostgresDecodable>(
        _ types: (repeat each Column).Type
    ) throws -> (repeat each Column) {
        var wanted = 0
        for _ in repeat (each Column).self { wanted += 1 }
        try checkColumns(wanted)
        var column = 0
        return try (repeat next(&column, as: (each Column).self))
    }

    /// The value of the column at `index`.
    public func decode<T: PostgresDecodable>(_ index: Int, as type: T.Type = T.self) throws -> T {
        guard (0..<result.columnCount).contains(index) else {
            throw PostgresError.misuse("the result has no column \(index)")
        }
        return try value(index, as: type)
    }

    /// The value of the first column called `name`.
    public func decode<T: PostgresDecodable>(_ name: String, as type: T.Type = T.self) throws -> T {
        guard let index = (0..<result.columnCount).first(where: { result.columnName($0) == name }) else {
            throw PostgresError.misuse("the result has no column '\(name)'")
        }
        return try value(index, as: type)
    }

    private func checkColumns(_ wanted: Int) throws {
        guard wanted == result.columnCount else {
            throw PostgresError.misuse("\(result.columnCount) columns are read as \(wanted)")
        }
    }

    private func next<T: PostgresDecodable>(_ column: inout Int, as type: T.Type) throws -> T {
        defer { column += 1 }
        return try value(column, as: type)
    }

    private func value<T: PostgresDecodable>(_ column: Int, as type: T.Type) throws -> T {
        let columnType = result.columnType(column)
        do {
            if result.isNull(row, column) { return try T.postgresNull() }
            return try result.withValue(row, column) { try T(postgres: $0, type: columnType) }
        } catch let reason as PostgresMismatch {
            throw PostgresDecodingError(
                column: result.columnName(column), columnType: columnType, expected: "\(T.self)",
                reason: reason)
        }
    }
}
