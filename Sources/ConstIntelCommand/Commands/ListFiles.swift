import Contract
import Kernel

/// Lists that are sent from a file, whole: products and stock levels.
extension Service {
    /// What the service takes in one request.
    private static let largestList = 8 << 20

    /// Sends the list called `name` that the file at `path` holds: an array, or an object with it.
    func set(_ name: String, file path: String, of brand: Slug) async throws -> Answer {
        let doing = "set the \(name) of '\(brand)'"
        let input = try InputFile(path, doing: doing)
        var bytes: [UInt8] = []
        while let piece = try input.read(upTo: 1 << 16) {
            bytes.append(contentsOf: piece.readableBytesView)
            guard bytes.count <= Self.largestList else {
                throw Fault(.tooLarge, doing: doing, "a file has at most 8 MiB; split it")
            }
        }
        if bytes.first(where: { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }) == UInt8(ascii: "[") {
            bytes = Array("{\"\(name)\":".utf8) + bytes + Array("}".utf8)
        }
        return try await instance(of: brand).send(
            Request(
                .post, "/api/\(name)", body: .bytes(bytes, contentType: "application/json"), doing: doing))
    }

    /// Prints how many things, called `words` when it is one or several, are other than they were.
    func report(
        _ answer: Answer, changed: Int, unchanged: Int, of words: (one: String, several: String)
    ) throws {
        try report(answer) {
            let name = changed == 1 ? words.one : words.several
            return ["\(grouped(Int64(changed))) \(name) changed; \(grouped(Int64(unchanged))) as before."]
        }
    }
}
