/// What Redis says of itself (`INFO`) and its settings, by name, and what follows from it.
struct RedisFacts: Sendable {
    /// Settings that durability rests on.
    static let settings = ["appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory-policy"]
    /// Of the memory that it may take, past which it is told, and past which it is too late.
    static let warningShare = 0.8
    static let failedShare = 0.95

    private var facts: [String: String] = [:]

    /// The lines `name:value` of an answer to `INFO`.
    init(info: String) {
        for line in info.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            facts[String(line[..<colon])] = String(line[line.index(after: colon)...])
        }
    }

    subscript(name: String) -> String? {
        get { facts[name] }
        set { facts[name] = newValue }
    }

    /// Whether what is acknowledged is on the disk, and only what can be lost is ever evicted.
    var persistence: Seen {
        let meant = [("appendonly", "yes"), ("appendfsync", "always"), ("no-appendfsync-on-rewrite", "no")]
        var wrong = meant.filter { facts[$0.0] != $0.1 }.map { name, value in
            "\(name) is \(facts[name] ?? "unknown") and must be \(value)"
        }
        if let policy = facts["maxmemory-policy"], policy.hasPrefix("allkeys") {
            wrong.append("maxmemory-policy is \(policy), which evicts events")
        }
        for name in ["aof_last_write_status", "aof_last_bgrewrite_status"] where facts[name] ?? "ok" != "ok" {
            wrong.append("\(name) is \(facts[name] ?? "")")
        }
        guard wrong.isEmpty else { return .failed(wrong.joined(separator: ", ")) }
        return .ok("appendonly, synced before each answer")
    }

    /// How much of the memory that it may take is taken.
    var memory: Seen {
        guard let used = facts["used_memory"].flatMap(UInt64.init),
            let limit = facts["maxmemory"].flatMap(UInt64.init)
        else { return .warning("it does not say how much it uses") }
        guard limit > 0 else {
            return .warning(
                "\(bytesInWords(used)) used, and maxmemory is not set: the kernel would end it for everybody")
        }
        let text = "\(bytesInWords(used)) of \(bytesInWords(limit)) used"
        let share = Double(used) / Double(limit)
        if share > RedisFacts.failedShare { return .failed("\(text): at the limit intake is refused") }
        return share > RedisFacts.warningShare ? .warning(text) : .ok(text)
    }
}
