import Kernel
import Testing

@testable import Supervision

@Suite("What is written for systemd, and read from it")
struct SystemdTextTests {
    private func unit(_ change: (inout UnitSpecification) -> Void = { _ in }) -> UnitSpecification {
        var unit = UnitSpecification(
            name: "constintel-instance@acme", executable: "/opt/constintel/instance",
            arguments: ["--a", "b c"],
            logFile: "/dev/null", readiness: .notify)
        change(&unit)
        return unit
    }

    @Test("a drop-in says all that is meant, and what it was made from")
    func rendering() throws {
        let unit = unit {
            $0.environment = ["B": "2", "A": "one two"]
            $0.credentials = ["redis": "/etc/c/redis", "key": "/etc/c/100%"]
            $0.limits = .init(memoryBytes: 1 << 20, cpuPercent: 150, tasks: 64, ioWeight: 50)
            $0.workingDirectory = "/srv/acme"
            $0.user = "ci_acme"
            $0.stopTimeout = .milliseconds(1500)
        }
        let text = """
            # Written by ConstIntel from what is meant for this unit; changes are overwritten.
            [Service]
            ExecStart=
            ExecStart=:"/opt/constintel/instance" "--a" "b c"
            WorkingDirectory=/srv/acme
            User=ci_acme
            Environment="A=one two"
            Environment="B=2"
            Environment="CONSTINTEL_SPECIFICATION=\(unit.digest)"
            LoadCredential=key:/etc/c/100%%
            LoadCredential=redis:/etc/c/redis
            KillSignal=15
            TimeoutStopSec=1500000us
            TimeoutStartSec=60000000us
            MemoryMax=1048576
            CPUQuota=150%
            CPUQuotaPeriodSec=166ms
            TasksMax=64
            IOWeight=50

            """
        #expect(try UnitDropIn(unit).text == text)
    }

    @Test(
        "a share of a processor is counted over so long that a start fits in",
        arguments: [(1, 1000), (25, 1000), (50, 500), (250, 100), (800, 100)])
    func quotaPeriod(_ percent: Int, _ milliseconds: Int) throws {
        let text = try UnitDropIn(unit { $0.limits.cpuPercent = percent }).text
        #expect(text.contains("CPUQuota=\(percent)%\nCPUQuotaPeriodSec=\(milliseconds)ms\n"))
    }

    @Test("words are quoted so that systemd reads them as they are")
    func quoting() throws {
        let nasty = ["", "a\"b", "\\", "100%", "$HOME ${HOME}", ";", "two\nlines\tand \u{7} bell", "é'"]
        let text = try UnitDropIn(unit { $0.arguments = nasty }).text
        let expected =
            #"ExecStart=:"/opt/constintel/instance" "" "a\"b" "\\" "100%%" "$HOME ${HOME}" ";" "#
            + #""two\nlines\tand \x07 bell" "é'""#
        let lines = text.split(separator: "\n").map(String.init)
        #expect(lines.contains(expected), "\(lines)")
    }

    @Test("no text of a unit can add a line of its own")
    func lines() throws {
        let unit = unit {
            $0.arguments = ["x\nExecStartPre=/bin/evil"]
            $0.environment = ["A": "x\"\nUser=root"]
        }
        let lines = try UnitDropIn(unit).text.split(separator: "\n")
        #expect(lines.allSatisfy { !$0.hasPrefix("User=") && !$0.hasPrefix("ExecStartPre=") })
    }

    @Test("what systemd would leave out with a warning is refused, and the field is named")
    func refusals() {
        let wrong: [(String, (inout UnitSpecification) -> Void)] = [
            ("executable", { $0.executable = "relative" }),
            ("executable", { $0.executable = "/with\"quote" }),
            ("arguments", { $0.arguments = ["\0"] }),
            ("environment", { $0.environment = ["A B": "1"] }),
            ("environment", { $0.environment = ["1A": "1"] }),
            ("environment.A", { $0.environment = ["A": "\u{1}"] }),
            ("credentials", { $0.credentials = ["a/b": "/x"] }),
            ("credentials.a", { $0.credentials = ["a": "x"] }),
            ("credentials.a", { $0.credentials = ["a": "/x\nUser=root"] }),
            ("user", { $0.user = "root\nUser=root" }), ("user", { $0.user = "0" }),
            ("workingDirectory", { $0.workingDirectory = "x" }),
        ]
        for (field, change) in wrong {
            let fault = #expect(throws: Fault.self) { try UnitDropIn(unit(change)) }
            #expect(fault?.code == .invalid && fault?.field == field)
        }
    }

