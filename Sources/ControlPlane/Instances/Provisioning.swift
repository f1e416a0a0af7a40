import Contract
import Kernel
import Sealing
import Workflow

/// `brand.provision`: everything that a reserved brand needs in order to take its first event.
///
/// Names are the slug's and secrets are chosen in a step of their own, before the steps that use them, so
/// that whichever step is repeated uses the same ones.
struct Provisioning: Sendable {
    let brands: BrandStore
    let instances: Instances
    let streamUsers: StreamUsers
    let keys: PlatformKeys

    /// The step that knows the brand's id.
    static let reserve = "reserve"

    /// The saga, as the executor runs it.
    var saga: Saga { saga("brand.provision", filling: [createSchema]) }

    /// A saga that makes a brand.
    ///
    /// - Parameters:
    ///   - choosing: what is settled before anything is made.
    ///   - filling: makes the brand's tables.
    ///   - refilling: what is done once there is a stream.
    func saga(
        _ kind: String, choosing: [Step] = [], filling: [Step], refilling: [Step] = []
    ) -> Saga {
        Saga(
            kind: kind, runbook: "runbooks/provision-stuck.md",
            steps: [reserve] + choosing + [mintSecrets, createRoles] + filling + [createStreamUser]
                + refilling + [project, writeFiles, startInstance, awaitReady, activate])
    }

    /// The request has reserved the slug together with the operation; here its id is noted for later steps.
    private var reserve: Step {
        Step(Provisioning.reserve) { context in
            [PlannedEffect("control database", "insert brand '\(context.subject)' with the id <chosen>")]
        } perform: { context in
            let slug = try Slug(context.subject)
            guard let brand = try await brands.brand(slug) else {
                throw Fault(.notFound, doing: "provision '\(slug)'", "the brand is gone")
            }
            return ["brand": "\(brand.id)"]
        } undo: { context in
            try await brands.forget(Slug(context.subject))
        }
    }

    private var mintSecrets: Step {
        Step("mintSecrets") { context in
            [
                PlannedEffect(
                    "control database",
                    "insert instance of '\(context.subject)' with the secrets <chosen and sealed>")
            ]
        } perform: { context in
            let slug = try Slug(context.subject)
            try await store.insert(
                slug,
                postgres: keys.sealer.seal(
                    PasswordGenerator.make(), for: InstanceSecret.postgresPassword.context(slug)),
                redis: keys.sealer.seal(
                    PasswordGenerator.make(), for: InstanceSecret.redisPassword.context(slug)))
            return [:]
        } undo: { context in
            try await store.delete(Slug(context.subject))
        }
    }

    private var createRoles: Step {
        Step("createRoles") { context in
            TenantStore.plannedRoles(try Slug(context.subject))
        } perform: { context in
            let instance = try await store.instance(Slug(context.subject))
            let password = try keys.sealer.open(
                instance.postgresPassword, for: InstanceSecret.postgresPassword.context(instance.slug))
            try await tenants.createRoles(instance, verifier: ScramVerifier(password))
            return [:]
        } undo: { context in
            try await tenants.dropRoles(Slug(context.subject), of: brand(context))
        }
    }

    private var createSchema: Step {
        Step("createSchema") { context in
            TenantStore.plannedSchema(try Slug(context.subject))
        } perform: { context in
            try await tenants.createSchema(store.instance(Slug(context.subject)))
            return [:]
        } undo: { context in
            try await tenants.dropSchema(Slug(context.subject), of: brand(context))
        }
    }

    private var createStreamUser: Step {
        Step("createStreamUser") { context in
            [PlannedEffect("redis", StreamUsers.planned(try Slug(context.subject)))]
        } perform: { context in
            let instance = try await store.instance(Slug(context.subject))
            let password = try keys.sealer.open(
                instance.redisPassword, for: InstanceSecret.redisPassword.context(instance.slug))
            try await streamUsers.define(instance.slug, password: password)
            return [:]
        } undo: { context in
            try await streamUsers.delete(Slug(context.subject))
        }
    }

    /// What is projected goes with the schema, so there is nothing to undo.
    private var project: Step {
        Step("project") { context in
            try await instances.planned(.project, Slug(context.subject))
        } perform: { context in
            try await instances.project(Slug(context.subject))
            return [:]
        } undo: { _ in
        }
    }

    private var writeFiles: Step {
        Step("writeFiles") { context in
            instances.files.writtenPaths(try Slug(context.subject)).map {
                PlannedEffect("files", "write \($0)")
            }
        } perform: { context in
            try instances.files.write(try await store.instance(Slug(context.subject)))
            return [:]
        } undo: { context in
            try instances.files.remove(Slug(context.subject))
        }
    }

    private var startInstance: Step {
        Step("startInstance") { context in
            [PlannedEffect("supervisor", "start \(try Slug(context.subject).unitName)")]
        } perform: { context in
            let slug = try Slug(context.subject)
            try await store.intend(.running, slug)
            try await instances.start(store.instance(slug))
            return [:]
        } undo: { context in
            let slug = try Slug(context.subject)
            try await store.intend(.stopped, slug)
            try await instances.stop(slug)
        }
    }

    /// A daemon that resumes here has no unit yet: starting comes before waiting, and is idempotent.
    private var awaitReady: Step {
        Step("awaitReady") { context in
            try await instances.planned(.awaitReady, Slug(context.subject))
        } perform: { context in
            let slug = try Slug(context.subject)
            try await instances.start(store.instance(slug))
            try await instances.awaitReady(slug)
            return [:]
        } undo: { context in
            try await instances.stop(Slug(context.subject))
        }
    }

    private var activate: Step {
        Step("activate") { context in
            [
                PlannedEffect(
                    "control database", "update brand '\(context.subject)': status: what its plan says")
            ]
        } perform: { context in
            try await brands.activate(Slug(context.subject))
            return [:]
        } undo: { context in
            try await brands.deactivate(Slug(context.subject))
        }
    }

    private var store: InstanceStore { instances.store }
    private var tenants: TenantStore { instances.tenants }

    private func brand(_ context: StepContext) throws -> BrandID {
        try context.brand(of: Provisioning.reserve)
    }
}
