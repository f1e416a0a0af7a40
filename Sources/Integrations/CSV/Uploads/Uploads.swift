import Contract
import Events
import Kernel

/// Files that are sent in pieces, so that one whose connection breaks goes on where it was: the tus protocol,
/// version 1.0, as far as its core, creation, expiration and termination.
public struct Uploads: Sendable {
    /// Uploads that may be begun and not taken by an import yet.
    public static let maximumOpen = 16
    /// How long an upload waits for its next byte.
    public static let lifetime = Duration.seconds(24 * 3600)
    /// What a sender may keep with an upload.
    public static let metadataEntries = 10
    public static let metadataBytes = 1024

    static let doing = "keep the upload"

    private let store: UploadStore
    private let surroundings: Imports.Surroundings

    public init(_ surroundings: Imports.Surroundings) {
        self.surroundings = surroundings
        store = UploadStore(database: surroundings.database)
    }

    /// Begins an upload.
    ///
    /// - Parameter length: bytes of the whole file.
    /// - Throws: `Fault.tooLarge`, `Fault.limited` where too many are open, `Fault.unavailable` where the
    ///   disk has no room for it.
    public func begin(length: Int64, metadata: [String: String]) async throws -> Upload {
        guard length > 0 else {
            throw Fault(.invalid, doing: Uploads.doing, "a file has bytes", field: "Upload-Length")
        }
        guard length <= ImportFile.maximumBytes else {
            throw Fault(
                .tooLarge, doing: Uploads.doing, "a file has at most \(ImportFile.maximumBytes) bytes",
                field: "Upload-Length")
        }
        guard IntakeGate.freeBytes(at: surroundings.directory) >= IntakeGate.lowDiskBytes + UInt64(length)
        else {
            throw Fault(
                .unavailable, doing: Uploads.doing, "the disk for uploads has no room for it",
                retryAfter: .seconds(30))
        }
        let now = surroundings.clock.now()
        try await removeExpired()
        let upload = Upload(
            id: UploadID(at: now), length: length, metadata: metadata, createdAt: now,
            expiresAt: now + Uploads.lifetime)
        try file(upload.id).make()
        guard try await store.create(upload, unlessThereAre: Uploads.maximumOpen) else {
            file(upload.id).remove()
            throw Fault(
                .limited, doing: Uploads.doing,
                "\(Uploads.maximumOpen) uploads are open already; end or remove one",
                retryAfter: .seconds(30))
        }
        return upload
    }

    /// One upload.
    ///
    /// - Throws: `Fault.notFound` when there is none of this id, or its time is over.
    public func show(_ id: UploadID, doing: String) async throws -> Upload {
        guard let upload = try await store.show(id), upload.expiresAt > surroundings.clock.now() else {
            throw Fault(.notFound, doing: doing, "there is no upload of this id")
        }
        return upload
    }

    /// The newest first; at most `limit`, behind `cursor`.
    public func list(behind cursor: PageCursor?, limit: Int) async throws -> [Upload] {
        try await store.list(behind: cursor, limit: limit)
    }

    /// Appends `pieces` at `offset`. What has come before a connection breaks is kept, and counts.
    ///
    /// - Returns: the upload as it stands then.
    /// - Throws: `Fault.conflict` where the upload is not at `offset`, or another request writes to it;
    ///   `Fault.tooLarge` for more bytes than were announced, of which those that were are kept.
    public func append<Pieces: AsyncSequence>(
        _ pieces: Pieces, to id: UploadID, at offset: Int64
    ) async throws -> Upload where Pieces.Element == [UInt8] {
        var upload = try await show(id, doing: Uploads.doing)
        var file = try await self.file(id).open {
            upload = try await show(id, doing: Uploads.doing)
            return upload.received
        }
        guard upload.received == offset else {
            throw Fault(
                .conflict, doing: Uploads.doing, "the upload is at \(upload.received), not at \(offset)",
                field: "Upload-Offset")
        }
        do {
            for try await piece in pieces {
                let room = upload.length - upload.received
                try file.write(Array(piece.prefix(Int(min(room, Int64(piece.count))))))
                upload.received += min(room, Int64(piece.count))
                guard Int64(piece.count) <= room else {
                    throw Fault(
                        .tooLarge, doing: Uploads.doing,
                        "it has more bytes than the \(upload.length) announced")
                }
                try checkDisk()
                if file.unsyncedBytes < piece.count { try await keep(&upload, file.unsyncedBytes) }
            }
        } catch {
            try file.sync()
            try await keep(&upload, 0)
            throw error
        }
        try file.sync()
        try await keep(&upload, 0)
        return upload
    }

    /// Remembers what is durable: all but the last `unsynced` bytes.
    private func keep(_ upload: inout Upload, _ unsynced: Int) async throws {
        upload.expiresAt = surroundings.clock.now() + Uploads.lifetime
        let isThere = try await store.advance(
            upload.id, to: upload.received - Int64(unsynced), expiresAt: upload.expiresAt)
        guard isThere else {
            throw Fault(.notFound, doing: Uploads.doing, "the upload was removed meanwhile")
        }
    }

    private func checkDisk() throws(Fault) {
        guard IntakeGate.freeBytes(at: surroundings.directory) >= IntakeGate.lowDiskBytes else {
            throw Fault(
                .unavailable, doing: Uploads.doing, "the disk for uploads is nearly full",
                retryAfter: .seconds(30))
        }
    }

    /// Throws an upload away.
    ///
    /// - Throws: `Fault.notFound` when there is none of this id.
    public func remove(_ id: UploadID) async throws {
        guard try await discard(id) else {
            throw Fault(.notFound, doing: "remove the upload", "there is no upload of this id")
        }
    }

    /// Throws an upload away, if there is one.
    @discardableResult
    func discard(_ id: UploadID) async throws -> Bool {
        let wasThere = try await store.remove(id)
        file(id).remove()
        return wasThere
    }

    /// Removes files that no upload has: who was killed has left them.
    func removeLeftovers() async throws {
        for file in try UploadFile.all(in: surroundings.directory) {
            if try await store.show(file.id) == nil { file.remove() }
        }
    }

    /// Throws away those whose time is over.
    func removeExpired() async throws {
        for id in try await store.removeExpired(at: surroundings.clock.now()) { file(id).remove() }
    }

    func file(_ id: UploadID) -> UploadFile { UploadFile(directory: surroundings.directory, id: id) }
}
