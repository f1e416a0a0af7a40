import Contract
import Events
import Foundation
import Glibc
import Kernel

/// The file of one upload, in the instance's directory.
struct UploadFile: Sendable {
    let directory: String
    let id: UploadID

    private static let ending = ".upload"

    private var path: String { "\(directory)/\(id)\(UploadFile.ending)" }

    /// Those in `directory`.
    static func all(in directory: String) throws -> [UploadFile] {
        try FileManager.default.contentsOfDirectory(atPath: directory)
            .filter { $0.hasSuffix(ending) }
            .compactMap { UploadID($0.dropLast(ending.count)) }
            .map { UploadFile(directory: directory, id: $0) }
    }

    /// Makes the file, empty.
    func make() throws(Fault) {
        _ = try GrowingFile(path: path)
        try GrowingFile.sync(directory: directory)
    }

    /// Opens the file to write on behind its first `received` bytes. Whatever stands behind them, nobody was
    /// told of.
    ///
    /// - Parameter received: asked once nobody else can write.
    /// - Throws: `Fault.conflict` while another request writes; `Fault.gone` where bytes are missing.
    func open(received: () async throws -> Int64) async throws -> GrowingFile {
        var file = try GrowingFile(continuing: path, doing: Uploads.doing)
        try file.keep(try await received())
        return file
    }

    /// The first bytes.
    func beginning() throws(Fault) -> [UInt8] {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw gone() }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while bytes.count < ImportFile.sampleBytes {
            var piece = [UInt8](repeating: 0, count: ImportFile.sampleBytes - bytes.count)
            let count = read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += piece.prefix(count)
        }
        return bytes
    }

    /// Gives the file a second name, if it has not got it yet.
    func link(as other: String) throws(Fault) {
        guard Glibc.link(path, other) == 0 || errno == EEXIST else {
            if errno == ENOENT { throw gone() }
            throw Fault(
                .unavailable, doing: ImportOptions.doing,
                "the upload cannot be taken over: \(String(cString: strerror(errno)))",
                retryAfter: .seconds(30))
        }
        try GrowingFile.sync(directory: directory)
    }

    func remove() { unlink(path) }

    private func gone() -> Fault {
        Fault(.gone, doing: ImportOptions.doing, "the upload's file is no longer there; send it again")
    }
}
