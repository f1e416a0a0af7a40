import Contract
import Foundation
import Kernel
import Postgres

/// The plans in the control database.
struct PlanStore: Sendable {
    let pool: PostgresPool

    /// Makes the table hold these plans as they are now; others stay, since brands may have them.
    func replace(_ plans: [Plan]) async throws {
        for plan in plans {
            let limits = try JSONB(encoding: plan.limits)
            try await pool.run(
                """
                insert into plan (name, initial_status, limits)
                values (\(plan.name), \(plan.initialStatus.rawValue), \(limits))
                on conflict (name) do update set initial_status = excluded.initial_status,
                    limits = excluded.limits
                where (plan.initial_status, plan.limits) is distinct from
                    (excluded.initial_status, excluded.limits)
                """)
        }
    }

    /// The plan of this name, or nil.
    func plan(_ name: String) async throws -> Plan? {
        try await pool.run("select name, initial_status, limits from plan where name = \(name)").first.map {
            let (name, status, limits) = try $0.decode((String, String, JSONB).self)
            return Plan(
                name: name, initialStatus: BrandView.Status(rawValue: status) ?? .trial,
                limits: try limits.decode(Plan.Limits.self))
        }
    }

    /// The names that a brand may choose from.
    func names() async throws -> [String] {
        try await pool.run("select name from plan order by name limit 100").map {
            try $0.decode(0, as: String.self)
        }
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
