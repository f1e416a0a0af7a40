import Contract
import Glibc
import Kernel
import Sealing
import Supervision
import Workflow

/// Starting and stopping brands' processes, and telling their schemas what they must know.
struct Instances: Sendable {
    let store: InstanceStore
    let tenants: TenantStore
    let files: InstanceFiles
    let supervisor: any Supervisor
    let releases: Releases

    /// Sees to it that the instance runs with its present configuration; returns once it was launched.
    func start(_ instance: Instance) async throws {
        try files.write(instance)
        try Failpoint.effect()
        try await supervisor.start(unit(instance))
    }

    /// Sees to it that the instance runs, or does not, as is meant. The edge does not know a deleted brand.
    func settle(_ instance: Instance) async throws {
        if instance.runs { return try await start(instance) }
        try await stop(instance.slug)
        if instance.status == .deleted { try files.hide(instance.slug) } else { try files.write(instance) }
    }

    /// Stops the process if there is one.
    func stop(_ slug: Slug) async throws {
        try Failpoint.effect()
        try await supervisor.stop(slug.unitName)
    }

    /// Returns when the instance serves.
    func awaitReady(_ slug: Slug) async throws {
        try await supervisor.awaitReady(slug.unitName)
    }

    /// A place in what the instance has written, and what was written about it.
    func log(_ slug: Slug, from start: LogStart) async throws -> any UnitLogReader {
        try await supervisor.log(slug.unitName, file: files.layout.log(slug), from: start)
    }

    /// Writes what the brand's schema must say, if it says something older.
    func project(_ slug: Slug) async throws {
        guard let projection = try await projection(slug) else { return }
        try await tenants.write(projection)
    }

    /// What the brand's schema must say; nil when the brand has no instance.
    func projection(_ slug: Slug) async throws -> Projection? {
        var projection = try await store.projection(slug)
        projection?.tokenKeys = files.tokenKeys.map { Base64URL.encode($0.bytes) }
        return projection
    }

    private func unit(_ instance: Instance) throws -> UnitSpecification {
        let slug = instance.slug
        var unit = UnitSpecification(
            name: slug.unitName, executable: releases.executable(instance.release),
            arguments: ["--configuration", files.configurationPath(slug)],
            logFile: files.layout.log(slug), readiness: .notify)
        unit.notesInLog = true
        unit.limits = instance.limits.ofUnit
        if files.places.isUnderSystemd {
            // It cannot read its files where they are; its configuration is a credential too.
            unit.arguments = []
            unit.user = slug.systemUser
            unit.credentials = files.credentials(slug)
            unit.activation = instance.limits.idleSeconds == nil ? .atOnce : .onRequest
        } else {
            unit.workingDirectory = files.layout.instance(slug)
        }
        unit.version = String(decoding: try files.configurationText(instance), as: UTF8.self)
        for name in ["CONSTINTEL_LOG_LEVEL", "TZDIR", "LD_LIBRARY_PATH"] {
            if let value = getenv(name) { unit.environment[name] = String(cString: value) }
        }
        // What is armed in this process is no business of the instances', and must not replace them.
        if let armed = getenv("CONSTINTEL_INSTANCE_FAILPOINT") {
            unit.environment["CONSTINTEL_FAILPOINT"] = String(cString: armed)
        }
        return unit
    }
}

extension Slug {
    /// The system user of an instance that has one of its own, where it is not the template's `ci-<slug>`: a
    /// user's name has at most 31 characters, and `_` is in no slug.
    var systemUser: String? {
        guard "ci-\(text)".utf8.count > 31 else { return nil }
        return "ci_\(Hex.encode(SHA256.hash(text.utf8)).prefix(28))"
    }
}

extension Plan.Limits {
    /// What a supervisor holds the instance's processes to.
    fileprivate var ofUnit: ResourceLimits {
        ResourceLimits(
            memoryBytes: memoryMegabytes.map { UInt64($0) << 20 }, cpuPercent: cpuPercent, tasks: tasks,
            ioWeight: ioWeight)
    }
}
