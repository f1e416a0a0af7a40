import ConstIntelCommand
import Contract
import Foundation
import Kernel
import Synchronization
import Testing

/// Keeps what is sent in pieces, and fails as it is told.
private final class PieceService: Sendable {
    private let state = Mutex((bytes: [UInt8](), begun: false, patches: 0, metadata: [String: String]()))
    /// Pieces that get no answer though they arrive (`true`), or do not (`false`), by their number.
    let lost: [Int: Bool]
    let length: Int

    init(length: Int, lost: [Int: Bool] = [:]) {
        self.length = length
        self.lost = lost
    }

    static let id = UploadID(UUIDv7(high: 0x0198_0000_0000_7000, low: 0x8000_0000_0000_0002))

    var bytes: [UInt8] { state.withLock { $0.bytes } }

    private var upload: Upload {
        let (received, metadata) = state.withLock { ($0.bytes.count, $0.metadata) }
        let now = Timestamp(microseconds: 1_700_000_000_000_000)
        return Upload(
            id: Self.id, length: Int64(length), received: Int64(received), metadata: metadata, createdAt: now,
            expiresAt: now)
    }

    @Sendable func answer(_ asked: Asked, _ service: TestService) async throws -> Reply {
        switch asked.call {
        case "POST /api/auth/brand-token": return try service.brandToken()
        case "POST /b/demo/api/integrations/csv/preview":
            return try Reply(
                ImportPreview(
                    format: ("utf-8", "comma", true), columns: [], map: (["total:v"], false), problem: nil,
                    rows: []))
        case "GET /b/demo/api/uploads":
            let begun = state.withLock { $0.begun }
            return try Reply(Page(items: begun ? [upload] : [], nextCursor: nil))
        case "POST /b/demo/api/uploads":
            state.withLock {
                $0.begun = true
                $0.metadata = asked.metadata
            }
            return try Reply(upload, status: 201)
        case "GET /b/demo/api/uploads/\(Self.id)": return try Reply(upload)
        case "PATCH /b/demo/api/uploads/\(Self.id)": return piece(asked)
        case "POST /b/demo/api/integrations/csv", "GET /b/demo/api/operations/\(ImportID.id)":
            let now = Timestamp(microseconds: 1_700_000_000_000_000)
            return try Reply(
                OperationView(
                    id: ImportID.id, kind: "events.import", subject: "orders.csv", state: .done,
                    counts: ["rows": 1, "accepted": 1], createdAt: now, updatedAt: now), status: 202)
        default: return .problem(404, "not-found", "nothing is there")
        }
    }

    private func piece(_ asked: Asked) -> Reply {
        state.withLock { state in
            state.patches += 1
            guard asked.offset == Int64(state.bytes.count) else {
                return .problem(409, "conflict", "the upload is at \(state.bytes.count)")
            }
            let isLost = lost[state.patches]
            if isLost != false { state.bytes += asked.body }
            return isLost == nil ? Reply(status: 204) : Reply("<html>", status: 502)
        }
    }
}

private enum ImportID {
    static let id = OperationID(PieceService.id.uuid)
}

@Suite("Importing a large file")
struct LargeImportTests {
    private static let bytes = Data((0..<9_500_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 9) })

    private func run(_ service: TestService, path: String) async -> Outcome {
        await service.locally("events", "import", path, "--brand", "demo", "--map", "total=v")
    }

    private func file(_ service: TestService) throws -> String {
        let path = "\(service.state)/orders.csv"
        try Self.bytes.write(to: URL(fileURLWithPath: path))
        return path
    }

    @Test("it arrives byte for byte, whatever answers are lost, and is imported by its upload")
    func lostAnswers() async throws {
        let pieces = PieceService(length: Self.bytes.count, lost: [1: false, 2: true, 4: true])
        try await TestService.run(pieces.answer) { service in
            let outcome = await run(service, path: try file(service))
            #expect(outcome.status == 0, "\(outcome)")
            #expect(Data(pieces.bytes) == Self.bytes)
            let begun = try #require(service.asked.last { $0.call == "POST /b/demo/api/integrations/csv" })
            #expect(begun.query.contains("upload=\(PieceService.id)") && begun.body.isEmpty)
        }
    }

    @Test("given up, it says how much is kept; given again, it goes on there")
    func givenAgain() async throws {
        let first = PieceService(
            length: Self.bytes.count, lost: Dictionary(uniqueKeysWithValues: (2...9).map { ($0, false) }))
        try await TestService.run(first.answer) { service in
            let path = try file(service)
            let outcome = await run(service, path: path)
            #expect(outcome.status == ExitStatus.unreachable.rawValue, "\(outcome)")
            #expect(outcome.error.contains("44 % of the file are kept: give the same command again"))
            let again = await run(service, path: path)
            #expect(again.status == 0, "\(again)")
            #expect(Data(first.bytes) == Self.bytes)
            #expect(service.asked.count { $0.call == "POST /b/demo/api/uploads" } == 1)
        }
    }

    @Test("an upload of another file of the same length is left alone")
    func otherFile() async throws {
        let pieces = PieceService(length: Self.bytes.count)
        try await TestService.run(pieces.answer) { service in
            let path = try file(service)
            #expect(await run(service, path: path).status == 0)
            var other = Self.bytes
            other[other.count - 1] ^= 1
            try other.write(to: URL(fileURLWithPath: path))
            _ = await run(service, path: path)
            #expect(service.asked.count { $0.call == "POST /b/demo/api/uploads" } == 2)
        }
    }
}
