import CZlib

/// Reads what gzip (RFC 1952) has made smaller.
public enum Gzip {
    /// Why bytes could not be read.
    public enum Failure: Error, Equatable {
        /// They are not gzip, or end too early.
        case malformed
        /// There is more in them than is read.
        case tooLarge
    }

    /// What `bytes` were before, at most `limit` bytes: a few may stand for very many.
    public static func inflate(_ bytes: [UInt8], upTo limit: Int) throws(Failure) -> [UInt8] {
        let inflation = try Inflation()
        return try inflation.run(bytes, upTo: limit)
    }
}

/// zlib's state, which has an address of its own and must stay there.
private struct Inflation: ~Copyable {
    /// The largest window, and a gzip head before what is deflated.
    private static let windowBits: Int32 = 15 + 16
    private static let pieceBytes = 64 * 1024

    private let stream: UnsafeMutablePointer<z_stream>

    init() throws(Gzip.Failure) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let status = inflateInit2_(
            stream, Inflation.windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        precondition(status == Z_OK, "zlib could not be initialised")
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    func run(_ bytes: [UInt8], upTo limit: Int) throws(Gzip.Failure) -> [UInt8] {
        var input = bytes
        var output: [UInt8] = []
        let failure = input.withUnsafeMutableBufferPointer { input -> Gzip.Failure? in
            stream.pointee.next_in = input.baseAddress
            stream.pointee.avail_in = UInt32(input.count)
            return fill(&output, upTo: limit)
        }
        if let failure { throw failure }
        return output
    }

    /// Reads member after member: several one behind the other are one text.
    private func fill(_ output: inout [UInt8], upTo limit: Int) -> Gzip.Failure? {
        var piece = [UInt8](repeating: 0, count: Inflation.pieceBytes)
        while true {
            let (status, count) = piece.withUnsafeMutableBufferPointer { piece in
                stream.pointee.next_out = piece.baseAddress
                stream.pointee.avail_out = UInt32(piece.count)
                let status = CZlib.inflate(stream, Z_NO_FLUSH)
                return (status, piece.count - Int(stream.pointee.avail_out))
            }
            guard output.count + count <= limit else { return .tooLarge }
            output += piece[..<count]
            switch status {
            case Z_OK: continue
            case Z_STREAM_END where stream.pointee.avail_in == 0: return nil
            case Z_STREAM_END: inflateReset(stream)
            default: return .malformed
            }
        }
    }
}
