import Contract
import Kernel

/// Keeps the rejected rows of an import in a file.
struct RejectionDownload: Sendable {
    let id: OperationID
    let path: String
    let instance: Endpoint

    /// Writes the file.
    ///
    /// - Throws: `Fault.conflict` where there is a file of this name.
    func run() async throws {
        let doing = "keep the rejected rows in \(path)"
        let request = Request(.get, "/api/operations/\(id)/rejections.csv", doing: doing)
        let body = try await instance.open(request)
        let file = try OutputFile(path, doing: doing)
        do {
            try await instance.transport(doing: doing) {
                for try await piece in body { try file.write(Array(piece.readableBytesView)) }
            }
        } catch {
            file.remove()
            throw error
        }
    }
}
