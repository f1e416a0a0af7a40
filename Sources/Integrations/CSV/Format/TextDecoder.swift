import Glibc
import Kernel

/// Turns the bytes of a file into UTF-8, a piece of the file at a time, through iconv.
///
/// What is no character becomes a byte that is not UTF-8 either, so that only the row it stands in is wrong.
/// A file that is UTF-8 is passed on as it is.
struct TextDecoder: ~Copyable {
    private static let outputBytes = 64 * 1024
    /// Stands for what is no character.
    private static let invalid: UInt8 = 0xFF

    private let converter: iconv_t?
    private let unitBytes: Int
    /// The beginning of a character that the next piece completes.
    private var rest: [UInt8] = []

    /// - Throws: `Fault.unavailable` where the system lacks the encoding.
    init(_ encoding: TextEncoding) throws(Fault) {
        unitBytes = encoding.unitBytes
        guard encoding != .utf8 else {
            converter = nil
            return
        }
        let opened = iconv_open("UTF-8", encoding.rawValue.uppercased())
        guard opened != iconv_t(bitPattern: -1) else {
            throw Fault(
                .unavailable, doing: ImportOptions.doing,
                "this system cannot read \(encoding.rawValue): \(String(cString: strerror(errno)))")
        }
        converter = opened
    }

    deinit { if let converter { iconv_close(converter) } }

    /// What `bytes` complete, as UTF-8.
    mutating func decode(_ bytes: [UInt8]) -> [UInt8] {
        guard let converter else { return bytes }
        var input = rest + bytes
        rest = []
        var output: [UInt8] = []
        output.reserveCapacity(input.count + input.count / 2)
        var done = 0
        while done < input.count {
            let (taken, problem) = TextDecoder.step(converter, &input, from: done, into: &output)
            done += taken
            switch problem {
            case EILSEQ:
                output.append(TextDecoder.invalid)
                done += min(unitBytes, input.count - done)
            case EINVAL:
                rest = Array(input[done...])
                return output
            default: break
            }
        }
        return output
    }

    /// What the end of the file leaves: a character that is cut is none.
    mutating func finish() -> [UInt8] {
        defer { rest = [] }
        return rest.isEmpty ? [] : [TextDecoder.invalid]
    }

    /// Converts as much as fits a buffer. Gives how many bytes were taken, and what was in the way: 0, or
    /// an error number.
    private static func step(
        _ converter: iconv_t, _ input: inout [UInt8], from start: Int, into output: inout [UInt8]
    ) -> (taken: Int, problem: Int32) {
        var (left, problem): (Int, Int32) = (input.count - start, 0)
        let taken = input.count - start
        let converted = [UInt8](unsafeUninitializedCapacity: outputBytes) { buffer, count in
            input.withUnsafeMutableBytes { bytes in
                var source = bytes.baseAddress.map { ($0 + start).assumingMemoryBound(to: CChar.self) }
                buffer.withMemoryRebound(to: CChar.self) { space in
                    var (target, free) = (space.baseAddress, space.count)
                    if iconv(converter, &source, &left, &target, &free) == Int(bitPattern: UInt.max) {
                        problem = errno
                    }
                    count = space.count - free
                }
            }
        }
        output += converted
        return (taken - left, problem)
    }
}
