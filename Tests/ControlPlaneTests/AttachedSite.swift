import AsyncHTTPClient
import Contract
import Foundation
import HTTPTypes
import Kernel
import NIOCore
import Postgres
import Redis
import Synchronization
import TestSupport
import Workflow

@testable import ControlPlane

/// An installation that real daemons serve, over the test servers' PostgreSQL and Redis, in databases and a
/// directory of its own. Its instances are real ones.
struct AttachedSite: OperatedPlane {
    let layout: StateLayout
    let control: PostgresPool
    let brands: PostgresPool
    let redis: RedisClient
    private let name: String
    private let launched = Launched()

    /// The daemons that were launched, to end them.
    private final class Launched: Sendable {
        let all = Mutex<[DaemonProcess]>([])
    }

    /// Runs `body`, then ends and takes away all that it left.
    static func with(leadSeconds: Int = 10, _ body: (AttachedSite) async throws -> Void) async throws {
        let site = try AttachedSite(leadSeconds: leadSeconds)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(site))
        } catch {
            result = .failure(error)
        }
        try await site.remove()
        try result.get()
    }

    private init(leadSeconds: Int) throws {
        let servers = try TestServers()
        let root = "\(try TestServers.directory())/d\(Int.random(in: 100_000...999_999))"
        let name = "daemons_\(UInt32.random(in: .min ... .max))"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        layout = StateLayout(root: root, run: "\(root)/run", logs: "\(root)/log")
        self.name = name
        let pools = [name, "\(name)_brands"].map { database in
            PostgresPool(
                servers.postgres.with(database: database), maximum: 2, reactor: TestServers.reactor,
                logger: TestPlane.silent)
        }
        (control, brands) = (pools[0], pools[1])
        redis = RedisClient(servers.redis, on: TestServers.reactor)
        try writeConfiguration(servers, leadSeconds: leadSeconds)
        try FileManager.default.createDirectory(
            atPath: "\(layout.releases)/2.0", withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: "\(layout.releases)/2.0/constintel-instance", withDestinationPath: try instanceProgram())
    }

    private func writeConfiguration(_ servers: TestServers, leadSeconds: Int) throws {
        let password = servers.postgres.password?.reveal() ?? ""
        try PrivateFile.write(Array(password.utf8), to: "\(layout.root)/password")
        let environment = ProcessInfo.processInfo.environment
        let settings: [String: Any] = [
            "state": layout.root, "edge": "http://edge.test",
            "templates": environment["CONSTINTEL_TEST_TEMPLATES"] ?? "templates",
            "instanceExecutable": try instanceProgram(), "leadSeconds": leadSeconds,
            "postgres": [
                "host": servers.postgres.host, "port": servers.postgres.port,
                "user": servers.postgres.user, "passwordFile": "\(layout.root)/password",
                "controlDatabase": name, "brandsDatabase": "\(name)_brands",
            ],
            "redis": ["socket": servers.redis.socket],
        ]
        try JSONSerialization.data(withJSONObject: settings).write(
            to: URL(fileURLWithPath: "\(layout.root)/constinteld.json"))
    }

    private func instanceProgram() throws -> String {
        guard let binaries = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_BINARIES"] else {
            throw Failure("CONSTINTEL_TEST_BINARIES is not set; run the tests by infra/test.sh")
        }
        return "\(binaries)/constintel-instance"
    }

    private func remove() async throws {
        for daemon in launched.all.withLock({ $0 }) { try await daemon.destroy() }
        for id in processes(naming: layout.root) { kill(id, SIGKILL) }
        let administrator = try await PostgresConnection.connect(
            try TestServers().postgres, on: TestServers.reactor)
        let slugs =
            (try? await control.run("select slug from brand").map { try $0.decode(0, as: Slug.self) }) ?? []
        await control.close()
        await brands.close()
        for database in [name, "\(name)_brands"] {
            try await administrator.run("drop database if exists \(identifier: database) with (force)")
        }
        for slug in slugs {
            for role in [slug.runtimeRole, slug.ownerRole] {
                try await administrator.run("drop role if exists \(identifier: role)")
            }
            try await StreamUsers(client: redis, logger: TestPlane.silent).delete(slug)
        }
        await administrator.close()
        await redis.close()
        try? FileManager.default.removeItem(atPath: layout.root)
    }
}

