import Kernel
import SystemPackage

/// The end of a log file, for the error that sends someone to read it.
struct LogTail: CustomStringConvertible {
    private static let bytes: Int64 = 2048
    private static let lines = 3

    let path: String

    var description: String {
        let lines = lastLines
        return lines.isEmpty
            ? "its log \(path) is empty" : "its log \(path) ends with: \(lines.joined(separator: " | "))"
    }

    private var lastLines: [Substring] {
        var buffer = [UInt8](repeating: 0, count: Int(LogTail.bytes))
        guard let file = try? FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec) else {
            return []
        }
        defer { try? file.close() }
        guard let size = try? file.seek(offset: 0, from: .end),
            let count = try? buffer.withUnsafeMutableBytes({
                try file.read(fromAbsoluteOffset: max(0, size - LogTail.bytes), into: $0)
            })
        else { return [] }
        return String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n").suffix(LogTail.lines)
    }
}

/// Files that children append their output to.
enum LogFile {
    /// Opens the file at `path` for appending, making it when it is missing.
    static func open(_ path: String, doing: String) throws(Fault) -> FileDescriptor {
        do {
            return try FileDescriptor.open(
                FilePath(path), .writeOnly, options: [.append, .create, .closeOnExec],
                permissions: [.ownerReadWrite, .groupRead])
        } catch {
            throw Fault(.unavailable, doing: doing, "the log file \(path) cannot be opened", cause: error)
        }
    }
}
