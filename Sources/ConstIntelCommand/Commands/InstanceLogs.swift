import ArgumentParser
import Contract
import Foundation
import Kernel

struct InstanceLogs: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs",
        abstract: "Print what a brand's instance has written, and what was written about it.",
        discussion: """
            Each line has its time, its level and its text; lines of what starts and stops the instance \
            begin with 'supervisor:'. With --follow it goes on until it is interrupted, also when the \
            service is away for a while; as JSON it is then one object a line.

            Example:
              constintel instance logs acme --since 15m
              constintel instance logs acme --follow --lines 20
            """)

    /// What the service gives at once, at most.
    static let most = 1000

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Flag(name: [.short, .long], help: "Print new lines as they come.")
    var follow = false

    @Option(
        name: [.customShort("n"), .long],
        help: "How many lines (default: the last 100, or 1000 from --since or --cursor on).")
    var lines: Int?

    @Option(
        help: "Only lines since then: a date-time, a day, or a time ago such as 90s, 15m, 2h or 1d.",
        transform: parseMoment)
    var since: LogMoment?

    @Option(help: "Go on after the line with this cursor.")
    var cursor: String?

    @OptionGroup var options: ServiceOptions

    func validate() throws {
        guard (1...Self.most).contains(lines ?? 1) else {
            throw ValidationError("--lines is 1 to \(Self.most)")
        }
    }

    func run(on service: Service) async throws {
        let request = request(now: service.surroundings.clock.now())
        if follow { return try await LogFollower(service: service, request: request).follow() }
        let answer = try await service.control.send(request)
        try service.report(answer) {
            let page = try answer.decode(Page<LogEntry>.self)
            if let cursor = page.nextCursor { service.note("There are more: add --cursor \(cursor)") }
            return page.items.map(\.line)
        }
    }

    private func request(now: Timestamp) -> Request {
        let limit = lines ?? (since == nil && cursor == nil ? nil : Self.most)
        let query = [
            ("limit", limit.map(String.init)), ("since", since?.instant(before: now).description),
            ("cursor", cursor), ("follow", follow ? "true" : nil),
        ].compactMap { name, value in value.map { (name: name, value: $0) } }
        return Request(
            .get, "/api/admin/instances/\(slug)/logs", query: query, doing: "read the log of '\(slug)'")
    }
}

/// A moment as a person names it.
enum LogMoment: Sendable, Equatable {
    case at(Timestamp)
    case ago(Duration)

    func instant(before now: Timestamp) -> Timestamp {
        switch self {
        case .at(let instant): instant
        case .ago(let duration): now - duration
        }
    }
}

/// `text` as a moment.
@Sendable func parseMoment(_ text: String) throws -> LogMoment {
    if let duration = try? parseDuration(text) { return .ago(duration) }
    guard let instant = try? parseInstant(text) else {
        throw ValidationError(
            "expected a date-time such as 2027-01-31T00:00:00Z, a day, or a time ago such as 15m")
    }
    return .at(instant)
}

extension LogEntry {
    /// The line as a person reads it; what the instance wrote cannot steer the terminal.
    fileprivate var line: String {
        let name = level.rawValue.padding(toLength: 9, withPad: " ", startingAt: 0)
        return printable("\(at) \(name) \(source == .supervisor ? "supervisor: " : "")\(message)")
    }
}

/// Follows a log whoever serves it: the daemon may go away and come back.
private struct LogFollower: Sendable {
    let service: Service
    let request: Request

    func follow() async throws {
        let place = LogFollowerPlace()
        while true {
            var request = request
            if let cursor = await place.cursor {
                request.query.removeAll { $0.name == "cursor" }
                request.query.append((name: "cursor", value: cursor))
            }
            do {
                let doing = request.doing
                try await service.control.events(request, silence: OperationWatcher.silence) { event in
                    guard event.name == "log" else { return true }
                    let answer = Answer(body: Data(event.data.utf8), doing: doing)
                    let entry = try answer.decode(LogEntry.self)
                    await place.hear(entry.cursor)
                    service.streams.print(service.output == .json ? answer.text : entry.line)
                    return true
                }
                await place.come()
            } catch let fault as Fault where fault.code == .unavailable {
                guard await place.hasHeard else { throw fault }
                if await place.leave() {
                    service.note("The service is away: \(fault.detail). Waiting for it.")
                }
                guard await place.mayWait else { throw fault }
            }
            try await Task.sleep(for: service.surroundings.pollInterval)
        }
    }
}

/// Which line was read last, and since when the service is away.
private actor LogFollowerPlace {
    private(set) var cursor: String?
    private(set) var hasHeard = false
    private var awaySince: ContinuousClock.Instant?

    var mayWait: Bool { awaySince.map { ContinuousClock.now - $0 < OperationFollower.patience } ?? true }

    func hear(_ cursor: String) {
        self.cursor = cursor
        come()
    }

    func come() { (hasHeard, awaySince) = (true, nil) }

    /// Whether this is when it went away.
    func leave() -> Bool {
        defer { awaySince = awaySince ?? .now }
        return awaySince == nil
    }
}
