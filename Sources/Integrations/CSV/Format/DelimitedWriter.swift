import CCsv

/// Writes rows as RFC 4180 says, through libcsv, which puts every field in quotes.
enum DelimitedWriter {
    private static let delimiter = UInt8(ascii: ",")
    private static let quote = UInt8(ascii: "\"")

    /// One row with its line end.
    static func row(_ fields: [String]) -> [UInt8] {
        var bytes: [UInt8] = []
        for (index, field) in fields.enumerated() {
            if index > 0 { bytes.append(delimiter) }
            let source = Array(field.utf8)
            // A quote becomes two, and two are around it all.
            bytes += [UInt8](unsafeUninitializedCapacity: 2 * source.count + 2) { buffer, count in
                count = csv_write2(buffer.baseAddress, buffer.count, source, source.count, quote)
            }
        }
        return bytes + [UInt8(ascii: "\r"), UInt8(ascii: "\n")]
    }
}
