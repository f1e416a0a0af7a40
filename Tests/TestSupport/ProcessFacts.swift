import Foundation
import Glibc

/// What the kernel says of a process.
public enum ProcessFacts {
    /// Bytes of memory that it holds.
    public static func residentBytes(of pid: Int32) throws -> Int {
        let pages = try String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8).split(separator: " ")
        return (Int(pages[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Files and sockets that it has open.
    public static func openFiles(of pid: Int32) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count
    }

    /// Has this process open as many files as a crowd of clients needs, as far as it may.
    public static func raiseFileLimit() {
        var files = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
        files.rlim_cur = min(files.rlim_max, max(files.rlim_cur, 4096))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
    }
}
