import Contract
import Events
import Foundation
import HTTPTypes
import Hummingbird
import Integrations
import Kernel
import Web

/// `/api/uploads`: files sent in pieces, by the tus protocol (tus.io, version 1.0: core, creation,
/// expiration, termination), and listed as JSON.
struct UploadRoutes: Sendable {
    private static let version = "1.0.0"
    private static let pieceType = "application/offset+octet-stream"

    let uploads: Uploads

    func add(to router: RouterGroup<WebContext>) {
        router.post("uploads", use: begin)
        router.get("uploads", use: list)
        router.get("uploads/:id", use: show)
        router.on("uploads/:id", method: .head, use: head)
        router.patch("uploads/:id", use: append)
        router.delete("uploads/:id", use: remove)
    }

    @Sendable private func begin(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "begin the upload"
        _ = try context.require(.eventsWrite, doing: doing)
        if let refusal = refusal(request) { return refusal }
        guard let length = request.headers[.uploadLength].flatMap({ Int64($0) }) else {
            throw Fault(
                .invalid, doing: doing, "say how many bytes the file has", field: "Upload-Length")
        }
        let metadata = try UploadMetadata(request.headers[.uploadMetadata] ?? "", doing: doing)
        let upload = try await uploads.begin(length: length, metadata: metadata.values)
        var response = try WebResponse.json(upload, status: .created)
        // Relative to where the request went to, which the edge has its own path for.
        response.headers[.location] = "uploads/\(upload.id)"
        return answer(response, upload)
    }

    @Sendable private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "list the uploads"
        _ = try context.require(.eventsRead, doing: doing)
        let limit = try request.pageLimit(doing: doing)
        let found = try await uploads.list(behind: try request.pageCursor(doing: doing), limit: limit + 1)
        return try WebResponse.page(found, limit: limit) {
            PageCursor(instant: $0.createdAt, id: $0.id.uuid)
        }
    }

    @Sendable private func show(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "show the upload"
        _ = try context.require(.eventsRead, doing: doing)
        let upload = try await uploads.show(try id(context, doing: doing), doing: doing)
        return answer(try WebResponse.json(upload), upload)
    }

    @Sendable private func head(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "show the upload"
        _ = try context.require(.eventsRead, doing: doing)
        if let refusal = refusal(request) { return refusal }
        let upload = try await uploads.show(try id(context, doing: doing), doing: doing)
        var response = answer(WebResponse.empty(.ok), upload)
        response.headers[.uploadLength] = String(upload.length)
        if !upload.metadata.isEmpty {
            response.headers[.uploadMetadata] = UploadMetadata(upload.metadata).description
        }
        return response
    }

    @Sendable private func append(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "keep the upload"
        _ = try context.require(.eventsWrite, doing: doing)
        if let refusal = refusal(request) { return refusal }
        let id = try await uploads.show(try id(context, doing: doing), doing: doing).id
        guard request.headers[.contentType] == UploadRoutes.pieceType else {
            throw Fault(
                .unsupportedMediaType, doing: doing, "a piece is sent as \(UploadRoutes.pieceType)",
                field: "Content-Type")
        }
        guard let offset = request.headers[.uploadOffset].flatMap({ Int64($0) }), offset >= 0 else {
            throw Fault(.invalid, doing: doing, "say where the piece begins", field: "Upload-Offset")
        }
        let upload = try await uploads.append(
            request.body.map { Array($0.readableBytesView) }, to: id, at: offset)
        return answer(WebResponse.empty(), upload)
    }

    @Sendable private func remove(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "remove the upload"
        _ = try context.require(.eventsWrite, doing: doing)
        if let refusal = refusal(request) { return refusal }
        try await uploads.remove(try id(context, doing: doing))
        return answer(WebResponse.empty(), nil)
    }

    /// What a client of another version of the protocol is answered.
    private func refusal(_ request: Request) -> Response? {
        guard let version = request.headers[.tusResumable], version != UploadRoutes.version else {
            return nil
        }
        var response = WebResponse.empty(.preconditionFailed)
        response.headers[.tusVersion] = UploadRoutes.version
        return answer(response, nil)
    }

    private func answer(_ response: Response, _ upload: Upload?) -> Response {
        var response = response
        response.headers[.tusResumable] = UploadRoutes.version
        response.headers[.cacheControl] = "no-store"
        if let upload {
            response.headers[.uploadOffset] = String(upload.received)
            response.headers[.uploadExpires] = HTTPDate.text(upload.expiresAt)
        }
        return response
    }

    private func id(_ context: WebContext, doing: String) throws -> UploadID {
        guard let id = UploadID(try context.parameter("id")) else {
            throw Fault(.notFound, doing: doing, "there is no upload of this id")
        }
        return id
    }
}

/// The header `Upload-Metadata`: names, each with a text in Base64, between commas.
struct UploadMetadata: CustomStringConvertible {
    let values: [String: String]

    init(_ values: [String: String]) { self.values = values }

    /// - Throws: `Fault.invalid` with the header's name.
    init(_ text: String, doing: String) throws(Fault) {
        func wrong(_ detail: String) -> Fault {
            Fault(.invalid, doing: doing, detail, field: "Upload-Metadata")
        }
        guard text.utf8.count <= Uploads.metadataBytes else {
            throw wrong("it has more than \(Uploads.metadataBytes) bytes")
        }
        var values: [String: String] = [:]
        for entry in text.split(separator: ",") {
            let parts = entry.split(separator: " ")
            guard let name = parts.first, parts.count <= 2 else { throw wrong("expected names and values") }
            let coded = parts.count == 2 ? String(parts[1]) : ""
            guard let data = Data(base64Encoded: coded), let value = String(data: data, encoding: .utf8),
                value.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
            else {
                throw wrong("the value of '\(name)' is not a text in Base64")
            }
            guard values.updateValue(value, forKey: String(name)) == nil else {
                throw wrong("'\(name)' is there twice")
            }
        }
        guard values.count <= Uploads.metadataEntries else {
            throw wrong("there are more than \(Uploads.metadataEntries) entries")
        }
        self.values = values
    }

    var description: String {
        values.sorted { $0.key < $1.key }
            .map { "\($0.key) \(Data($0.value.utf8).base64EncodedString())" }.joined(separator: ",")
    }
}

extension HTTPField.Name {
    fileprivate static let tusResumable = HTTPField.Name("Tus-Resumable")!
    fileprivate static let tusVersion = HTTPField.Name("Tus-Version")!
    fileprivate static let uploadLength = HTTPField.Name("Upload-Length")!
    fileprivate static let uploadOffset = HTTPField.Name("Upload-Offset")!
    fileprivate static let uploadMetadata = HTTPField.Name("Upload-Metadata")!
    fileprivate static let uploadExpires = HTTPField.Name("Upload-Expires")!
}
