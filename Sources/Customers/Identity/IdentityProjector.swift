import Contract
import Events
import Postgres

/// Places each event of a batch on an identifier and its profile, making those that are missing.
///
/// Test events are neither placed nor do they bring identifiers.
public struct IdentityProjector: Projector {
    private let settings: @Sendable () -> BrandSettings
    private let identities = IdentityStore()
    private let profiles = ProfileStore()

    /// - Parameter settings: the brand's present settings, for its country.
    public init(settings: @escaping @Sendable () -> BrandSettings) { self.settings = settings }

    public func project(_ batch: inout EventBatch, in transaction: PostgresTransaction) async throws {
        let normaliser = IdentifierNormaliser(country: settings().country)
        let sent = batch.events.map { placed in
            placed.event.isTest ? nil : normaliser.normalise(placed.event.identifiers)
        }
        let identifiers = Set(sent.flatMap { $0?.usable ?? [] })
        guard !identifiers.isEmpty else { return }
        let (known, newest) = try await identities.known(Array(identifiers), in: transaction)
        var resolution = IdentityResolution(known: known, newest: newest)
        for (index, identifiers) in sent.enumerated() {
            guard let identifiers else { continue }
            let placed = batch.events[index]
            batch.events[index].placement = resolution.place(
                identifiers, event: placed.id, at: placed.event.receivedAt)
        }
        try await identities.apply(resolution, in: transaction)
        try await profiles.make(resolution.newProfiles, in: transaction)
        try await profiles.refreshIdentifiers(of: resolution.changedProfiles, in: transaction)
    }
}
