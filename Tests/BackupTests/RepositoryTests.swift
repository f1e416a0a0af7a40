import Foundation
import Kernel
import Subprocess
import Synchronization
import Testing

@testable import Backup

@Suite("A repository of backups (restic)", .serialized)
struct RepositoryTests {
    /// A directory with a password for repositories in it.
    private struct Place {
        let root: String
        let settings: BackupRepository.Settings

        init() throws {
            let parent =
                ProcessInfo.processInfo.environment["CONSTINTEL_TEST_DIRECTORY"] ?? NSTemporaryDirectory()
            root = "\(parent)/backup-\(UInt32.random(in: 0...UInt32.max))"
            try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
            try Data("secret".utf8).write(to: URL(fileURLWithPath: "\(root)/password"))
            settings = BackupRepository.Settings(
                base: "\(root)/repositories", passwordFile: "\(root)/password",
                cacheDirectory: "\(root)/cache")
        }

        var repository: BackupRepository { BackupRepository("brands/acme", settings) }

        func remove() { try? FileManager.default.removeItem(atPath: root) }

        /// Every file that holds content.
        func packs() -> [String] {
            let data = "\(settings.base)/brands/acme/data"
            return (FileManager.default.subpaths(atPath: data) ?? []).map { "\(data)/\($0)" }.filter {
                var isDirectory: ObjCBool = false
                return FileManager.default.fileExists(atPath: $0, isDirectory: &isDirectory)
                    && !isDirectory.boolValue
            }
        }
    }

    private func write(_ members: [(String, [UInt8])], tag: String, to repository: BackupRepository)
        async throws -> BackupRepository.Written
    {
        try await repository.write(owner: "acme", tag: tag) { pipe in
            let archive = try BackupArchive(to: pipe)
            for (name, content) in members { try await archive.add(name, content) }
            try await archive.end(Self.manifest)
        }.written
    }

    private static var manifest: BackupManifest {
        BackupManifest(
            slug: "acme", brand: .init(UUIDv7(high: 1, low: 2)), schemaVersion: 7, release: "0",
            takenAt: Timestamp(microseconds: 0))
    }

    private func members(_ snapshot: String, in repository: BackupRepository) async throws -> [String:
        [UInt8]]
    {
        try await repository.read(snapshot) { reader in
            var found: [String: [UInt8]] = [:]
            while let member = try await reader.next() { found[member.name] = member.content }
            return found
        }
    }

    private static let noise = (0..<3_000_000).map { _ in UInt8.random(in: 0...255) }

