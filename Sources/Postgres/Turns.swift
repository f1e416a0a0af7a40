/// Who may use a connection next: requests in the order they came, and between them reservations, during
/// which only their holder's requests pass.
///
/// Pure: it holds what waits and says what may go; the connection does it.
struct Turns<Waiter> {
    struct Entry {
        let id: UInt64
        /// The reservation that the request belongs to; nil for one of the open line.
        let holder: UInt64?
        /// Whether the entry asks for a reservation, whose number is then its id.
        let reserves: Bool
        let waiter: Waiter
    }

    private(set) var holder: UInt64?
    private var line = Queue<Entry>()
    private var holders = Queue<Entry>()

    var count: Int { line.count + holders.count }

    /// Adds an entry; false when it belongs to a reservation that has ended.
    mutating func append(_ entry: Entry) -> Bool {
        guard entry.holder == nil || entry.holder == holder else { return false }
        if entry.holder == nil { line.append(entry) } else { holders.append(entry) }
        return true
    }

    /// The next that may go; a reservation is held from here on.
    mutating func next() -> Entry? {
        if let entry = holders.popFirst() { return entry }
        guard holder == nil, let entry = line.popFirst() else { return nil }
        if entry.reserves { holder = entry.id }
        return entry
    }

    /// Ends a reservation, and gives back what its holder left waiting.
    mutating func release(_ id: UInt64) -> [Entry] {
        guard holder == id else { return [] }
        holder = nil
        return holders.removeAll()
    }

    mutating func remove(_ id: UInt64) -> Entry? {
        holders.remove { $0.id == id } ?? line.remove { $0.id == id }
    }

    mutating func removeAll() -> [Entry] {
        holder = nil
        return holders.removeAll() + line.removeAll()
    }
}
