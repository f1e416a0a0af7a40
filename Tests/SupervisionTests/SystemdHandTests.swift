import FoundationEssentials
import Glibc
import Kernel
import Testing

@testable import Supervision

extension RealSystemd {
    @Suite("What was done to units by hand", .timeLimit(.minutes(2)))
    struct HandTests {}
}

extension RealSystemd.HandTests {
    /// Starts a unit, has `damage` done to it, sees that its status tells, starts it again, and sees that it
    /// is well.
    private func mends(_ damage: (TestTemplate, UnitSpecification) async throws -> Void) async throws {
        try await withTemplate { test in
            let unit = test.python("a")
            try await test.supervisor.start(unit)
            try await test.supervisor.awaitReady(unit.name)
            try await damage(test, unit)
            #expect(await test.supervisor.status(unit.name)?.specification != unit.digest)
            try await test.supervisor.start(unit)
            try await test.supervisor.awaitReady(unit.name)
            let status = await test.supervisor.status(unit.name)
            #expect(status?.state == .ready && status?.specification == unit.digest)
            #expect(test.ask("a") == status?.pid.map(String.init))
        }
    }

    @Test("a drop-in that was edited is written anew")
    func edited() async throws {
        try await mends { test, unit in
            let path = DropInFiles(root: TestTemplate.root).path(unit.name)
            try Data("[Service]\nExecStart=\nExecStart=/bin/sleep 60\n".utf8).write(to: URL(filePath: path))
        }
    }

    @Test("a drop-in that was edited, read by systemd and put to use is written anew")
    func editedAndRestarted() async throws {
        try await mends { test, unit in
            let path = DropInFiles(root: TestTemplate.root).path(unit.name)
            try Data("[Service]\nType=exec\nExecStart=\nExecStart=/bin/sleep 60\n".utf8)
                .write(to: URL(filePath: path))
            try await test.bus.reload()
            try await test.bus.carryOut(.restart, "\(unit.name).service")
        }
    }

    @Test("a drop-in that was taken away is written anew")
    func removed() async throws {
        try await mends { test, unit in
            _ = try DropInFiles(root: TestTemplate.root).remove(unit.name)
        }
    }

    @Test("a unit that was stopped, its socket too, listens and serves again")
    func stopped() async throws {
        try await mends { test, unit in
            try await test.bus.carryOut(.stop, "\(unit.name).socket")
            try await test.bus.carryOut(.stop, "\(unit.name).service")
            #expect(await test.supervisor.status(unit.name)?.state == .stopped)
            await #expect(throws: Fault.self) { try await test.supervisor.awaitReady(unit.name) }
        }
    }

    @Test("a unit that is being stopped is started again when it has left")
    func stopping() async throws {
        try await withTemplate { test in
            let leave = "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), os._exit(0)))"
            let unit = test.python("a", "\(leave)\nnotify('READY=1')\nwhile True: time.sleep(60)")
            try await test.supervisor.start(unit)
            try await test.supervisor.awaitReady(unit.name)
            let first = await test.supervisor.status(unit.name)?.pid
            try await test.bus.queue(.stop, "\(unit.name).service")
            _ = await test.until("a") { $0?.state == .stopping }
            try await test.supervisor.start(unit)
            try await test.supervisor.awaitReady(unit.name)
            let status = await test.supervisor.status(unit.name)
            #expect(status?.state == .ready && status?.pid != first && status?.pid != nil)
        }
    }

    @Test("a unit that was masked is no longer", arguments: ["service", "socket"])
    func masked(kind: String) async throws {
        try await mends { test, unit in
            let file = "\(unit.name).\(kind)"
            _ = try await test.bus.call(BusCall("MaskUnitFiles", .texts([file]), .flag(false), .flag(true)))
            try await test.bus.reload()
        }
    }

    @Test("a service that reached its start limit, and took its socket with it, is brought back with it")
    func startLimit() async throws {
        try await withTemplate(limit: "60") { test in
            let broken = test.python("a", "sys.exit(3)")
            try await test.supervisor.start(broken)
            _ = await test.until("a") { $0?.state == .failed && $0?.pid == nil }
            // Each request has systemd try again, until it refuses and gives the socket up.
            while try await test.supervisor.look(broken.name).socket.activeState != "failed" {
                _ = Task { test.ask("a") }
                try await Task.sleep(for: .milliseconds(20))
            }
            let result = try await test.supervisor.look(broken.name).socket.result
            #expect(result == "service-start-limit-hit")
            let unit = test.python("a")
            try await test.supervisor.start(unit)
            try await test.supervisor.awaitReady(unit.name)
            #expect(test.ask("a") != nil)
        }
    }

    @Test("a template that is not installed is a fault that names it, and leaves nothing behind")
    func missing() async throws {
        try await withTemplate { test in
            let other = SystemdSupervisor(
                template: "constintel-test-none", bus: test.bus, journal: test.journal,
                logger: .init(label: "test"))
            var unit = test.python("a")
            unit.name = "constintel-test-none@a"
            let fault = await #expect(throws: Fault.self) { try await other.start(unit) }
            #expect(fault?.detail.contains("constintel-test-none@.service") == true)
            #expect(DropInFiles(root: TestTemplate.root).text(unit.name) == nil)
            #expect(await other.status(unit.name) == nil)
        }
    }

    @Test("a drop-in of somebody else that overrides what is meant is a fault that names it")
    func overridden() async throws {
        try await withTemplate { test in
            let unit = test.python("a")
            try await test.supervisor.start(unit)
            let path = "\(TestTemplate.root)/\(unit.name).service.d/99-mine.conf"
            try Data("[Service]\nEnvironment=CONSTINTEL_SPECIFICATION=mine\n".utf8)
                .write(to: URL(filePath: path))
            let fault = await #expect(throws: Fault.self) { try await test.supervisor.start(unit) }
            #expect(fault?.code == .conflict && fault?.detail.contains("99-mine.conf") == true)
            try FileManager.default.removeItem(atPath: path)
            try await test.supervisor.start(unit)
        }
    }

    @Test(
        "names that are no instance of the template are refused",
        arguments: ["a", "@a", "b@", "b@a/c", "b@a b"])
    func names(name: String) async throws {
        try await withTemplate { test in
            let whole = name.replacing("b@", with: "\(test.name)@")
            let fault = await #expect(throws: Fault.self) { try await test.supervisor.stop(whole) }
            #expect(fault?.code == .invalid)
            #expect(await test.supervisor.status(whole) == nil)
        }
    }
}
