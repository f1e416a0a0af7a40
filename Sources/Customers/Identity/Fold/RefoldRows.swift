import Postgres

/// Rows for a binary `COPY … FROM STDIN`, encoded while they are sent and handed on in chunks.
package struct RefoldRows<Rows: Sequence>: AsyncSequence {
    package typealias Element = [UInt8]

    private let rows: Rows
    private let encode: (Rows.Element, inout RefoldRowBuffer) -> Void

    /// - Parameter encode: appends what one element stands for: a row, several, or none.
    package init(_ rows: Rows, _ encode: @escaping (Rows.Element, inout RefoldRowBuffer) -> Void) {
        self.rows = rows
        self.encode = encode
    }

    package func makeAsyncIterator() -> Iterator { Iterator(rows.makeIterator(), encode) }

    /// Makes chunks as long as there are rows.
    package struct Iterator: AsyncIteratorProtocol {
        /// Bytes after which a chunk is handed on.
        private static var chunkBytes: Int { 1 << 16 }

        private var rows: Rows.Iterator
        private let encode: (Rows.Element, inout RefoldRowBuffer) -> Void
        private var buffer = RefoldRowBuffer.beginning
        private var hasEnded = false

        fileprivate init(
            _ rows: Rows.Iterator, _ encode: @escaping (Rows.Element, inout RefoldRowBuffer) -> Void
        ) {
            self.rows = rows
            self.encode = encode
        }

        package mutating func next() async -> [UInt8]? {
            guard !hasEnded else { return nil }
            while buffer.bytes.count < Iterator.chunkBytes {
                guard let row = rows.next() else {
                    hasEnded = true
                    buffer.end()
                    return buffer.bytes
                }
                encode(row, &buffer)
            }
            defer { buffer.bytes.removeAll(keepingCapacity: true) }
            return buffer.bytes
        }
    }
}

/// The bytes of rows in the layout of a binary COPY ("Binary Format" under `COPY` in PostgreSQL's manual).
package struct RefoldRowBuffer {
    fileprivate var bytes: [UInt8] = []

    /// The file's signature, no flags, no extension.
    fileprivate static var beginning: RefoldRowBuffer {
        var buffer = RefoldRowBuffer()
        buffer.bytes = Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0x00]
        buffer.append(Int32(0))
        buffer.append(Int32(0))
        return buffer
    }

    fileprivate mutating func end() { append(Int16(-1)) }

    /// Appends one row; each value has exactly the type of its column.
    package mutating func row<each Value: PostgresEncodable>(_ values: repeat each Value) {
        var count: Int16 = 0
        for _ in repeat (each Value).self { count += 1 }
        append(count)
        repeat append(value: each values)
    }

    private mutating func append(value: some PostgresEncodable) {
        guard !value.isPostgresNull else { return append(Int32(-1)) }
        let start = bytes.count
        append(Int32(0))
        value.encode(into: &bytes)
        let length = UInt32(bytes.count - start - 4)
        for place in 0..<4 { bytes[start + place] = UInt8(truncatingIfNeeded: length >> (24 - 8 * place)) }
    }

    private mutating func append(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
