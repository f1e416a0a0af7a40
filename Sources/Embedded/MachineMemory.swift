import FoundationEssentials
import Glibc

/// How much memory this machine, or the container that we run in, has for us.
struct MachineMemory {
    /// Megabytes of 2^20 bytes.
    let megabytes: Int

    init() {
        var bytes = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
        for limit in ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"] {
            // `max`, or where there is no limit a number beyond all memory.
            let text = PrivateFiles.read(limit)?.split(whereSeparator: \.isWhitespace).first
            if let text, let allowed = Int(text), allowed > 0 { bytes = min(bytes, allowed) }
        }
        megabytes = max(0, bytes / (1 << 20))
    }

    init(megabytes: Int) { self.megabytes = megabytes }

    /// What PostgreSQL keeps of its tables: an eighth, since the machine runs much else, and the kernel
    /// caches too.
    var sharedBuffers: String { "\(min(max(megabytes / 8, 128), 8192))MB" }

    /// How much log PostgreSQL keeps at most: a third. The first change of a page after a checkpoint logs the
    /// whole page, so checkpoints must be rare beside the size of the tables. After a crash about half of it
    /// is read again, which is quick while it fits into memory.
    var maximumLog: String { "\(min(max(megabytes / 3, 2048), 8192))MB" }

    /// What PostgreSQL may expect to be cached, by itself and by the kernel.
    var expectedCache: String { "\(max(megabytes / 2, 256))MB" }
}
