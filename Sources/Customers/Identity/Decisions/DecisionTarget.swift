import Contract
import Kernel
import Postgres

/// What a request means at present: the identifiers that the log will name.
struct DecisionTarget {
    let kind: IdentityDecision.Kind
    var left: [IdentifierID] = []
    var right: [IdentifierID] = []
    /// Stands for what the request is about, as it is now.
    var shown = ""
    /// The row that the request answers.
    var row: ReviewRowID?

    func decision(sequence: Int64) -> IdentityDecision {
        IdentityDecision(sequence: sequence, kind: kind, left: left, right: right)
    }

    /// The pairs that it is about.
    var pairs: [IdentifierPair] { decision(sequence: 0).pairs }
}

/// Finds out what requests mean, and refuses those that can mean nothing.
struct DecisionTargets {
    let transaction: PostgresTransaction
    private let store = DecisionStore()
    private let doing: String

    init(_ request: DecisionRequest, in transaction: PostgresTransaction) {
        self.transaction = transaction
        doing =
            switch request {
            case .merge: "merge the profiles"
            case .unmerge: "unmerge the profile"
            case .never, .keepApart: "keep the profiles apart"
            case .allow: "allow the profiles to come together"
            case .block: "block the value"
            case .unblock: "unblock the value"
            case .share: "share the value"
            case .unshare: "unshare the value"
            case .approve: "approve the row"
            case .reject: "reject the row"
            }
    }

    func target(of request: DecisionRequest) async throws -> DecisionTarget {
        switch request {
        case .merge(let one, let other), .never(let one, let other), .allow(let one, let other):
            try await sides(one, other, request.kind)
        case .unmerge(let profile, let separated): try await parts(of: profile, separated)
        case .block(let value), .unblock(let value), .share(let value), .unshare(let value):
            try await self.value(value, request.kind)
        case .approve(let row), .reject(let row), .keepApart(let row): try await answer(row, request.kind)
        }
    }

    func refusal(_ code: Fault.Code, _ detail: String, field: String? = nil) -> Fault {
        Fault(code, doing: doing, detail, field: field)
    }
}

// MARK: - Profiles

extension DecisionTargets {
    private func sides(
        _ one: ProfileID, _ other: ProfileID, _ kind: IdentityDecision.Kind
    ) async throws -> DecisionTarget {
        let left = try await members(of: one)
        let right = try await members(of: other)
        guard one != other else {
            throw refusal(
                .invalid,
                kind == .merge
                    ? "a profile cannot be merged with itself"
                    : "both are profile \(one), and a profile's own identifiers are parted by an unmerge")
        }
        var target = DecisionTarget(kind: kind, left: left.map(\.id), right: right.map(\.id))
        target.shown = try await store.shown([one, other], in: transaction)
        switch kind {
        case .merge: try refuseShared(left, right)
        case .never:
            let standing = try await nevers(among: target.pairs)
            if standing.count == Set(target.pairs).count {
                throw refusal(.conflict, "they are kept apart already")
            }
        default:
            // What is blocked may be kept apart too, and has no profile any more.
            target.left += try await blocked(beside: target.left)
            target.right += try await blocked(beside: target.right).filter { !target.left.contains($0) }
            if try await nevers(among: target.pairs).isEmpty {
                throw refusal(.conflict, "nothing keeps them apart")
            }
        }
        return target
    }

    private func parts(
        of profile: ProfileID, _ separated: [IdentifierID]
    ) async throws -> DecisionTarget {
        let members = try await members(of: profile).map(\.id)
        let leaving = Set(separated)
        let unknown = leaving.subtracting(members)
        var target = DecisionTarget(
            kind: .unmerge, left: members.filter(leaving.contains),
            right: members.filter { !leaving.contains($0) })
        target.shown = try await store.shown([profile], in: transaction)
        if let id = unknown.sorted().first {
            guard let entry = try await store.entries([id], in: transaction)[id] else {
                throw refusal(.notFound, "there is no identifier \(id)", field: "identifiers")
            }
            throw entry.isStrong
                ? refusal(.conflict, "\(entry.name) is not in profile \(profile)", field: "identifiers")
                : refusal(
                    .invalid, "\(entry.name) proves nobody, so it is in no person's profile",
                    field: "identifiers")
        }
        guard !target.left.isEmpty else {
            throw refusal(.invalid, "no identifier was named that should leave", field: "identifiers")
        }
        guard !target.right.isEmpty else {
            throw refusal(
                .invalid, "all identifiers of the profile were named, so nothing would stay",
                field: "identifiers")
        }
        return target
    }