extension AttachedSite {
    /// Launches a daemon, which leads or stands by; `failpoints` are armed in it.
    func launch(failpoints: [String] = []) async throws -> DaemonProcess {
        let armed = failpoints.isEmpty ? nil : failpoints.joined(separator: ",")
        let number = launched.all.withLock(\.count)
        let daemon = try await DaemonProcess.launch(
            ["--attached", "--config", "\(layout.root)/constinteld.json"],
            environment: ["CONSTINTEL_FAILPOINT": armed], log: "\(layout.root)/daemon\(number).log")
        launched.all.withLock { $0.append(daemon) }
        return daemon
    }

    /// Launches a daemon and waits until it leads and serves.
    func start(failpoints: [String] = []) async throws -> DaemonProcess {
        let daemon = try await launch(failpoints: failpoints)
        try await serving(daemon)
        return daemon
    }

    /// Waits until `daemon` leads and serves.
    func serving(_ daemon: DaemonProcess) async throws {
        try await eventually("constinteld serves:\n\(daemon.output)") {
            guard daemon.end == nil else { throw Failure("constinteld has ended:\n\(daemon.output)") }
            guard daemon.output.contains("serving"), try await leader() == daemon.id else { return false }
            return await (try? ask(.get, "/readyz", nil, headers: [:]))?.status == 200
        }
    }

    /// The process that leads.
    func leader() async throws -> Int32? {
        let holder = try await control.run("select holder from leadership")[0].decode(String.self)
        return holder.split(separator: " ").last.flatMap { Int32($0) }
    }

    func ask(
        _ method: HTTPRequest.Method, _ path: String, _ body: (any Encodable & Sendable)?,
        headers: HTTPFields
    ) async throws -> Answer {
        let place = layout.operatorSocket.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        var request = HTTPClientRequest(url: "http+unix://\(place)\(path)")
        request.method = .init(rawValue: method.rawValue)
        // Another daemon may answer the next request.
        request.headers.add(name: "Connection", value: "close")
        for field in headers { request.headers.add(name: field.name.rawName, value: field.value) }
        if let body { request.body = .bytes(ByteBuffer(bytes: try JSONEncoder().encode(body))) }
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(20))
        let collected = try await response.body.collect(upTo: 16 << 20)
        return Answer(
            status: Int(response.status.code), headers: [:], body: Data(collected.readableBytesView))
    }

    func settle(_ id: OperationID) async throws -> OperationView {
        var operation: OperationView?
        try await eventually("operation \(id) is final") {
            operation = try await ask(.get, "/api/admin/operations/\(id)", nil, headers: [:])
                .decode(OperationView.self)
            return operation?.state.isFinal == true
        }
        guard let operation else { throw Failure("there is no operation \(id)") }
        return operation
    }

    func view(_ slug: Slug) async throws -> BrandView? {
        let answer = try await ask(.get, "/api/admin/brands/\(slug)", nil, headers: [:])
        return answer.status == 404 ? nil : try answer.decode(BrandView.self)
    }

    /// The ids of the processes whose command line has `text`.
    func processes(naming text: String) -> [Int32] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.compactMap(Int32.init).filter { words($0).contains { $0.contains(text) } }
    }

    /// The processes that serve a brand.
    func instances(of slug: Slug) -> [Int32] { processes(naming: "\(layout.instance(slug))/") }

    private func words(_ process: Int32) -> [String] {
        let command = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") ?? Data()
        return String(decoding: command, as: UTF8.self).split(separator: "\0").map(String.init)
    }

    /// What there is of the brands `slugs`, once their instances are as they are meant to be.
    func inventory(of slugs: [Slug]) async throws -> Inventory {
        try await Surveyor(control: control, brands: brands, redis: redis, layout: layout) { slug in
            try await eventually("the instance of \(slug) is as it is meant to be") {
                guard let view = try await view(slug) else { return true }
                let runs = view.instance.intent == "running" && view.status != .deleted
                return view.instance.state == (runs ? "ready" : "stopped")
            }
            return instances(of: slug).map { "served by \(words($0).first ?? "")" }
        }.inventory(of: slugs)
    }
}
