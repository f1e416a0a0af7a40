import Backup
import Contract
import Kernel
import Redis
import Workflow

/// `brand.clone`: a new brand with the rows of another's backup, and nothing else of the other: roles,
/// passwords and keys are its own, and nobody is written to in its name until somebody sets that up anew.
struct Cloning: Sendable {
    let provisioning: Provisioning
    let store: BackupStore
    let repositories: BackupRepositories
    let scratch: ScratchSchemaStore
    let room: DiskRoom
    let refolder: Refolder
    let redis: RedisClient

    static let kind = "brand.clone"

    var saga: Saga {
        provisioning.saga(
            Cloning.kind, choosing: [choose], filling: [load, refold], refilling: [refillStream])
    }

    private var instances: Instances { provisioning.instances }

    private var choose: Step {
        Step(ChosenArchive.choose) { context in
            let source = try source(context)
            guard
                let backup = try await store.backup(of: source, context.input["backup"].flatMap(UUIDv7.init))
            else { throw Fault(.notFound, doing: BrandCopy.doing, "'\(source)' has no such backup") }
            try room.require(for: backup, doing: BrandCopy.doing)
            return [
                "source": "\(try await instances.store.instance(source).brand)", "snapshot": backup.snapshot,
                "hash": backup.manifestHash,
            ]
        } undo: { _ in
        }
    }

    private var archive: ChosenArchive { ChosenArchive(repositories: repositories, owner: source) }

    private var load: Step {
        .loading(archive, instances, scratch, into: \.schemaName) { context in
            guard let source = BrandID(try context.output("source", of: ChosenArchive.choose)) else {
                throw Fault(.internal, doing: BrandCopy.doing, "the other brand's id is malformed")
            }
            return source
        } undo: { context in
            try await instances.tenants.dropSchema(
                Slug(context.subject), of: context.brand(of: Provisioning.reserve))
        }
    }

    private var refold: Step {
        Step("refold", limit: BackingUp.limit) { _ in
            [PlannedEffect("brands database", "fold what is to serve anew")]
        } perform: { context in
            let slug = try Slug(context.subject)
            let instance = try await instances.store.instance(slug)
            try await instances.project(slug)
            let report = try await refolder.refold(
                slug.schemaName, of: instance, applied: true, generation: instance.generation)
            return ["differences": "\(report.differences.reduce(0) { $0 + $1.count })"]
        } undo: { context in
            try refolder.forget(Slug(context.subject).schemaName)
        }
    }

    private var refillStream: Step { .refillingStream(redis, from: archive) }

    @Sendable private func source(_ context: StepContext) throws -> Slug {
        try Slug(context.input["source"] ?? "")
    }
}

/// The brand that a clone is to be, checked.
struct BrandCopy: Sendable {
    let slug: Slug
    let name: String

    static let doing = "clone the brand"

    /// - Throws: `Fault.invalid` with the first field that is wrong and what was expected.
    init(_ wish: BrandClone) throws(Fault) {
        slug = try Slug(wish.slug)
        name = try FieldRules.text(wish.name ?? wish.slug, field: "name", doing: BrandCopy.doing)
    }
}
