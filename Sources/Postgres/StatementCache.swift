/// Which statements a connection has prepared on the server, by their text and types.
///
/// Only texts that came from literals are kept, so a program's own statements fill it and no input can. Past
/// the limit statements go unprepared; nothing is ever taken out to make room.
struct StatementCache {
    /// How many statements one connection keeps; the server holds a plan for each.
    static let limit = 256

    enum Plan: Equatable {
        case unprepared
        case prepare(Int)
        case prepared(Int)
    }

    private struct Key: Hashable {
        let text: String
        let types: [UInt32]
    }

    private var numbers: [Key: Int] = [:]
    private var keys: [Int: Key] = [:]
    private var ready: Set<Int> = []
    private var lastNumber = 0

    static func name(_ number: Int) -> String { "s\(number)" }

    /// How to send `text`. While its preparation is under way others send it unprepared: if that failed, so
    /// would they.
    mutating func plan(for text: String, types: [UInt32], isConstant: Bool) -> Plan {
        guard isConstant else { return .unprepared }
        let key = Key(text: text, types: types)
        if let number = numbers[key] { return ready.contains(number) ? .prepared(number) : .unprepared }
        guard numbers.count < StatementCache.limit else { return .unprepared }
        lastNumber += 1
        numbers[key] = lastNumber
        keys[lastNumber] = key
        return .prepare(lastNumber)
    }

    mutating func prepared(_ number: Int) { ready.insert(number) }

    /// Drops an entry; the statement is prepared again, under a new name, when it is next sent.
    mutating func forget(_ number: Int) {
        if let key = keys.removeValue(forKey: number) { numbers[key] = nil }
        ready.remove(number)
    }
}
