import Foundation
import Kernel

@testable import Events
@testable import Integrations

/// Files as anybody may export them, with any delimiter and cut into any pieces. Whatever comes in, nothing
/// traps; the pieces do not matter, and every row becomes an event that the door takes, or a reason.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 2 else { return 0 }
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    let delimiters: [Delimiter] = [
        .character(UInt8(ascii: ",")), .character(UInt8(ascii: ";")), .character(UInt8(ascii: "\t")),
        .character(UInt8(ascii: "|")), .whitespace,
    ]
    let delimiter = delimiters[Int(input[0]) % delimiters.count]
    let piece = Int(input[1]) + 1
    let file = Array(input.dropFirst(2))
    _ = try? RateFile.rates(file, doing: "set the rates")
    decode(file, TextEncoding.allCases[Int(input[0]) % TextEncoding.allCases.count], pieces: piece)
    if let format = try? FileFormat(of: file, encoding: nil, delimiter: nil) {
        precondition((try? FileFormat.text(file, format.encoding)) != nil, "what was found is not so")
    }
    guard let whole = rows(file, delimiter, pieces: file.count + 1) else {
        precondition(rows(file, delimiter, pieces: piece) == nil, "in pieces it is a file")
        return 0
    }
    precondition(rows(file, delimiter, pieces: piece)?.map(\.fields) == whole.map(\.fields), "pieces matter")
    read(whole, delimiter)
    return 0
}

private func decode(_ file: [UInt8], _ encoding: TextEncoding, pieces: Int) {
    func decoded(by size: Int) -> [UInt8]? {
        guard var decoder = try? TextDecoder(encoding) else { return nil }
        var text: [UInt8] = []
        for start in stride(from: 0, to: file.count, by: size) {
            text += decoder.decode(Array(file[start..<min(start + size, file.count)]))
        }
        return text + decoder.finish()
    }
    precondition(decoded(by: pieces) == decoded(by: file.count + 1), "pieces matter")
}

private func rows(_ file: [UInt8], _ delimiter: Delimiter, pieces: Int) -> [DelimitedParser.Row]? {
    var parser = DelimitedParser(delimiter: delimiter, maximumRows: 1_000)
    do {
        var rows: [DelimitedParser.Row] = []
        for start in stride(from: 0, to: file.count, by: pieces) {
            rows += try parser.feed(Array(file[start..<min(start + pieces, file.count)]))
        }
        return rows + (try parser.finish())
    } catch {
        return nil
    }
}

private func read(_ rows: [DelimitedParser.Row], _ delimiter: Delimiter) {
    guard let header = rows.first, let zone = TimeZone(identifier: "Asia/Kolkata") else { return }
    let columns = ["email:1", "total:2", "occurredAt:3", "orderId:4"].prefix(header.fields.count)
    let query = ["map": Array(columns), "delimiter": [delimiter.name], "header": ["false"]]
    guard
        let options = try? ImportOptions(query: { query[$0] ?? [] }, timeZone: zone.identifier),
        var reader = try? RowReader(
            options: options, first: header.fields, isTest: false,
            receivedAt: Timestamp(microseconds: 1_769_853_600_000_000))
    else { return }
    var keys: Set<String> = []
    for row in rows {
        if case .event(let event) = reader.read(row) {
            precondition(keys.insert(event.key).inserted, "two rows are one event")
            precondition((try? EventEnvelope.event(from: EventEnvelope.fields(of: event))) != nil)
        }
    }
}
