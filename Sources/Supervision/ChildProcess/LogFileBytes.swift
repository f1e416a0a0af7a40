import Glibc
import Kernel
import SystemPackage

/// A log file, opened for one look at it.
final class LogFileBytes {
    private static let block = 1 << 16

    private let file: FileDescriptor
    let size: Int64
    /// When something was last written to it.
    let modified: Timestamp

    /// Nil when there is no file that can be read.
    init?(_ path: String) {
        guard let file = try? FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec) else {
            return nil
        }
        self.file = file
        var status = stat()
        fstat(file.rawValue, &status)
        size = Int64(status.st_size)
        let time = status.st_mtim
        modified = Timestamp(
            microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }

    deinit { try? file.close() }

    /// At most `count` bytes at `offset`, none beyond the end.
    func bytes(at offset: Int64, _ count: Int) -> [UInt8] {
        let wanted = min(Int64(count), size - offset)
        guard offset >= 0, wanted > 0 else { return [] }
        return [UInt8](unsafeUninitializedCapacity: Int(wanted)) { buffer, filled in
            let free = UnsafeMutableRawBufferPointer(buffer)
            filled = (try? file.read(fromAbsoluteOffset: offset, into: free)) ?? 0
        }
    }

    /// The place at `offset`.
    func place(at offset: Int64) -> LogPlace {
        let before = min(offset, LogPlace.anchorBytes)
        return LogPlace(offset: offset, after: bytes(at: offset - before, Int(before)))
    }

    /// Whether the place is one of this file.
    func has(_ place: LogPlace) -> Bool { place.offset <= size && self.place(at: place.offset) == place }

    /// Where the last `count` lines begin, and how many there are.
    func offset(ofLast count: Int) -> (offset: Int64, found: Int) {
        guard count > 0 else { return (size, 0) }
        var found = 0
        var end = size
        while end > 0 {
            let start = max(0, end - Int64(LogFileBytes.block))
            let bytes = bytes(at: start, Int(end - start))
            for index in bytes.indices.reversed() where bytes[index] == UInt8(ascii: "\n") {
                let next = start + Int64(index) + 1
                // The end of the last line begins none.
                guard next < size else { continue }
                found += 1
                if found == count { return (next, found) }
            }
            end = start
        }
        return (0, size > 0 ? found + 1 : 0)
    }

    /// The time of the first line at or behind `offset` that has one.
    func instant(from offset: Int64) -> Timestamp? {
        let text = String(decoding: bytes(at: offset, LogFileBytes.block), as: UTF8.self)
        let prefix = "{\"time\":\""
        for line in text.split(separator: "\n") where line.hasPrefix(prefix) {
            let time = line.dropFirst(prefix.count).prefix { $0 != "\"" }
            if let instant = Timestamp(rfc3339: time) { return instant }
        }
        return nil
    }

    /// Where the first line begins that is not older: found by halves, since lines are in order of time.
    func offset(since instant: Timestamp) -> Int64 {
        var (low, high): (Int64, Int64) = (0, size)
        while low < high {
            let middle = low + (high - low) / 2
            if let found = self.instant(from: middle), found < instant {
                low = middle + 1
            } else {
                high = middle
            }
        }
        guard low > 0 else { return 0 }
        // It is within the line before, or at its beginning.
        let ahead = bytes(at: low - 1, LogFileBytes.block)
        guard let end = ahead.firstIndex(of: UInt8(ascii: "\n")) else { return size }
        return low + Int64(end)
    }
}
