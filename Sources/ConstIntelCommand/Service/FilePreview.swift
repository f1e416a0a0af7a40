import Contract
import Kernel

/// What the service would make of a file, by its beginning.
struct FilePreview: Sendable {
    private static let sampleBytes = 128 << 10
    private static let cellCharacters = 28

    let file: InputFile
    let query: [(name: String, value: String)]
    let instance: Endpoint
    let doing: String

    /// Asks the service. A pipe is read for it, and cannot be imported any more.
    func ask() async throws -> Answer {
        var sample: [UInt8] = []
        if file.length != nil {
            sample = try file.read(at: 0, upTo: Self.sampleBytes)
        } else {
            while sample.count < Self.sampleBytes,
                let piece = try file.read(upTo: Self.sampleBytes - sample.count)
            {
                sample.append(contentsOf: piece.readableBytesView)
            }
        }
        let isWhole = file.length.map { $0 <= Int64(sample.count) } ?? (sample.count < Self.sampleBytes)
        return try await instance.send(
            Request(
                .post, "/api/integrations/csv/preview", query: query + [("whole", "\(isWhole)")],
                body: .bytes(sample, contentType: "text/csv"), doing: doing))
    }

    /// The preview of a file that can be imported as it was asked for.
    ///
    /// - Throws: `Fault.invalid` with what seems to be meant, where nothing says what the columns are.
    func checked() async throws -> ImportPreview {
        let preview = try await ask().decode(ImportPreview.self)
        guard !preview.isSuggested else {
            let options = preview.map.isEmpty ? "" : "; it looks like \(Self.options(preview.map))"
            throw Fault(
                .invalid, doing: doing, "say which column is what with --map\(options); see --preview")
        }
        return preview
    }

    /// The preview for a person.
    func lines(_ preview: ImportPreview, _ service: Service) -> [String] {
        var lines = ["\(preview.encoding), columns by \(preview.delimiter)", ""]
        lines += service.lines(
            Table(
                [.init("column", .right), .init("name"), .init("becomes"), .init("for example")],
                rows: preview.columns.map { column in
                    [
                        String(column.number), column.name ?? "", column.target ?? "-",
                        column.samples.map { String($0.prefix(Self.cellCharacters)) }.joined(separator: ", "),
                    ]
                }))
        if !preview.rows.isEmpty { lines += [""] + rows(preview.rows, service) }
        if let problem = preview.problem { lines += ["", "It cannot be imported so: \(problem)."] }
        if preview.isSuggested, !preview.map.isEmpty {
            lines += ["", "To import it so, or changed as you need it:", "  \(Self.options(preview.map))"]
        }
        return lines
    }

    private func rows(_ rows: [ImportPreview.Row], _ service: Service) -> [String] {
        service.lines(
            Table(
                [.init("row", .right), .init("what it becomes")],
                rows: rows.map { row in
                    let values = row.values.map { values in
                        values.sorted { $0.key < $1.key }
                            .map { "\($0.key)=\($0.value.prefix(Self.cellCharacters))" }.joined(
                                separator: " ")
                    }
                    return [String(row.row), values ?? "rejected: \(row.reason ?? "")"]
                }))
    }

    /// Parameters of a query as options of the command, quoted for a shell where they have to be.
    private static func options(_ map: [String]) -> String {
        map.compactMap { mapping in
            guard let colon = mapping.firstIndex(of: ":") else { return nil }
            let option = "\(mapping[..<colon])=\(mapping[mapping.index(after: colon)...])"
            let isPlain = option.allSatisfy {
                $0.isASCII && ($0.isLetter || $0.isNumber || "=._-".contains($0))
            }
            return "--map \(isPlain ? option : "'\(option.replacing("'", with: "'\\''"))'")"
        }.joined(separator: " ")
    }
}
