import FoundationEssentials
import Glibc
import Kernel

/// What a supervisor writes down about a running child, so that the next one can adopt it, even one of a
/// later release: what is added must be optional.
struct UnitRecord: Codable, Equatable, Sendable {
    var process: ProcessIdentity
    /// `UnitSpecification.digest` of what was launched.
    var specification: String
    var isReady: Bool
    /// How to ask it to leave, for a supervisor that does not know its specification.
    var stopSignal: Int32
    var stopTimeoutSeconds: Double

    init(_ unit: UnitSpecification, process: ProcessIdentity, isReady: Bool) {
        self.process = process
        specification = unit.digest
        self.isReady = isReady
        stopSignal = unit.stopSignal
        stopTimeoutSeconds = unit.stopTimeout.inSeconds
    }
}

/// Where one unit's record and notification socket are, in the supervisor's directory.
struct UnitFiles: Sendable {
    private let record: URL
    /// Its name is short whatever the unit's is: a socket's path has 107 bytes.
    let notifySocket: String

    init(directory: String, unit: String) {
        record = URL(filePath: "\(directory)/units/\(unit).json")
        var digest = StableDigest()
        digest.add([unit])
        notifySocket = "\(directory)/notify/\(digest.text)"
    }

    /// Makes the directories that records and sockets lie in. Only their owner enters the first; the second
    /// is open, because a child that runs as another user must reach its socket.
    static func prepare(_ directory: String) throws(Fault) {
        do {
            for (name, mode) in [("units", 0o700), ("notify", 0o711)] {
                try FileManager.default.createDirectory(
                    atPath: "\(directory)/\(name)", withIntermediateDirectories: true,
                    attributes: [.posixPermissions: mode])
            }
        } catch {
            throw Fault(
                .unavailable, doing: "prepare the supervisor's directory \(directory)",
                "it cannot be written",
                cause: error)
        }
    }

    /// The names of all units with a record in `directory`.
    static func recordedUnits(in directory: String) -> [String] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: "\(directory)/units")) ?? []
        return files.filter { $0.hasSuffix(".json") }.map { String($0.dropLast(".json".count)) }.sorted()
    }

    /// The record; nil when there is none that can be read, which is as good as none.
    func load() -> UnitRecord? {
        guard let data = try? Data(contentsOf: record) else { return nil }
        return try? JSONDecoder().decode(UnitRecord.self, from: data)
    }

    /// Replaces the record as a whole.
    func save(_ content: UnitRecord) throws(Fault) {
        do {
            try JSONEncoder().encode(content).write(to: record, options: .atomic)
        } catch {
            throw Fault(
                .unavailable, doing: "record a running process", "\(record.path) cannot be written",
                cause: error)
        }
    }

    /// Forgets the unit.
    func remove() {
        unlink(record.path)
        unlink(notifySocket)
    }
}
