import Contract
import Events
import Kernel
import Postgres

/// The table of uploads.
struct UploadStore: Sendable {
    let database: PostgresPool

    /// Makes an upload, unless there are `maximum` already.
    ///
    /// - Returns: whether it was made.
    func create(_ upload: Upload, unlessThereAre maximum: Int) async throws -> Bool {
        try await !database.run(
            """
            insert into upload (id, length, received, metadata, created_at, expires_at)
            select \(upload.id), \(upload.length), 0, \(try JSONB(encoding: upload.metadata)),
                   \(upload.createdAt), \(upload.expiresAt)
            where (select count(*) from upload) < \(maximum)
            returning id
            """
        ).isEmpty
    }

    /// One upload; nil when there is none of this id.
    func show(_ id: UploadID) async throws -> Upload? {
        try await uploads("where id = \(id)").first
    }

    /// The newest first; at most `limit`, behind `cursor`.
    func list(behind cursor: PageCursor?, limit: Int) async throws -> [Upload] {
        var condition: SQL = ""
        if let cursor { condition = "where (created_at, id) < (\(cursor.instant), \(cursor.id))" }
        return try await uploads(condition + " order by created_at desc, id desc limit \(limit)")
    }

    /// Takes away those whose time is over, and gives their ids.
    func removeExpired(at now: Timestamp) async throws -> [UploadID] {
        try await database.run("delete from upload where expires_at <= \(now) returning id").decode(
            UploadID.self)
    }

    /// Says how many bytes are durable.
    ///
    /// - Returns: whether the upload is there.
    func advance(_ id: UploadID, to received: Int64, expiresAt: Timestamp) async throws -> Bool {
        try await !database.run(
            """
            update upload set received = \(received), expires_at = \(expiresAt) where id = \(id) returning id
            """
        ).isEmpty
    }

    /// Takes an upload away.
    ///
    /// - Returns: whether there was one.
    func remove(_ id: UploadID) async throws -> Bool {
        try await !database.run("delete from upload where id = \(id) returning id").isEmpty
    }

    private func uploads(_ rest: SQL) async throws -> [Upload] {
        let rows = try await database.run(
            "select id, length, received, metadata, created_at, expires_at from upload " + rest)
        return try rows.decode((UploadID, Int64, Int64, JSONB, Timestamp, Timestamp).self).map {
            Upload(
                id: $0, length: $1, received: $2, metadata: try $3.decode([String: String].self),
                createdAt: $4, expiresAt: $5)
        }
    }
}