    @Test("credentials, limits and activation are part of what a process is told by")
    func digest() {
        let changes: [(inout UnitSpecification) -> Void] = [
            { $0.credentials = ["a": "/x"] }, { $0.limits.memoryBytes = 1 }, { $0.limits.cpuPercent = 1 },
            { $0.limits.tasks = 1 }, { $0.limits.ioWeight = 1 }, { $0.activation = .onRequest }, { _ in },
        ]
        #expect(Set(changes.map { unit($0).digest }).count == changes.count)
    }

    @Test(
        "a unit's path is the one that systemd gives it",
        arguments: [
            ("constintel-instance@acme.service", "constintel_2dinstance_40acme_2eservice"),
            ("0a.socket", "_30a_2esocket"), ("a0é.service", "a0_c3_a9_2eservice"),
        ])
    func paths(unit: String, path: String) {
        let whole = "/org/freedesktop/systemd1/unit/" + path
        #expect(UnitPath.path(of: unit) == whole)
        #expect(UnitPath.unit(at: whole) == unit)
    }

    @Test("a path of something else, or a broken one, is no unit's")
    func strangePaths() {
        for path in ["/org/freedesktop/systemd1/job/1", "/org/freedesktop/systemd1/unit/", "a_2", "/x"] {
            #expect(UnitPath.unit(at: path) == nil)
        }
        #expect(UnitPath.unit(at: "/org/freedesktop/systemd1/unit/a_2") == nil)
        #expect(UnitPath.unit(at: "/org/freedesktop/systemd1/unit/a_zz") == nil)
    }

    @Test("what is not set is nil")
    func unset() {
        let properties = UnitProperties([
            "MemoryCurrent": .unsigned(.max), "TasksCurrent": .unsigned(3), "MainPID": .unsigned(0),
            "ExecMainStartTimestamp": .unsigned(0), "StatusText": .text(""), "ExecMainCode": .signed(2),
            "ExecMainStatus": .signed(9), "Job": .list([.unsigned(0), .text("/")]),
            "StateChangeTimestamp": .unsigned(1_000_000),
        ])
        #expect(properties.memoryBytes == nil && properties.tasks == 3 && properties.cpuNanoseconds == nil)
        #expect(properties.mainPID == nil && properties.mainStarted == nil && properties.statusText == nil)
        #expect(properties.lastExit == "signal 9" && !properties.hasJob)
        #expect(properties.stateChanged == Timestamp(microseconds: 1_000_000))
    }

    @Test("the service's and the socket's states are one")
    func states() {
        let cases: [(String, String, String, UnitStatus.State)] = [
            ("active", "running", "active", .ready), ("activating", "start", "active", .starting),
            ("activating", "auto-restart", "active", .failed), ("deactivating", "stop", "active", .stopping),
            ("failed", "failed", "active", .failed), ("inactive", "dead", "active", .asleep),
            ("inactive", "dead", "failed", .failed), ("inactive", "dead", "inactive", .stopped),
        ]
        for (state, subState, socket, expected) in cases {
            let pair = UnitPair(
                name: "a",
                service: UnitProperties(["ActiveState": .text(state), "SubState": .text(subState)]),
                socket: UnitProperties(["ActiveState": .text(socket)]), written: nil, declared: nil)
            #expect(pair.state == expected, "\(state) \(subState) \(socket)")
        }
    }

    @Test("a job that is over before its starter knows its name is not missed; a lost line ends all waits")
    func jobs() async throws {
        var board = JobBoard()
        board.finish("/job/0", "done")
        #expect(board.result(of: "/job/0") == nil, "nobody has asked")
        board.begin()
        board.finish("/job/1", "failed")
        #expect(board.result(of: "/job/1") == "failed")
        board.end()
        #expect(board.result(of: "/job/1") == nil)
    }
}
