import Foundation

/// What this process takes of its machine, by the names that Prometheus's own libraries use.
public enum ProcessMetrics {
    /// Reads `/proc/self`; what cannot be read is left out.
    public static func families() -> [MetricFamily] {
        usage() + descriptors()
    }

    /// From `/proc/self/stat` (proc(5)): the process's name, which may have any characters, is in
    /// parentheses; the third field comes after them.
    private static func usage() -> [MetricFamily] {
        guard let stat = text("/proc/self/stat"), let end = stat.lastIndex(of: ")") else { return [] }
        let fields = stat[stat.index(after: end)...].split(separator: " ").map { Double($0) ?? 0 }
        func field(_ number: Int) -> Double { fields.count > number - 3 ? fields[number - 3] : 0 }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        var families = [
            MetricFamily(
                "process_cpu_seconds_total", .counter, help: "User and system CPU time, in seconds.",
                (field(14) + field(15)) / ticks),
            MetricFamily(
                "process_resident_memory_bytes", .gauge, help: "Resident memory, in bytes.",
                field(24) * Double(sysconf(Int32(_SC_PAGESIZE)))),
            MetricFamily("process_threads", .gauge, help: "Threads.", field(20)),
        ]
        if let boot = text("/proc/stat")?.split(separator: "\n").first(where: { $0.hasPrefix("btime ") }) {
            families.append(
                MetricFamily(
                    "process_start_time_seconds", .gauge, help: "When the process started, since 1970.",
                    (Double(boot.dropFirst(6)) ?? 0) + field(22) / ticks))
        }
        return families
    }

    private static func descriptors() -> [MetricFamily] {
        var limit = rlimit()
        guard let open = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd"),
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
        else { return [] }
        return [
            // Without the one that listed them.
            MetricFamily("process_open_fds", .gauge, help: "Open file descriptors.", Double(open.count - 1)),
            MetricFamily(
                "process_max_fds", .gauge, help: "Descriptors that may be open.", Double(limit.rlim_cur)),
        ]
    }

    private static func text(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
    }
}
