import Contract
import Foundation
import Kernel
import Postgres
import Workflow

extension BrandSettings {
    /// As an operation's input has them.
    func text() throws(Fault) -> String { try encodedText(self) }

    /// Nil for a text that is none.
    init?(text: String) {
        guard let settings = try? JSONDecoder().decode(Self.self, from: Data(text.utf8)) else { return nil }
        self = settings
    }
}

extension BrandChange {
    /// As an operation's input has it, until it is worked out what comes of it.
    func input() throws(Fault) -> Step.Output {
        let fields = BrandChange.CodingKeys.allCases.filter { $0 != .version }.map(\.stringValue)
        let isEmpty =
            [name, domain, industry, country, timeZone, currency, contactEmail, contactPhone]
            .allSatisfy { $0 == nil } && retentionDays == nil && features == nil && origins == nil
        guard !isEmpty else {
            throw Fault(
                .invalid, doing: BrandAction.update.doing,
                "expected at least one of \(fields.joined(separator: ", "))")
        }
        return ["change": try encodedText(self)]
    }
}

private func encodedText(_ value: some Encodable) throws(Fault) -> String {
    do {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    } catch {
        throw Fault(.internal, doing: "keep the settings", "they cannot be encoded", cause: error)
    }
}

extension Lifecycle {
    /// The input of an update with the settings that come of what was asked for: `change`, a merge patch, or
    /// `revert`, the version to go back to.
    ///
    /// Nobody else changes the brand until `transaction` ends, and then the operation has it to itself: so
    /// what is worked out here is still right when it is done.
    func settled(
        _ input: Step.Output, _ intent: BrandIntent, _ slug: Slug, in transaction: PostgresTransaction
    ) async throws -> Step.Output {
        let doing = BrandAction.update.doing
        var new = intent.settings
        if let text = input["change"] {
            let change = try JSONDecoder().decode(BrandChange.self, from: Data(text.utf8))
            if let version = change.version, version != intent.settingsVersion {
                throw Fault(
                    .conflict, doing: doing,
                    "the settings have version \(intent.settingsVersion) by now, and the change is of "
                        + "version \(version); look at them again", field: "version")
            }
            new = try new.applying(change, doing: doing)
        } else if let version = input["revert"].flatMap({ Int64($0) }) {
            guard let earlier = try await settings.settings(of: slug, at: version, in: transaction) else {
                throw Fault(
                    .invalid, doing: doing,
                    "expected a version before the present one, \(intent.settingsVersion)", field: "version")
            }
            new = earlier
        } else {
            return input
        }
        if let (plan, limits) = try await settings.plan(of: slug, in: transaction) {
            try new.check(plan, limits, after: intent.settings, doing: doing)
        }
        try await checkIdentityInputs(new, after: intent.settings, slug)
        return ["settings": try new.text()]
    }

    /// Country and currency are what events were read by: phone numbers without a country code, revenue.
    ///
    /// - Throws: `Fault.conflict` when one would be another and the brand has events, or rates into the
    ///   currency.
    private func checkIdentityInputs(
        _ new: BrandSettings, after before: BrandSettings, _ slug: Slug
    ) async throws {
        let doing = BrandAction.update.doing
        let isOtherCountry = new.country != before.country
        guard isOtherCountry || new.currency != before.currency else { return }
        guard try await sagas.instances.tenants.hasEvents(slug) else {
            if new.currency != before.currency, try await sagas.instances.tenants.hasRates(slug) {
                throw Fault(
                    .conflict, doing: doing,
                    "the brand has rates into \(before.currency); take them back first", field: "currency")
            }
            return
        }
        throw Fault(
            .conflict, doing: doing,
            isOtherCountry
                ? "the brand has events, whose phone numbers were read as of \(before.country)"
                : "the brand has events, and its revenue is counted in \(before.currency)",
            field: isOtherCountry ? "country" : "currency")
    }
}
