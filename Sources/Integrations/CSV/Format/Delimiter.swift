/// What stands between the columns of a file.
public enum Delimiter: Sendable, Hashable {
    case character(UInt8)
    /// Columns padded with spaces: any run of them separates.
    case whitespace

    /// A name (`comma`, `semicolon`, `tab`, `pipe`, `whitespace`) or one ASCII character; nil otherwise.
    public init?(_ text: String) {
        switch text {
        case "comma": self = .character(UInt8(ascii: ","))
        case "semicolon": self = .character(UInt8(ascii: ";"))
        case "tab": self = .character(UInt8(ascii: "\t"))
        case "pipe": self = .character(UInt8(ascii: "|"))
        case "whitespace": self = .whitespace
        default:
            guard text.utf8.count == 1, let byte = text.utf8.first, byte != UInt8(ascii: "\""), byte > 0x20
            else {
                return nil
            }
            self = .character(byte)
        }
    }

    var byte: UInt8 {
        switch self {
        case .character(let byte): byte
        case .whitespace: UInt8(ascii: " ")
        }
    }

    /// The text that `init` takes.
    public var name: String {
        switch self {
        case .character(let byte):
            switch byte {
            case UInt8(ascii: ","): "comma"
            case UInt8(ascii: ";"): "semicolon"
            case UInt8(ascii: "\t"): "tab"
            case UInt8(ascii: "|"): "pipe"
            default: String(UnicodeScalar(byte))
            }
        case .whitespace: "whitespace"
        }
    }
}
