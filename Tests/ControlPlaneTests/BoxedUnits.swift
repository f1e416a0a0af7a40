import Foundation
import Glibc
import Kernel
import TestSupport

@testable import ControlPlane
@testable import Supervision

/// The units of instances in the boxed systemd: a template with nothing of the production one's hardening,
/// for the small program of `TestPlane`, with sockets below a test's own directory.
///
/// The template's name is the product's, so there is one of these at a time.
struct BoxedUnits: Sendable {
    static let isThere = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_SYSTEMD"] == "1"
    private static let root = SystemdSupervisor.systemUnits
    private static let template = Slug.unitTemplate

    let bus: SystemdBus
    let supervisor: SystemdSupervisor
    let files = DropInFiles(root: BoxedUnits.root)

    init(_ layout: StateLayout) async throws {
        bus = SystemdBus(on: TestServers.reactor, logger: TestPlane.silent)
        supervisor = SystemdSupervisor(
            template: BoxedUnits.template, bus: bus, journal: Journal(on: TestServers.reactor),
            logger: TestPlane.silent)
        try BoxedUnits.write(
            "service",
            """
            [Unit]
            Requires=\(BoxedUnits.template)@%i.socket
            After=\(BoxedUnits.template)@%i.socket
            StartLimitIntervalSec=0
            [Service]
            Type=notify
            ExecStart=/bin/false
            Restart=on-failure
            RestartSec=100ms
            StateDirectory=constintel-instance/%i
            """)
        try BoxedUnits.write(
            "socket",
            """
            [Socket]
            ListenStream=\(layout.instanceSockets)/%i.sock
            RemoveOnStop=yes
            TriggerLimitIntervalSec=0
            [Install]
            WantedBy=sockets.target
            """)
        try await bus.reload()
    }

    private static func write(_ kind: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(root)/\(template)@.\(kind)"))
    }

    func remove() async throws {
        for name in await supervisor.statuses().keys {
            try await supervisor.stop(name)
            try await supervisor.clean(name)
        }
        for kind in ["service", "socket"] {
            try FileManager.default.removeItem(atPath: "\(BoxedUnits.root)/\(BoxedUnits.template)@.\(kind)")
        }
        try await bus.reload()
        await bus.close()
    }

    /// What systemd and its directories have of the unit, less what differs between two units of one kind.
    func inventory(_ name: String) async throws -> [String] {
        let pair = try await supervisor.look(name)
        var lines = [
            "\(pair.state.rawValue)\(pair.needsReading ? ", to be read" : "")",
            "socket \(pair.socket.activeState) \(pair.socket.unitFileState ?? "")",
        ]
        lines += (files.text(name) ?? "").split(separator: "\n").filter {
            !$0.contains(UnitDropIn.variable)
        }.map { "drop-in \($0)" }
        let instance = name.drop { $0 != "@" }.dropFirst()
        let wants = "\(BoxedUnits.root)/sockets.target.wants"
        let roots = [BoxedUnits.root, wants, "/var/lib/constintel-instance"]
        for root in roots {
            let found = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
            lines += found.filter { $0.contains(instance) }.map { "\(root)/\($0)" }
        }
        return lines
    }
}

extension UnitPair {
    fileprivate var needsReading: Bool { service.needDaemonReload || socket.needDaemonReload }
}

/// What somebody, or bad luck, does to a unit in systemd.
enum UnitMishap: String, CaseIterable, Sendable {
    case busLost, reloaded, edited, editedAndRead, dropInRemoved, serviceMasked, socketMasked, socketStopped
    case processKilled

    /// Does it to a unit that there is; where there is none, nothing but what concerns all of systemd.
    func strike(_ name: String, _ units: BoxedUnits) async throws {
        switch self {
        case .busLost: return await units.bus.drop()
        case .reloaded: return try await units.bus.reload()
        default: break
        }
        guard units.files.text(name) != nil else { return }
        let edited = "[Service]\nType=exec\nExecStart=\nExecStart=/bin/sleep 600\n"
        switch self {
        case .edited, .editedAndRead:
            try Data(edited.utf8).write(to: URL(fileURLWithPath: units.files.path(name)))
            guard self == .editedAndRead else { return }
            try await units.bus.reload()
            try await units.bus.carryOut(.tryRestart, "\(name).service")
        case .dropInRemoved:
            _ = try units.files.remove(name)
            try await units.bus.reload()
        case .serviceMasked: try await mask("\(name).service", units)
        case .socketMasked: try await mask("\(name).socket", units)
        case .socketStopped:
            try await units.bus.carryOut(.stop, "\(name).socket")
            try await units.bus.carryOut(.stop, "\(name).service")
        case .processKilled:
            if let pid = await units.supervisor.status(name)?.pid { kill(pid, SIGKILL) }
        case .busLost, .reloaded: break
        }
    }

    private func mask(_ unit: String, _ units: BoxedUnits) async throws {
        _ = try await units.bus.call(BusCall("MaskUnitFiles", .texts([unit]), .flag(false), .flag(true)))
        try await units.bus.reload()
    }
}
