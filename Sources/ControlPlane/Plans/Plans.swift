import Contract
import Kernel
import Postgres

/// Showing and changing plans. A change holds for every brand of the plan as soon as its schema says so.
struct Plans: Sendable {
    static let writing = "change the plan"
    static let deleting = "delete the plan"

    let store: PlanStore
    /// The plans as they are installed, by name.
    let installed: [Plan]
    let reconciler: Reconciler

    /// Every plan by name.
    func list() async throws -> [PlanView] { try await store.list() }

    /// The plan of this name.
    ///
    /// - Throws: `Fault.notFound`.
    func plan(_ name: String, doing: String) async throws -> PlanView {
        guard let plan = try await store.plan(name, on: store.pool) else {
            throw Fault(.notFound, doing: doing, "there is no plan '\(name.prefix(40))'")
        }
        return plan
    }

    /// A plan that may be written.
    ///
    /// - Throws: `Fault.invalid` with the first field that is wrong and what was expected.
    func checked(_ draft: PlanDraft, name: String) throws(Fault) -> Plan {
        let letters = name.utf8.allSatisfy {
            (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-")
        }
        guard (1...32).contains(name.utf8.count), letters, name.first?.isLetter == true else {
            throw Fault(
                .invalid, doing: Plans.writing,
                "expected a name of 1 to 32 characters a-z, 0-9 and -, beginning with a letter")
        }
        let plan = Plan(
            name: name, initialStatus: draft.initialStatus, trialDays: draft.trialDays, limits: draft.limits)
        try plan.check(doing: Plans.writing)
        return plan
    }

    /// Makes `plan` what its name means.
    func write(
        _ plan: Plan, over version: Int?, in transaction: PostgresTransaction
    ) async throws -> PlanView {
        try await store.write(plan, over: version, isEdited: plan != original(plan.name), in: transaction)
        guard let written = try await store.plan(plan.name, on: transaction) else {
            throw Fault(.internal, doing: Plans.writing, "what was written is not there")
        }
        return written
    }

    /// The plan as it was installed.
    ///
    /// - Throws: `Fault.conflict` when it was made by hand.
    func installed(_ name: String, doing: String) throws(Fault) -> Plan {
        guard let plan = original(name) else {
            throw Fault(.conflict, doing: doing, "the plan '\(name)' was not installed but made by hand")
        }
        return plan
    }

    /// Removes a plan that was made by hand and that no brand has.
    func delete(_ name: String, in transaction: PostgresTransaction) async throws {
        guard original(name) == nil else {
            throw Fault(
                .conflict, doing: Plans.deleting, "the plan '\(name)' is installed with the service")
        }
        try await store.delete(name, in: transaction)
    }

    private func original(_ name: String) -> Plan? { installed.first { $0.name == name } }
}
