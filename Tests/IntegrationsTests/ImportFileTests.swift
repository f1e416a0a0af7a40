import Contract
import Foundation
import Kernel
import TestSupport
import Testing

@testable import Integrations

@Suite("Keeping an upload")
final class ImportFileTests {
    private let directory: String

    init() throws {
        directory = "\(try TestServers.directory())/\(UUIDv7(at: SystemWallClock().now()))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    private func receive(
        _ pieces: [String], length: Int64? = nil, lowDiskBytes: UInt64 = 0
    ) async throws -> Int64 {
        let file = ImportFile(
            directory: directory, operation: OperationID(at: SystemWallClock().now()),
            lowDiskBytes: lowDiskBytes)
        let (stream, continuation) = AsyncStream.makeStream(of: [UInt8].self)
        for piece in pieces { continuation.yield(Array(piece.utf8)) }
        continuation.finish()
        return try await file.receive(stream, length: length) { _ in }
    }

    private func files() throws -> [ImportFile] { try ImportFile.all(in: directory) }

    @Test("an upload of the announced length, or of which none was announced, is kept")
    func whole() async throws {
        #expect(try await receive(["a,b\n", "1,2\n"], length: 8) == 8)
        #expect(try await receive(["a,b\n", "1,2\n"]) == 8)
        #expect(try files().count == 2)
    }

    @Test("an upload that ends early is refused with what came and what was announced, and is not kept")
    func cut() async throws {
        let fault = await #expect(throws: Fault.self) { try await receive(["a,b\n", "1,"], length: 8) }
        #expect(fault?.code == .invalid)
        #expect(fault?.detail == "the upload ended after 6 of 8 bytes")
        #expect(try files().isEmpty)
    }

    @Test("on a disk that is nearly full, an upload is refused for the time being, and is not kept")
    func lowDisk() async throws {
        let fault = await #expect(throws: Fault.self) { try await receive(["a,b\n"], lowDiskBytes: .max) }
        #expect(fault?.code == .unavailable && fault?.retryAfter != nil)
        #expect(fault?.detail.contains("nearly full") == true)
        #expect(try files().isEmpty)
    }

    @Test("only files that are called after an operation are uploads")
    func listing() throws {
        let id = OperationID(at: SystemWallClock().now())
        for name in ["\(id).csv", "\(id).txt", "notes.csv", "\(id)"] {
            try Data().write(to: URL(fileURLWithPath: "\(directory)/\(name)"))
        }
        #expect(try files().map(\.operation) == [id])
    }

    @Test("a file is synced as it grows, whatever the size of its pieces")
    func steps() throws {
        let step = GrowingFile.stepBytes
        let path = directory + "/growing"
        var file = try GrowingFile(path: path)
        var size = 0
        for bytes in [1, step - 2, 1, step / 3, step / 3, 2 * step + 5] {
            try file.write([UInt8](repeating: UInt8(size % 251), count: bytes))
            size += bytes
            #expect(file.unsyncedBytes == size % step)
        }
        try file.sync()
        #expect(file.unsyncedBytes == 0)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count == size)
    }
}
