import Contract
import Foundation
import HTTPTypes
import Kernel
import Postgres
import Testing
import Workflow

@testable import ControlPlane

/// How one kind of operation is brought about: what a brand must be before it, and the request.
struct Scenario: Sendable, CustomTestStringConvertible {
    let kind: String
    /// Requests that bring a provisioned brand to where this kind can begin; nil before it is provisioned.
    let before: [Call]?
    /// What happens to the brand then.
    var ruin: (@Sendable (TestPlane, Slug) async throws -> Void)?
    /// Whether there is another brand, which the requests of both call `{source}`, and a backup of it.
    var hasSource = false
    /// The steps that are tried of an operation that takes seconds, where it shares the others with another
    /// kind; in a soak all are.
    var ownSteps: Set<String>?
    let request: Call

    var testDescription: String { kind }
    /// What failpoints know the operation by.
    func subject(_ slug: Slug) -> String { kind == ControlBackingUp.kind ? "control" : slug.text }
    var isAboutBackups: Bool { Scenario.backupKinds.contains(kind) }

    static let backupKinds: Set<String> = [
        "brand.backup", "brand.verify", "brand.restore", "brand.swapBack", "control.backup", "brand.recover",
        "brand.clone",
    ]

    /// The other brand, where there is one.
    static func source(_ slug: Slug) throws -> Slug { try Slug("\(slug)-source") }

    /// A request about a brand.
    struct Call: Sendable {
        let method: HTTPRequest.Method
        /// Below `/api/admin/brands/<slug>`, or a whole path; nil for the brands themselves.
        let path: String?
        let body: @Sendable (Slug) -> (any Encodable & Sendable)?

        init(
            _ method: HTTPRequest.Method, _ path: String?,
            _ body: @escaping @Sendable (Slug) -> (any Encodable & Sendable)? = { _ in nil }
        ) {
            self.method = method
            self.path = path
            self.body = body
        }
    }

    static let provision = Call(.post, nil) { BrandDraft(slug: $0.text) }
    private static let suspend = Call(.post, "/suspend") { _ in ReasonBody(reason: "unpaid") }
    private static let endTrial = Call(.post, "/suspend") { _ in ReasonBody(reason: BrandAction.trialEnded) }
    private static let delete = Call(.delete, "") { _ in BrandDeletion(graceDays: 30) }
    private static let stop = Call(.post, "/instance/stop")
    private static let upgrade = Call(.post, "/instance/upgrade") { _ in ReleaseChange(release: "2.0") }

    static let backUp = Call(.post, "/backups")
    private static let restore = Call(.post, "/restore") { BackupRestore(confirm: $0.text) }

    /// One for every kind that there is; the matrix fails when one is missing.
    static let all = [
        Scenario(kind: "brand.provision", before: nil, request: provision),
        Scenario(
            kind: "brand.update", before: [],
            request: Call(.patch, "") { _ in BrandChange(name: "Other", timeZone: "Asia/Kolkata") }),
        Scenario(kind: "brand.suspend", before: [], request: suspend),
        Scenario(kind: "brand.resume", before: [suspend], request: Call(.post, "/resume")),
        Scenario(
            kind: "brand.changePlan", before: [],
            request: Call(.post, "/plan") { _ in PlanChange(plan: "pro") }),
        Scenario(
            kind: "brand.extendTrial", before: [endTrial],
            request: Call(.post, "/trial") { _ in TrialChange(days: 30) }),
        Scenario(kind: "brand.delete", before: [], request: delete),
        Scenario(kind: "brand.undelete", before: [suspend, delete], request: Call(.post, "/undelete")),
        Scenario(
            kind: "brand.purge", before: [delete],
            request: Call(.post, "/purge") { BrandPurge(confirm: $0.text) }),
        Scenario(kind: "instance.start", before: [stop], request: Call(.post, "/instance/start")),
        Scenario(kind: "instance.stop", before: [], request: stop),
        Scenario(kind: "instance.restart", before: [], request: Call(.post, "/instance/restart")),
        Scenario(kind: "instance.upgrade", before: [], request: upgrade),
        Scenario(kind: "instance.rollback", before: [upgrade], request: Call(.post, "/instance/rollback")),
        Scenario(kind: "brand.backup", before: [], request: backUp),
        Scenario(kind: "brand.verify", before: [backUp], request: Call(.post, "/backups/verify")),
        Scenario(kind: "brand.restore", before: [backUp], request: restore),
        Scenario(kind: "control.backup", before: [], request: Call(.post, "/api/admin/platform/backups")),
        Scenario(
            kind: "brand.recover", before: [backUp], ruin: { try await $0.ruin($1) },
            ownSteps: ["choose", "load", "refillStream", "run"], request: Call(.post, "/recover")),
        Scenario(
            kind: "brand.clone", before: nil, hasSource: true,
            ownSteps: ["choose", "load", "refold", "refillStream", "activate"],
            request: Call(.post, "/api/admin/brands/{source}/clone") { BrandClone(slug: $0.text) }),
        Scenario(
            kind: "brand.swapBack", before: [backUp, restore],
            ownSteps: ["choose", "carry", "swap", "keepFormer", "forgetFormer"],
            request: Call(.post, "/swap-back")),
    ]
}

