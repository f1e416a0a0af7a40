import Foundation
import Glibc
import Kernel

/// What the file system says of one file; it is another when the file was written, replaced, or opened up.
struct FileStamp: Sendable, Equatable {
    private let device: UInt
    private let node: UInt
    private let mode: UInt32
    private let size: Int
    private let changed: [Int]

    /// Nil when there is no such file.
    init?(_ path: String) {
        var file = stat()
        guard lstat(path, &file) == 0 else { return nil }
        device = file.st_dev
        node = file.st_ino
        mode = file.st_mode
        size = file.st_size
        // A change of a file's contents or rights always shows here, and nobody can set it.
        changed = [file.st_ctim.tv_sec, file.st_ctim.tv_nsec]
    }
}

extension InstanceFiles {
    /// The files that an instance is started with, and its marker, as the file system has them now: the same
    /// as long as none of them is touched.
    func stamps(_ slug: Slug) -> [FileStamp?] {
        let credentials = "\(layout.instance(slug))/credentials"
        let names =
            ["postgres-password", "redis-password"] + tokenKeys.indices.map { "token-key-\($0 + 1).pub" }
        let paths = names.map { "\(credentials)/\($0)" } + [configurationPath(slug), layout.marker(slug)]
        return paths.map { FileStamp($0) }
    }
}

extension InstanceFiles {
    /// The brands that have a marker.
    func marked() -> [Slug] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: layout.instanceSockets)) ?? []
        let ending = StateLayout.markerEnding
        return names.filter { $0.hasSuffix(ending) }.compactMap { try? Slug($0.dropLast(ending.count)) }
    }
}

extension ReconcilerPath {
    /// Hides from the edge what has a marker and was purged. A brand that is merely unknown keeps its marker:
    /// it goes on serving when the control database has lost it.
    ///
    /// - Parameter found: brands that are there.
    func hidePurged(beside found: Set<Slug>) async throws {
        let others = instances.files.marked().filter { !found.contains($0) }
        guard !others.isEmpty else { return }
        var failure: (any Error)?
        for slug in try await store.purged(among: others) {
            do {
                try instances.files.hide(slug)
                corrected(.marker, slug)
            } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }
}
