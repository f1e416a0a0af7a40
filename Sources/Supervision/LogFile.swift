import Glibc
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
        return String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n")
            .filter { !LogLine.isNote($0) }.suffix(LogTail.lines)
    }
}

/// Files that children append their output to.
enum LogFile {
    /// What a file may grow to; beside it, what was before is kept once, in `<path>.1`.
    static let mostBytes: Int64 = 16 << 20

    static func old(_ path: String) -> String { path + ".1" }

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

    /// Appends one line to the file at `path` if there is such a file. A log that cannot be written has
    /// nobody to tell.
    static func append(_ line: String, to path: String) {
        guard
            let file = try? FileDescriptor.open(
                FilePath(path), .writeOnly, options: [.append, .closeOnExec])
        else { return }
        _ = try? file.writeAll(Array(line.utf8))
        try? file.close()
    }

    /// Moves what is in the file at `path` to the old one when it has more than `limit` bytes.
    ///
    /// The file itself stays, and is emptied, because its writers go on writing to it, and are known by
    /// having it open. What they write in the microseconds between the last look and the emptying is lost.
    static func bound(_ path: String, to limit: Int64 = mostBytes) throws {
        let file = try FileDescriptor.open(FilePath(path), .readWrite, options: .closeOnExec)
        defer { try? file.close() }
        guard try file.seek(offset: 0, from: .end) > limit else { return }
        let fresh = path + ".new"
        let copy = try FileDescriptor.open(
            FilePath(fresh), .writeOnly, options: [.create, .truncate, .closeOnExec],
            permissions: [.ownerReadWrite, .groupRead])
        defer { try? copy.close() }
        var block = [UInt8](repeating: 0, count: 1 << 16)
        var offset: Int64 = 0
        while true {
            let count = try block.withUnsafeMutableBytes {
                try file.read(fromAbsoluteOffset: offset, into: $0)
            }
            if count == 0 { break }
            try copy.writeAll(block[..<count])
            offset += Int64(count)
        }
        guard rename(fresh, old(path)) == 0, ftruncate(file.rawValue, 0) == 0 else {
            throw Fault(systemErrorWhile: "keep the log \(path) small")
        }
    }
}
