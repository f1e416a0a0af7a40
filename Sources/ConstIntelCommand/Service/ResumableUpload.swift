import Contract
import Foundation
import Kernel
import Sealing

/// Sends a file in pieces, each of which is durable when it is answered: a connection that breaks costs one
/// piece, and a command that is given again goes on where the one before it was.
struct ResumableUpload: Sendable {
    /// Files that are larger are sent in pieces.
    static let smallestFile: Int64 = 8 << 20
    private static let pieceBytes = 4 << 20
    /// What of a file tells it from others of its name, length and time, at either end.
    private static let fingerprintBytes = 64 << 10
    /// How often in a row a piece is tried.
    private static let attempts = 8

    let file: InputFile
    let length: Int64
    let name: String
    let instance: Endpoint
    let progress: ProgressLine
    /// How long is waited before a piece is tried again; it doubles each time.
    let pause: Duration
    let doing: String

    /// Sends what is not there yet.
    ///
    /// - Returns: the upload, whole.
    /// - Throws: `Fault.unavailable` when the service stays away; what was sent is kept.
    func run() async throws -> Upload {
        let changedAt = file.changedAt
        let fingerprint = try fingerprint()
        var upload: Upload
        if let begun = try await begun(fingerprint) {
            upload = begun
        } else {
            upload = try await begin(fingerprint)
        }
        while !upload.isWhole {
            await show(upload.received)
            upload = try await sendPiece(of: upload, since: changedAt)
        }
        await show(length)
        guard file.changedAt == changedAt else {
            _ = try await instance.send(Request(.delete, "/api/uploads/\(upload.id)", doing: doing))
            throw changed()
        }
        return upload
    }

    private func changed() -> Fault {
        Fault(.conflict, doing: doing, "the file has changed while it was sent; give the same command again")
    }

    private func show(_ sent: Int64) async {
        await progress.show(
            ProgressBar(label: "uploading \(name)", done: sent, total: length, unit: "bytes"))
    }

    private func begin(_ fingerprint: String) async throws -> Upload {
        var request = Request(.post, "/api/uploads", doing: doing)
        let metadata = [("filename", name), ("fingerprint", fingerprint)].map { key, value in
            "\(key) \(Data(value.utf8).base64EncodedString())"
        }
        request.headers = [
            ("Tus-Resumable", "1.0.0"), ("Upload-Length", String(length)),
            ("Upload-Metadata", metadata.joined(separator: ",")),
        ]
        return try await instance.send(request).decode(Upload.self)
    }

    /// An upload of this very file that was begun before.
    private func begun(_ fingerprint: String) async throws -> Upload? {
        let page = try await instance.send(
            Request(.get, "/api/uploads", query: [("limit", "200")], doing: doing)
        ).decode(Page<Upload>.self)
        return page.items.first { $0.length == length && $0.metadata["fingerprint"] == fingerprint }
    }

    private func sendPiece(of upload: Upload, since changedAt: Int64) async throws -> Upload {
        var pause = pause
        for attempt in 1... {
            do {
                let now = attempt == 1 ? upload : try await show(upload.id)
                guard !now.isWhole, now.received == upload.received else { return now }
                let size = piece(at: upload.received)
                let piece = try file.read(at: upload.received, upTo: size)
                guard piece.count == size else { throw changed() }
                var request = Request(
                    .patch, "/api/uploads/\(upload.id)",
                    body: .bytes(piece, contentType: "application/offset+octet-stream"), doing: doing)
                request.headers = [
                    ("Tus-Resumable", "1.0.0"), ("Upload-Offset", String(upload.received)),
                ]
                request.isLong = true
                _ = try await instance.send(request)
                return try await show(upload.id)
            } catch let fault as Fault where Self.passes(fault) && file.changedAt == changedAt {
                guard attempt < Self.attempts else { throw keptOn(fault, upload) }
                try await Task.sleep(for: pause)
                pause *= 2
            }
        }
        return upload
    }

    /// Whether it may be otherwise in a moment: also where a request before this one is still being ended.
    private static func passes(_ fault: Fault) -> Bool {
        fault.code == .unavailable || fault.code == .conflict || fault.code == .internal
    }

    private func piece(at offset: Int64) -> Int {
        Int(min(Int64(Self.pieceBytes), length - offset))
    }

    private func show(_ id: UploadID) async throws -> Upload {
        try await instance.send(Request(.get, "/api/uploads/\(id)", doing: doing)).decode(Upload.self)
    }

    private func keptOn(_ fault: Fault, _ upload: Upload) -> Fault {
        let share = upload.received * 100 / max(1, length)
        return Fault(
            fault.code, doing: doing,
            "\(fault.detail). \(share) % of the file are kept: give the same command again within a day, and "
                + "it goes on there")
    }

    private func fingerprint() throws -> String {
        let end = max(0, length - Int64(Self.fingerprintBytes))
        let bytes =
            try file.read(at: 0, upTo: Self.fingerprintBytes)
            + file.read(at: end, upTo: Self.fingerprintBytes)
        return Hex.encode(SHA256.hash(bytes + Array("\(name) \(length) \(file.changedAt)".utf8)).prefix(16))
    }
}
