import Contract
import FoundationEssentials
import Glibc
import Kernel
import Testing

@testable import Supervision

@Suite("The log of a child process", .timeLimit(.minutes(1)))
struct LogFileTests {
    private let directory: TestDirectory
    private var path: String { "\(directory.path)/unit.log" }

    init() throws { directory = try TestDirectory() }

    private static let begin = Timestamp(year: 2026, month: 1, day: 31)!

    /// Line `number` as an instance writes it, a second after the one before.
    private func line(_ number: Int) -> String {
        let at = LogFileTests.begin + .seconds(number)
        return #"{"time":"\#(at)","level":"warning","logger":"x","message":"line \#(number)","n":"1"}"# + "\n"
    }

    private func write(_ numbers: ClosedRange<Int>, to file: String) throws {
        let text = numbers.map(line).joined()
        try text.write(toFile: file, atomically: false, encoding: .utf8)
    }

    private func add(_ text: String) { LogFile.append(text, to: path) }

    private func read(_ start: LogStart, _ count: Int = 1000) async throws -> [LogEntry] {
        let reader = LogFileReader(path, from: start, clock: ContinuousClock())
        return try await reader.next(count, within: .zero)
    }

    private func numbers(_ entries: [LogEntry]) -> [Int] {
        entries.compactMap { $0.message.split(separator: " ").dropFirst().first.flatMap { Int($0) } }
    }

    @Test("a line's time, level and fields are its own; one without them is info of the line before's time")
    func lines() async throws {
        try write(1...1, to: path)
        add("Fatal error: what a runtime prints\n")
        add(LogLine.note("unit ended (\"signal 9\")", level: "warning", at: LogFileTests.begin + .seconds(9)))
        add("not ended yet")
        let entries = try await read(.last(100))
        #expect(entries.map(\.message) == [
            "line 1 n=1", "Fatal error: what a runtime prints", #"unit ended ("signal 9")"#,
        ])
        #expect(entries.map(\.level) == [.warning, .info, .warning])
        #expect(entries.map(\.source) == [.service, .service, .supervisor])
        #expect(entries.map { $0.at - LogFileTests.begin } == [.seconds(1), .seconds(1), .seconds(9)])
        let end = "| Fatal error: what a runtime prints | not ended yet"
        #expect(LogTail(path: path).description.hasSuffix(end))
    }

    @Test("reading begins at the last lines, at a time or after a cursor, in the old file too")
    func beginnings() async throws {
        #expect(try await read(.last(5)).isEmpty)
        try write(1...300, to: LogFile.old(path))
        try write(301...2000, to: path)
        for count in [0, 1, 7, 1699, 1700, 1701, 1999, 2000, 2001] {
            let found = numbers(try await read(.last(count), 5000))
            #expect(found == Array((1...2000).suffix(count)), "\(count)")
        }
        for first in [1, 2, 299, 300, 301, 302, 1000, 2000] {
            let found = numbers(try await read(.since(LogFileTests.begin + .seconds(first)), 5000))
            #expect(found == Array(first...2000), "\(first)")
        }
        #expect(try await read(.since(LogFileTests.begin + .seconds(2001))).isEmpty)
        var seen: [Int] = []
        var start = LogStart.last(2000)
        while case let page = try await read(start, 99), let last = page.last {
            seen += numbers(page)
            start = .after(last.cursor)
        }
        #expect(seen == Array(1...2000))
        let fault = await #expect(throws: Fault.self) { try await read(.after("7")) }
        #expect(fault?.field == "cursor")
    }

    @Test("a file that is too large is emptied once it is copied; who follows it misses and repeats nothing")
    func bounds() async throws {
        try write(1...50, to: path)
        let reader = LogFileReader(path, from: .last(50), clock: ContinuousClock())
        var seen = numbers(try await reader.next(20, within: .zero))
        let cursor = try #require(try await read(.last(1)).first?.cursor)
        try LogFile.bound(path, to: 1 << 20)
        #expect(directory.lines(of: "unit.log").count == 50)
        try LogFile.bound(path, to: 100)
        #expect(directory.lines(of: "unit.log").isEmpty && directory.lines(of: "unit.log.1").count == 50)
        #expect(try await read(.after(cursor)).isEmpty)
        for number in 51...60 { add(line(number)) }
        #expect(numbers(try await read(.after(cursor))) == Array(51...60))
        for _ in 0..<10 { seen += numbers(try await reader.next(8, within: .zero)) }
        #expect(seen == Array(1...60))
        // What is gone is gone: the reading goes on with the oldest that is kept.
        try LogFile.bound(path, to: 100)
        add(line(61))
        #expect(numbers(try await read(.after(cursor))) == Array(51...61))
    }

    @Test("a follower gets a line that is written while it waits, and nothing when its time is up")
    func follows() async throws {
        try write(1...3, to: path)
        let clock = ManualClock()
        let reader = LogFileReader(path, from: .last(0), clock: clock)
        async let nothing = reader.next(9, within: .milliseconds(100))
        await clock.untilSomeoneSleeps(for: .milliseconds(100))
        clock.advance(by: .milliseconds(100))
        #expect(try await nothing.isEmpty)
        async let something = reader.next(9, within: .seconds(15))
        await clock.untilSomeoneSleeps(for: LogFileReader.period)
        add(line(4))
        clock.advance(by: LogFileReader.period)
        #expect(numbers(try await something) == [4])
    }

    @Test("what happens to a child is in its log where that is wanted; its log is kept small while it runs")
    func notes() async throws {
        let clock = ManualClock()
        var unit = directory.steady("noted")
        unit.notesInLog = true
        try await running(directory.supervisor(clock: clock)) { [unit] supervisor in
            try await supervisor.start(unit)
            try await supervisor.awaitReady(unit.name)
            let pid = try #require(await supervisor.status(unit.name)?.pid)
            kill(pid, SIGKILL)
            await clock.untilSomeoneSleeps(for: RestartPause.shortest)
            let reader = await supervisor.log(unit.name, file: unit.logFile, from: .last(10))
            let messages = try await reader.next(10, within: .zero).map(\.message)
            #expect(messages == [
                "noted was launched as process \(pid)", "noted is ready",
                "noted ended (signal 9) and is started again",
            ])
            try Data(count: Int(LogFile.mostBytes) + 1).write(to: URL(fileURLWithPath: unit.logFile))
            clock.advance(by: ChildProcessSupervisor.logPeriod)
            while (try? Data(contentsOf: URL(fileURLWithPath: LogFile.old(unit.logFile)))) == nil {
                await pollingPause()
            }
        }
    }
}
