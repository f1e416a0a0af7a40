import Backup
import Contract
import ControlSchema
import Kernel
import Postgres
import Redis
import Workflow

/// `brand.recover`: everything of a brand that the control plane knows, and nothing else is left of, comes
/// back from its newest backup: roles, schema, stream, files, process.
struct Recovering: Sendable {
    let instances: Instances
    let streamUsers: StreamUsers
    let keys: PlatformKeys
    let store: BackupStore
    let repositories: BackupRepositories
    let scratch: ScratchSchemaStore
    let room: DiskRoom
    let redis: RedisClient

    static let kind = "brand.recover"
    static let doing = "recover the brand"

    var saga: Saga {
        Saga(
            kind: Recovering.kind, runbook: "runbooks/machine-lost.md",
            steps: [choose, createRoles, load, createStreamUser, refillStream] + following,
            isBackground: true)
    }

    private var choose: Step {
        Step(ChosenArchive.choose) { context in
            let slug = try Slug(context.subject)
            let instance = try await instances.store.instance(slug)
            guard let newest = try await repositories.brand(slug).snapshots().last(where: \.isComplete) else {
                throw Fault(.notFound, doing: Recovering.doing, "its repository has no whole backup")
            }
            if let known = try await store.backup(of: slug) {
                try room.require(for: known, doing: Recovering.doing)
            }
            return ["brand": "\(instance.brand)", "snapshot": newest.id]
        } undo: { _ in
        }
    }

    private var createRoles: Step {
        Step("createRoles") { context in
            TenantStore.plannedRoles(try Slug(context.subject))
        } perform: { context in
            let instance = try await instances.store.instance(Slug(context.subject))
            let password = try keys.sealer.open(
                instance.postgresPassword, for: InstanceSecret.postgresPassword.context(instance.slug))
            try await instances.tenants.createRoles(instance, verifier: ScramVerifier(password))
            return [:]
        } undo: { context in
            try await instances.tenants.dropRoles(
                Slug(context.subject), of: context.brand(of: ChosenArchive.choose))
        }
    }

    private var archive: ChosenArchive { ChosenArchive(repositories: repositories, isKnown: false) }

    private var load: Step {
        .loading(archive, instances, scratch, into: \.schemaName) { context in
            try await instances.tenants.dropSchema(
                Slug(context.subject), of: context.brand(of: ChosenArchive.choose))
        }
    }

    private var createStreamUser: Step {
        Step("createStreamUser") { context in
            [PlannedEffect("redis", StreamUsers.planned(try Slug(context.subject)))]
        } perform: { context in
            let instance = try await instances.store.instance(Slug(context.subject))
            let password = try keys.sealer.open(
                instance.redisPassword, for: InstanceSecret.redisPassword.context(instance.slug))
            try await streamUsers.define(instance.slug, password: password)
            return [:]
        } undo: { context in
            try await streamUsers.delete(Slug(context.subject))
        }
    }

    private var refillStream: Step { .refillingStream(redis, from: archive) }

    private var following: [Step] {
        Step.serving(instances) { slug in
            try await instances.stop(slug)
            try instances.files.remove(slug)
        }
    }
}

/// Bringing back a lost installation: what the control plane knew goes into a new one, and then each brand is
/// recovered by an operation of its own.
struct PlatformRecovery: Sendable {
    static let doing = "recover the installation"
    /// What the rows of a control database may take here at once.
    private static let mostBytes = 1 << 30

    let tables: ControlTablesStore
    let keys: PlatformKeys
    let repositories: BackupRepositories
    let operations: Backups

    /// What a backup of the control plane holds, read and found whole.
    private struct Contents: Sendable {
        var rows: [String: [[UInt8]]] = [:]
        var secrets: [String: [UInt8]] = [:]
        var manifest: BackupManifest?
    }

    /// Fills the control database and begins to recover every brand.
    ///
    /// - Throws: `Fault.conflict` when there are brands, or the master key is not the lost installation's;
    ///   `Fault.invalid` for a damaged backup. Nothing has changed then.
    func recover(by principal: String, in transaction: PostgresTransaction) async throws -> PlatformRecovered
    {
        let doing = PlatformRecovery.doing
        try await tables.requireEmpty(in: transaction, doing: doing)
        guard let newest = try await repositories.control.snapshots().last(where: \.isComplete) else {
            throw Fault(
                .notFound, doing: doing, "\(repositories.control.location) has no whole backup", field: nil)
        }
        let contents = try await repositories.control.read(newest.id) { try await read($0) }
        // Before anything is written: whether what was sealed opens.
        let own = try keys.opened(contents.secrets, doing: doing)
        try await tables.fill(contents.rows, in: transaction)
        let brands = try await tables.brands(in: transaction)
        for slug in brands {
            _ = try await operations.recover(slug, by: principal, in: transaction)
        }
        try keys.keep(own)
        return PlatformRecovered(
            takenAt: contents.manifest?.takenAt ?? tables.clock.now(), brands: brands.map(\.text))
    }

    private func read(_ reader: ArchiveReader) async throws -> Contents {
        var contents = Contents()
        var pieces: [String: [String]] = [:]
        var bytes = 0
        while let member = try await reader.next() {
            let path = member.name.split(separator: "/").map(String.init)
            if member.name == BackupManifest.name {
                contents.manifest = try BackupManifest(encoded: member.content)
                break
            }
            bytes += member.content.count
            guard bytes < PlatformRecovery.mostBytes else { throw damaged("it is larger than any is") }
            if path.count == 3, path[0] == "tables" {
                contents.rows[path[1], default: []].append(member.content)
                pieces[path[1], default: []].append(BackupManifest.hash(member.content))
            } else if path.count == 2, path[0] == "secrets" {
                contents.secrets[path[1]] = member.content
            }
        }
        guard let manifest = contents.manifest else { throw damaged("it was not written to its end") }
        guard manifest.brandId == nil else { throw damaged("it is a brand's and not a control plane's") }
        guard manifest.schemaVersion == ControlSchema.version else {
            throw damaged(
                "its tables have version \(manifest.schemaVersion), written by release \(manifest.release), "
                    + "and this release needs \(ControlSchema.version)")
        }
        for table in manifest.tables where table.pieces.map(\.sha256) != pieces[table.name] ?? [] {
            throw damaged("the table \(table.name) is not what was written")
        }
        return contents
    }

    private func damaged(_ detail: String) -> Fault {
        Fault(.invalid, doing: PlatformRecovery.doing, detail)
    }
}
