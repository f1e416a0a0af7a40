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
