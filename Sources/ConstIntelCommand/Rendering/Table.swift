/// Columns of text under headings, aligned for reading and still easy to cut with other tools.
package struct Table: Sendable {
    /// Which edge of a column its cells keep to.
    package enum Alignment: Sendable { case left, right }

    /// A heading and how the cells below it are set.
    package struct Column: Sendable {
        package var title: String
        package var alignment: Alignment

        package init(_ title: String, _ alignment: Alignment = .left) {
            self.title = title
            self.alignment = alignment
        }
    }

    private var columns: [Column]
    private var rows: [[String]]

    /// A table of `rows`, each with a cell for each column. Control characters are replaced.
    package init(_ columns: [Column], rows: [[String]]) {
        self.columns = columns
        self.rows = rows.map { row in row.map { printable($0) } }
    }

    /// The lines of the table. Headings are bold when `styled`, for a terminal.
    package func lines(styled: Bool) -> [String] {
        let widths = columns.indices.map { index in
            ([columns[index].title] + rows.map { $0[index] }).map(displayWidth).max() ?? 0
        }
        let heading = line(columns.map { $0.title.uppercased() }, widths)
        return [styled ? "\u{1B}[1m\(heading)\u{1B}[0m" : heading] + rows.map { line($0, widths) }
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        var line = ""
        for (index, cell) in cells.enumerated() {
            let padding = String(repeating: " ", count: max(0, widths[index] - displayWidth(cell)))
            if index > 0 { line += "  " }
            switch columns[index].alignment {
            case .right: line += padding + cell
            case .left: line += index == cells.count - 1 ? cell : cell + padding
            }
        }
        return line
    }
}

/// Names and values below each other: one thing, described.
package struct Description: Sendable {
    private var fields: [(name: String, value: String)]

    /// A description of `fields`, less those without a value.
    package init(_ fields: [(name: String, value: String?)]) {
        self.fields = fields.compactMap { name, value in value.map { (name, printable($0)) } }
    }

    /// A line for each field, the values aligned.
    package var lines: [String] {
        let width = fields.map { displayWidth($0.name) }.max() ?? 0
        return fields.map { name, value in
            name + String(repeating: " ", count: width - displayWidth(name) + 2) + value
        }
    }
}

/// `text` with a replacement for what could steer a terminal: control characters and changes of direction.
package func printable(_ text: String, keepingNewlines: Bool = false) -> String {
    let steers: (Unicode.Scalar) -> Bool = { scalar in
        switch scalar.value {
        case 0x0A: !keepingNewlines
        case 0..<0x20, 0x7F...0x9F, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
    guard text.unicodeScalars.contains(where: steers) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars { result.append(steers(scalar) ? "\u{FFFD}" : scalar) }
    return String(result)
}

/// How many columns of a terminal `text` takes: two for East Asian wide characters and emoji.
func displayWidth(_ text: String) -> Int {
    text.reduce(0) { width, character in
        guard let scalar = character.unicodeScalars.first?.value else { return width }
        switch scalar {
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
            0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            return width + 2
        default:
            return width + 1
        }
    }
}