    @Test("what is written comes back; the same content again adds next to nothing")
    func roundTrip() async throws {
        let place = try Place()
        defer { place.remove() }
        let repository = place.repository
        try await repository.prepare()
        try await repository.prepare()
        let content: [(String, [UInt8])] = [
            ("README", []), ("tables/a/1.copy", Self.noise), ("b", [1, 2, 3]),
        ]
        let first = try await write(content, tag: "operation=1", to: repository)
        #expect(first.added >= 3_000_000)
        let again = try await write(content, tag: "operation=2", to: repository)
        #expect(again.added < 20_000)
        let snapshot = try await repository.complete(tag: "operation=1", snapshot: first.snapshot).done
        let found = try await members(snapshot.id, in: repository)
        #expect(found.count == 4)
        #expect(found["tables/a/1.copy"] == Self.noise && found["README"] == [] && found["b"] == [1, 2, 3])
        #expect(try BackupManifest(encoded: found[BackupManifest.name] ?? []) == Self.manifest)
        try await repository.requireOwn("acme", doing: "write")
        let other = await #expect(throws: Fault.self) {
            try await repository.requireOwn("other", doing: "write")
        }
        #expect(other?.code == .conflict)
        // Only the one counts, also when it is said again.
        #expect(try await repository.complete(tag: "operation=1", snapshot: first.snapshot).done == snapshot)
        #expect(try await repository.snapshots().filter(\.isComplete).map(\.id) == [snapshot.id])
        try await repository.check()
    }

    @Test("a write that fails leaves nothing that counts")
    func failedWrite() async throws {
        let place = try Place()
        defer { place.remove() }
        let repository = place.repository
        try await repository.prepare()
        struct Broken: Error {}
        await #expect(throws: Broken.self) {
            try await repository.write(owner: "acme", tag: "operation=1") { pipe in
                try await pipe.write(Self.noise)
                throw Broken()
            }
        }
        #expect(try await repository.snapshots().isEmpty)
    }

    @Test("old backups go, half-written ones too, and the newest stays whatever its age")
    func retention() async throws {
        let place = try Place()
        defer { place.remove() }
        let repository = place.repository
        try await repository.prepare()
        for number in 1...3 {
            let tag = "operation=\(number)"
            let written = try await write([("a", [UInt8(number)])], tag: tag, to: repository)
            if number < 3 { _ = try await repository.complete(tag: tag, snapshot: written.snapshot) }
        }
        func expired(before oldest: Timestamp) async throws -> [String] {
            BackupRepository.expired(try await repository.snapshots(), before: oldest).map(\.id)
        }
        let both = try await repository.snapshots().filter(\.isComplete).map(\.id)
        let halfWritten = try await expired(before: Timestamp(microseconds: 0))
        #expect(halfWritten.count == 1 && !both.contains(halfWritten[0]))
        try await repository.forget(halfWritten)
        #expect(try await repository.snapshots().map(\.id) == both)
        let future = Timestamp(rfc3339: "2999-01-01T00:00:00Z")!
        let old = try await expired(before: future)
        #expect(old == [both[0]])
        try await repository.forget(old)
        try await repository.forget(old)
        #expect(try await members(both[1], in: repository)["a"] == [2])
    }

    @Test("a byte that flips anywhere in the content is found")
    func bitRot() async throws {
        let place = try Place()
        defer { place.remove() }
        let repository = place.repository
        try await repository.prepare()
        let written = try await write([("a", Self.noise)], tag: "operation=1", to: repository)
        let snapshot = try await repository.complete(tag: "operation=1", snapshot: written.snapshot).done
        try await repository.check()
        var (tried, found) = (0, 0)
        for pack in place.packs() {
            let whole = try Data(contentsOf: URL(fileURLWithPath: pack))
            for share in [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0] {
                var damaged = whole
                damaged[Int(Double(whole.count - 1) * share)] ^= 0x10
                try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: pack)
                try damaged.write(to: URL(fileURLWithPath: pack))
                tried += 1
                do { try await repository.check() } catch { found += 1 }
            }
            try whole.write(to: URL(fileURLWithPath: pack))
        }
        print("repository: \(found) of \(tried) flips were found")
        #expect(found == tried && tried >= 3)
        #expect(try await members(snapshot.id, in: repository)["a"] == Self.noise)
    }

    @Test("another restic is waited for; one that died is not")
    func locks() async throws {
        let place = try Place()
        defer { place.remove() }
        // A restic that notes how it is called.
        let (program, calls) = ("\(place.root)/restic", "\(place.root)/calls")
        try "#!/bin/sh\necho \"$*\" >>'\(calls)'\nexec /usr/bin/restic \"$@\"\n".write(
            toFile: program, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: program)
        var settings = place.settings
        settings.executable = program
        let repository = BackupRepository("brands/acme", settings)
        try await repository.prepare()
        for tag in ["operation=1", "operation=2"] {
            let written = try await write([("a", Self.noise)], tag: tag, to: repository)
            _ = try await repository.complete(tag: tag, snapshot: written.snapshot)
        }
        let old = try #require(try await repository.snapshots().first)

        // It reads what never comes, and holds the repository meanwhile.
        let ends = try makePipe()
        let environment: [Environment.Key: String] = ["RESTIC_REPOSITORY": repository.location]
        let ended = try await Subprocess.run(
            .path("/usr/bin/restic"),
            arguments: ["--no-cache", "--password-file", "\(place.root)/password", "backup", "--stdin"],
            environment: .custom(environment),
            input: .fileDescriptor(.init(rawValue: ends.read), closeAfterSpawningProcess: true),
            output: .discarded, error: .discarded
        ) { execution in
            for _ in 0..<1500 {
                if try !locks(of: place).isEmpty { break }
                try await Task.sleep(for: .milliseconds(20))
            }
            let forgotten = Flag()
            let forget = Task {
                try await repository.forget([old.id])
                forgotten.set()
            }
            // It tries again, and again.
            for _ in 0..<3000 {
                if try forgets(in: calls) >= 3 || forgotten.isSet { break }
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(!forgotten.isSet, "it went on beside another")
            try execution.send(signal: .kill)
            close(ends.write)
            return forget
        }
        #expect(!ended.terminationStatus.isSuccess)
        try await ended.closureResult.value
        #expect(try await repository.snapshots().count == 1)
        #expect(try locks(of: place) == [], "what died is still in the way")
    }

    /// How often the program whose calls are noted there was told to forget.
    private func forgets(in calls: String) throws -> Int {
        try String(contentsOfFile: calls, encoding: .utf8).split(separator: "\n")
            .count { $0.split(separator: " ").contains("forget") }
    }

    private func locks(of place: Place) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(place.settings.base)/brands/acme/locks")
    }

    /// Whether something has happened.
    private final class Flag: Sendable {
        private let value = Mutex(false)
        var isSet: Bool { value.withLock { $0 } }
        func set() { value.withLock { $0 = true } }
    }

    @Test(
        "a file of the backend's variables that is missing or malformed fails, and tells none of its secrets")
    func environmentFile() async throws {
        let place = try Place()
        defer { place.remove() }
        var settings = place.settings
        settings.environmentFile = "\(place.root)/environment"
        let repository = BackupRepository("brands/acme", settings)
        let missing = await #expect(throws: Fault.self) { try await repository.prepare() }
        #expect(missing?.code == .unavailable && "\(missing!)".contains("\(place.root)/environment"))
        try "# of the place\n\nAWS_SECRET_ACCESS_KEY 4711\n".write(
            toFile: "\(place.root)/environment", atomically: true, encoding: .utf8)
        let malformed = await #expect(throws: Fault.self) { try await repository.prepare() }
        #expect("\(malformed!)".contains("line 3: expected NAME=value") && !"\(malformed!)".contains("4711"))
        try "# of the place\n\nAWS_SECRET_ACCESS_KEY=4711\n".write(
            toFile: "\(place.root)/environment", atomically: true, encoding: .utf8)
        try await repository.prepare()
    }

    @Test("a wrong password, no repository, and one that goes away are told as what they are")
    func failures() async throws {
        let place = try Place()
        defer { place.remove() }
        let repository = place.repository
        let missing = await #expect(throws: Fault.self) { try await repository.snapshots() }
        #expect(missing?.code == .notFound)
        try await repository.prepare()
        let written = try await write([("a", Self.noise)], tag: "operation=1", to: repository)
        let snapshot = try await repository.complete(tag: "operation=1", snapshot: written.snapshot).done
        try Data("other".utf8).write(to: URL(fileURLWithPath: "\(place.root)/password"))
        let wrong = await #expect(throws: Fault.self) { try await repository.snapshots() }
        #expect(wrong?.code == .forbidden && wrong?.detail == "the repository's password is another one")
        try Data("secret".utf8).write(to: URL(fileURLWithPath: "\(place.root)/password"))
        for pack in place.packs() { try FileManager.default.removeItem(atPath: pack) }
        await #expect(throws: Fault.self) { try await members(snapshot.id, in: repository) }
        try await repository.remove()
        try await repository.remove()
        #expect(!FileManager.default.fileExists(atPath: repository.location))
    }
}
