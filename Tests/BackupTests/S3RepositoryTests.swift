import Foundation
import Kernel
import Subprocess
import Testing

@testable import Backup

/// A server of Amazon's S3 interface (getmoto.org), where it could be fetched.
private enum Moto {
    static let directory = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_PYTHON"] ?? ""
    static var isThere: Bool { FileManager.default.fileExists(atPath: "\(directory)/moto") }
}

@Suite("A repository in an S3 bucket", .enabled(if: Moto.isThere))
struct S3RepositoryTests {
    @Test("what is written there comes back")
    func roundTrip() async throws {
        let port = try await S3RepositoryTests.freePort()
        try await withThrowingTaskGroup { group in
            group.addTask { try await S3RepositoryTests.serve(port) }
            group.addTask { try await S3RepositoryTests.tryOut(port) }
            // The server serves for ever; it ends when the other has.
            try await group.next()
            group.cancelAll()
        }
    }

    private static func freePort() async throws -> Int {
        let program =
            "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"
        let asked = try await Subprocess.run(
            .name("python3"), arguments: ["-c", program], input: .none, output: .string(limit: 100),
            error: .discarded)
        return try #require(Int(asked.standardOutput.trimmingCharacters(in: .whitespacesAndNewlines)))
    }

    private static func serve(_ port: Int) async throws {
        let ended = try await Subprocess.run(
            .name("python3"), arguments: ["-m", "moto.server", "-H", "127.0.0.1", "-p", "\(port)"],
            environment: .inherit.updating(["PYTHONPATH": Moto.directory]), input: .none, output: .discarded,
            error: .string(limit: 1 << 20))
        if !Task.isCancelled { throw Fault(.unavailable, doing: "serve a bucket", ended.standardError) }
    }

    private static func tryOut(_ port: Int) async throws {
        let parent =
            ProcessInfo.processInfo.environment["CONSTINTEL_TEST_DIRECTORY"] ?? NSTemporaryDirectory()
        let root = "\(parent)/s3-\(port)"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        try "secret".write(toFile: "\(root)/password", atomically: true, encoding: .utf8)
        try "AWS_ACCESS_KEY_ID=one\nAWS_SECRET_ACCESS_KEY=two\n".write(
            toFile: "\(root)/environment", atomically: true, encoding: .utf8)
        var settings = BackupRepository.Settings(
            base: "s3:http://127.0.0.1:\(port)/backups", passwordFile: "\(root)/password",
            cacheDirectory: "\(root)/cache")
        try await untilReady(port)
        settings.environmentFile = "\(root)/environment"
        let repository = BackupRepository("brands/acme", settings)
        try await repository.prepare()
        try await repository.prepare()
        let content: [UInt8] = (0..<3_000_000).map { _ in .random(in: 0...255) }
        let written = try await repository.write(owner: "acme", tag: "operation=1") { pipe in
            let archive = try BackupArchive(to: pipe)
            try await archive.add("a", content)
            try await archive.end(
                BackupManifest(
                    slug: "acme", brand: .init(UUIDv7(high: 1, low: 2)), schemaVersion: 7, release: "0",
                    takenAt: Timestamp(microseconds: 0)))
        }.written
        let snapshot = try await repository.complete(tag: "operation=1", snapshot: written.snapshot).done
        #expect(try await repository.snapshots().map(\.id) == [snapshot.id])
        let read = try await repository.read(snapshot.id) { reader in try await reader.next()?.content }
        #expect(read == content)
        try await repository.check()
        #expect(FileManager.default.fileExists(atPath: settings.cacheDirectory))
    }

    private static func untilReady(_ port: Int) async throws {
        for _ in 0..<600 {
            let asked = try await Subprocess.run(
                .name("curl"), arguments: ["-s", "-o", "/dev/null", "http://127.0.0.1:\(port)/"],
                input: .none, output: .discarded, error: .discarded)
            if asked.terminationStatus.isSuccess { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw Fault(.unavailable, doing: "reach the bucket", "nobody serves it")
    }
}