    /// The strong identifiers of a profile.
    private func members(of profile: ProfileID) async throws -> [DecisionStore.Entry] {
        let id = IdentifierID(profile.uuid)
        guard let entry = try await store.entries([id], in: transaction)[id] else {
            throw refusal(.notFound, "there is no profile \(profile)")
        }
        guard entry.flag != .blocked else {
            throw refusal(.conflict, "\(entry.name) is blocked, and has no profile")
        }
        guard entry.isStrong else {
            throw refusal(.invalid, "profile \(profile) is \(entry.name) alone, which proves nobody")
        }
        guard entry.profile == profile else {
            let present = entry.profile.map { "profile \($0)" } ?? "no profile"
            throw refusal(.conflict, "profile \(profile) is \(present) now")
        }
        return try await store.entries(in: [profile], in: transaction).values.filter(\.isStrong)
            .sorted { $0.id < $1.id }
    }

    private func refuseShared(_ left: [DecisionStore.Entry], _ right: [DecisionStore.Entry]) throws {
        for side in [left, right] where !side.contains(where: { $0.flag == nil }) {
            let name = side.first?.name ?? ""
            throw refusal(.conflict, "\(name) is shared, and ties nobody: unshare it first")
        }
    }

    /// Blocked identifiers that are tied to some of `identifiers`.
    private func blocked(beside identifiers: [IdentifierID]) async throws -> [IdentifierID] {
        let pairs = try await store.pairs(of: identifiers, in: transaction).filter {
            $0.value.state == .inForce
        }
        let ends = Set(pairs.keys.flatMap { [$0.low, $0.high] }).subtracting(identifiers)
        return try await store.entries(ends, in: transaction).values
            .filter { $0.flag == .blocked }.map(\.id).sorted()
    }

    private func nevers(among pairs: [IdentifierPair]) async throws -> Set<IdentifierPair> {
        let nevers = try await IdentityStore().nevers(
            Array(Set(pairs.flatMap { [$0.low, $0.high] })), in: transaction)
        return Set(pairs.filter { nevers[$0.low]?.contains($0.high) == true })
    }
}

// MARK: - Values and rows

extension DecisionTargets {
    private func value(
        _ id: IdentifierID, _ kind: IdentityDecision.Kind
    ) async throws -> DecisionTarget {
        guard let entry = try await store.entries([id], in: transaction)[id] else {
            throw refusal(.notFound, "there is no identifier \(id)")
        }
        guard entry.kind.strength != .evidence else {
            throw refusal(.invalid, "\(entry.name) neither ties nor places anything")
        }
        let flag = entry.flag
        switch kind {
        case .block where flag == .blocked: throw refusal(.conflict, "\(entry.name) is blocked already")
        case .share where flag == .shared: throw refusal(.conflict, "\(entry.name) is shared already")
        case .unblock where flag != .blocked: throw refusal(.conflict, "\(entry.name) is not blocked")
        case .unshare where flag != .shared: throw refusal(.conflict, "\(entry.name) is not shared")
        default: break
        }
        let profiles = entry.profile.map { [$0] } ?? []
        let held = profiles.isEmpty ? "" : try await store.shown(profiles, in: transaction)
        return DecisionTarget(kind: kind, left: [id], shown: "\(flag?.rawValue ?? "none").\(held)")
    }

    private func answer(
        _ id: ReviewRowID, _ kind: IdentityDecision.Kind
    ) async throws -> DecisionTarget {
        guard let row = try await ReviewQueueStore().row(id, in: transaction) else {
            throw refusal(.notFound, "there is no row \(id)")
        }
        guard row.status == .pending else {
            throw refusal(.conflict, "the row is closed: \(row.status.rawValue)")
        }
        guard kind == .reject || row.identifier == nil else {
            throw refusal(.conflict, "the row asks about a value: block it, share it, or reject the row")
        }
        guard kind == .never else {
            return DecisionTarget(
                kind: kind, left: row.pairs.map(\.low), right: row.pairs.map(\.high), shown: row.shown,
                row: id)
        }
        let ends = Set(row.pairs.flatMap { [$0.low, $0.high] })
        let profiles = Set(try await store.entries(ends, in: transaction).values.compactMap(\.profile))
            .sorted()
        guard profiles.count == 2 else {
            throw refusal(
                .conflict, "the row is about \(profiles.count) profiles: keep them apart two at a time")
        }
        return DecisionTarget(
            kind: kind, left: try await members(of: profiles[0]).map(\.id),
            right: try await members(of: profiles[1]).map(\.id), shown: row.shown, row: id)
    }
}

extension DecisionStore.Entry {
    /// For people.
    var name: String { "\(kind.rawValue) \(value)" }
}
