import Contract
import Foundation
import Kernel
import Postgres

/// The plans in the control database.
struct PlanStore: Sendable {
    let pool: PostgresPool

    /// Makes the table hold these plans as they are now, but for those that somebody has changed; others
    /// stay, since brands may have them. Gives the names of those that are other than they were.
    @discardableResult
    func install(_ plans: [Plan]) async throws -> [String] {
        var changed: [String] = []
        for plan in plans {
            let limits = try JSONB(encoding: plan.limits)
            let written = try await pool.transaction { transaction in
                let written = try await transaction.run(
                    """
                    insert into plan (name, initial_status, trial_days, limits)
                    values (\(plan.name), \(plan.initialStatus.rawValue), \(plan.trialDays), \(limits))
                    on conflict (name) do update set initial_status = excluded.initial_status,
                        trial_days = excluded.trial_days, limits = excluded.limits,
                        version = plan.version + 1
                    where not plan.is_edited and (plan.initial_status, plan.trial_days, plan.limits)
                        is distinct from (excluded.initial_status, excluded.trial_days, excluded.limits)
                    """)
                if written.affected > 0 { try await raiseRevisions(plan.name, in: transaction) }
                return written.affected > 0
            }
            if written { changed.append(plan.name) }
        }
        return changed
    }

    /// The plan of this name, or nil.
    func plan(_ name: String, on database: some PostgresRunner) async throws -> PlanView? {
        try await database.run(PlanStore.columns + " where plan.name = \(name)").first.map(decode)
    }

    /// Every plan by name.
    func list() async throws -> [PlanView] {
        try await pool.run(PlanStore.columns + " order by plan.name limit 1000").map(decode)
    }

    /// Makes `plan` what is meant by its name, from the commit on for every brand that has it.
    ///
    /// - Throws: `Fault.conflict` when the plan is not of this version; without one, when there is a plan.
    func write(
        _ plan: Plan, over version: Int?, isEdited: Bool, in transaction: PostgresTransaction
    ) async throws {
        let limits = try JSONB(encoding: plan.limits)
        let written = try await transaction.run(
            """
            insert into plan (name, initial_status, trial_days, limits, is_edited)
            select \(plan.name), \(plan.initialStatus.rawValue), \(plan.trialDays), \(limits), \(isEdited)
            where \(version)::int is null or exists (select from plan where name = \(plan.name))
            on conflict (name) do update set initial_status = excluded.initial_status,
                trial_days = excluded.trial_days, limits = excluded.limits, is_edited = excluded.is_edited,
                version = plan.version + 1
            where plan.version = \(version)
            """)
        guard written.affected == 1 else {
            let present = try await self.plan(plan.name, on: transaction)?.version
            throw Fault(
                .conflict, doing: Plans.writing,
                present.map { "there is a plan '\(plan.name)' of version \($0); send it with the change" }
                    ?? "there is no plan '\(plan.name)' of version \(version ?? 0)", field: "version")
        }
        try await raiseRevisions(plan.name, in: transaction)
    }

    /// Removes a plan that no brand has.
    ///
    /// - Throws: `Fault.conflict` when brands have it.
    func delete(_ name: String, in transaction: PostgresTransaction) async throws {
        do {
            try await transaction.run("delete from plan where name = \(name)")
        } catch let error as PostgresError where error.constraint == "brand_plan_fkey" {
            throw Fault(
                .conflict, doing: Plans.deleting, "brands have this plan; put them on another first",
                cause: error)
        }
    }

    /// What is projected of the brands of a plan is to be written again.
    private func raiseRevisions(_ plan: String, in transaction: PostgresTransaction) async throws {
        try await transaction.run(
            """
            update instance set revision = revision + 1
            from brand where brand.id = brand_id and brand.plan = \(plan)
            """)
    }

    private static let columns: SQL = """
        select name, initial_status, trial_days, limits, version, is_edited,
            (select count(*) from brand where brand.plan = plan.name) as brands
        from plan
        """

    private func decode(_ row: PostgresRow) throws -> PlanView {
        let (name, status, trialDays, limits, version, isEdited, brands) = try row.decode(
            (String, String, Int?, JSONB, Int, Bool, Int64).self)
        return PlanView(
            name: name, initialStatus: BrandView.Status(rawValue: status) ?? .trial, trialDays: trialDays,
            limits: try limits.decode(PlanLimits.self), version: version, isEdited: isEdited,
            brands: Int(brands))
    }
}

extension JSONB {
    /// `value` as it is stored.
    init(encoding value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        self.init(bytes: Array(try encoder.encode(value)))
    }

    /// What is stored, as a value.
    func decode<Value: Decodable>(_: Value.Type) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(bytes))
    }
}