/// A control plane, in this process or in another, to which whoever asks is the operator on this machine.
protocol OperatedPlane: Sendable {
    func ask(
        _ method: HTTPRequest.Method, _ path: String, _ body: (any Encodable & Sendable)?,
        headers: HTTPFields
    ) async throws -> Answer

    /// The operation once it is final.
    func settle(_ id: OperationID) async throws -> OperationView
}

extension OperatedPlane {
    /// Sends `request` and gives the answer.
    func send(
        _ request: Scenario.Call, _ slug: Slug, query: String = "", headers: HTTPFields = [:]
    ) async throws -> Answer {
        let own = request.path.map { $0.hasPrefix("/api") ? $0 : "/api/admin/brands/\(slug)\($0)" }
        let path = (own ?? "/api/admin/brands").replacing("{source}", with: try Scenario.source(slug).text)
        return try await ask(request.method, "\(path)\(query)", request.body(slug), headers: headers)
    }

    /// Sends `request`, which must be accepted; gives the operation.
    func begin(
        _ request: Scenario.Call, _ slug: Slug, headers: HTTPFields = [:]
    ) async throws -> OperationID {
        let answer = try await send(request, slug, headers: headers)
        guard answer.status == 202 else { throw try answer.problem }
        return try answer.decode(OperationView.self).id
    }

    /// Does all of `requests`, each to its end.
    func perform(_ requests: [Scenario.Call], _ slug: Slug) async throws {
        for request in requests {
            let operation = try await settle(begin(request, slug))
            guard operation.state == .done else {
                throw Fault(.internal, doing: operation.kind, operation.error ?? "it did not end well")
            }
        }
    }

    /// A brand to which `scenario` can be done, with a key and a user; only a free slug when that makes one.
    func brand(for scenario: Scenario) async throws -> Slug {
        let slug = try TestPlane.slug()
        if scenario.hasSource {
            try await perform([Scenario.provision, Scenario.backUp], Scenario.source(slug))
        }
        guard let before = scenario.before else { return slug }
        try await perform([Scenario.provision], slug)
        _ = try await ask(
            .post, "/api/admin/brands/\(slug)/keys", KeyDraft(name: "shop"), headers: [:])
        _ = try await ask(
            .post, "/api/admin/users",
            UserDraft(
                email: "\(slug)@example.com", role: .brandOwner, brand: slug.text,
                password: "long enough password"), headers: [:])
        try await perform(before, slug)
        if let ruin = scenario.ruin, let test = self as? TestPlane { try await ruin(test, slug) }
        return slug
    }
}

extension TestPlane {
    /// Nothing is left of the brand but what the control database knows.
    func ruin(_ slug: Slug) async throws {
        let instance = try await plane.instances.store.instance(slug)
        try await plane.instances.stop(slug)
        try await plane.instances.supervisor.clean(slug.unitName)
        try await plane.instances.tenants.dropSchema(slug, of: instance.brand)
        try await plane.instances.tenants.dropRoles(slug, of: instance.brand)
        try await deleteRedisUser(slug)
        try plane.instances.files.remove(slug)
    }
}

extension TestPlane: OperatedPlane {
    func ask(
        _ method: HTTPRequest.Method, _ path: String, _ body: (any Encodable & Sendable)?,
        headers: HTTPFields
    ) async throws -> Answer {
        try await call(method, path, body, headers: headers)
    }

    /// Installs a release of the instance program; `isBroken` makes one that ends at once.
    func install(release: String, isBroken: Bool = false) throws {
        let directory = "\(foundations.layout.releases)/\(release)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let program = isBroken ? "#!/bin/sh\nexit 1\n" : TestPlane.program
        let path = "\(directory)/constintel-instance"
        try Data(program.utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
    }
}
