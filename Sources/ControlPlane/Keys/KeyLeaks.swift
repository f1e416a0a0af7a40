import Contract
import Kernel
import Postgres
import Sealing
import Web

/// Revoking keys that were found where they should not be.
///
/// A key is revoked by its text alone, all of it: whoever knows only a public id, which is no secret, can do
/// no harm.
struct KeyLeaks: Sendable {
    static let doing = "revoke the leaked keys"
    /// Bytes of a text that keys are looked for in.
    static let textBytes = 64 * 1024

    let keys: Keys

    /// A report, read.
    struct Report: Sendable {
        let keys: [APIKeyText]
        let source: String
    }

    /// - Throws: `Fault.tooLarge` and `Fault.invalid`, with the field.
    func read(_ report: KeyLeakReport) throws(Fault) -> Report {
        guard report.text.utf8.count <= KeyLeaks.textBytes else {
            throw Fault(
                .tooLarge, doing: KeyLeaks.doing,
                "expected at most \(KeyLeaks.textBytes) bytes; send the text in parts", field: "text")
        }
        let source = try FieldRules.text(report.source ?? "a report", field: "source", doing: KeyLeaks.doing)
        return Report(keys: APIKeyText.all(in: report.text), source: source)
    }

    /// What will become of each key, for whoever reports it.
    func outcomes(
        of report: Report, by principal: Principal, on database: some PostgresRunner
    ) async throws -> (answer: KeyLeakAnswer, brands: [String: BrandID]) {
        let found = try await keys.store.find(report.keys, on: database)
        var brands: [String: BrandID] = [:]
        let outcomes = report.keys.map { key in
            let outcome: KeyLeakAnswer.Key.Outcome
            if !principal.may(.manageKeys(key.slug.text)) {
                outcome = .foreign
            } else if let known = found[key.publicId] {
                brands[key.slug.text] = known.brand
                outcome =
                    key.environment == .browser ? .published : known.isRevoked ? .revokedBefore : .revoked
            } else {
                outcome = .unknown
            }
            return KeyLeakAnswer.Key(
                publicId: key.publicId, brand: key.slug.text, environment: key.environment.name,
                outcome: outcome)
        }
        return (KeyLeakAnswer(keys: outcomes), brands)
    }

    /// Revokes those keys of a report that exist, and tells the audit log of each under its brand.
    func revoke(
        _ report: Report, by principal: Principal, in transaction: PostgresTransaction
    ) async throws -> KeyLeakAnswer {
        let (answer, brands) = try await outcomes(of: report, by: principal, on: transaction)
        var changed: Set<String> = []
        for key in answer.keys where key.outcome == .revoked {
            guard let brand = brands[key.brand] else { continue }
            _ = try await keys.store.revoke(key.publicId, of: brand, in: transaction)
            changed.insert(key.brand)
            AuditNote.add(
                action: "key.revoke", subject: key.brand,
                detail: "key \(key.publicId) was leaked, says \(report.source)")
        }
        for slug in changed.sorted() {
            guard let brand = brands[slug] else { continue }
            try await keys.instances.store.raiseRevision(brand, in: transaction)
        }
        return answer
    }

    /// When it returns, the schemas of all brands say what was revoked.
    ///
    /// - Throws: `Fault.unavailable` when one of them could not be told, after all others were.
    func project(_ answer: KeyLeakAnswer) async throws {
        let slugs = Set(
            answer.keys.filter { $0.outcome == .revoked || $0.outcome == .revokedBefore }.map(\.brand))
        var failure: (any Error)?
        for slug in slugs.sorted().compactMap({ try? Slug($0) }) {
            do {
                try await keys.projectRevocation(of: slug)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }
}
