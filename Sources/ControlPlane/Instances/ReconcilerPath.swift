import Kernel
import Logging
import Supervision
import Workflow

/// The one way in which a brand is brought to what is meant: it takes which brand, reads what is meant and
/// what is, and does what is missing. Repeating it changes nothing.
struct ReconcilerPath: Sendable {
    /// How long it is trusted that a brand's schema is as it was left; the partitions of the coming months
    /// are made as often.
    static let trust = Duration.seconds(6 * 3600)

    let instances: Instances
    let streamUsers: StreamUsers
    let store: ObservationStore
    let clock: any WallClock
    let measures: Reconciler.Measures
    let quarantine: Quarantine
    let logger: Logger

    /// How a brand was left when it was as it is meant to be: as long as nothing of it changes, nothing is
    /// to be done.
    struct Settled: Sendable {
        let fingerprint: Int64
        let user: StreamUserDefinition?
        let files: [FileStamp?]
        let specification: String?
        /// When it was last looked at what the brand's schema says.
        let verifiedAt: Timestamp
    }

    /// What the brand's surroundings say at one moment; without a user when Redis could not be asked.
    struct Sight: Sendable {
        let status: UnitStatus?
        let user: StreamUserDefinition??
    }

    /// Whether there is nothing to do for a brand that was left like this.
    func isAsMeant(_ outlook: Outlook, since settled: Settled?, _ sight: Sight) -> Bool {
        guard outlook.observation == observed(outlook, sight.status) else { return false }
        if isLeftAlone(outlook) { return true }
        guard let settled, settled.fingerprint == outlook.fingerprint, isFresh(settled),
            outlook.seen.projectedRevision == outlook.revision, outlook.seen.failures == 0,
            settled.files == instances.files.stamps(outlook.slug), isUnitRight(outlook, settled, sight.status)
        else { return false }
        return sight.user.map { $0 == settled.user } ?? true
    }

    /// Brings the brand to what is meant and notes what is seen of it then. Nil when there is nothing to
    /// answer for: it is gone, or an operation, an operator or its quarantine keeps us out.
    ///
    /// - Parameter isLifted: something was changed for the brand, so that a quarantine is over.
    func reconcile(_ slug: Slug, since settled: Settled?, isLifted: Bool) async throws -> Settled? {
        guard let outlook = try await store.outlook(slug) else { return nil }
        if outlook.pausedReason != nil || !isLifted && isLeftAlone(outlook) {
            let status = await instances.supervisor.status(slug.unitName)
            try await note(observed(outlook, status), over: outlook)
            return nil
        }
        let (left, revision) = try await settle(outlook, since: settled)
        let status = await instances.supervisor.status(slug.unitName)
        try await note(observed(outlook, status).succeeding(projected: revision), over: outlook)
        if outlook.seen.quarantinedUntil != nil {
            logger.notice("a brand is as it is meant to be again", metadata: ["brand": "\(slug)"])
        }
        return left
    }

    /// Notes that bringing the brand to what is meant has failed, unless by now it is not ours to look after.
    func fail(_ slug: Slug, _ error: any Error) async throws {
        guard let outlook = try await store.outlook(slug), outlook.pausedReason == nil else { return }
        let status = await instances.supervisor.status(slug.unitName)
        let failed = observed(outlook, status).failing(error, at: clock.now(), by: quarantine)
        try await note(failed, over: outlook)
        measures.failedBrands.increment()
        let details: Logger.Metadata = ["brand": "\(slug)", "failures": "\(failed.failures)"]
        if failed.quarantinedUntil == nil {
            logger.warning("could not reconcile a brand: \(error)", metadata: details)
        } else if outlook.seen.quarantinedUntil == nil {
            logger.error("a brand keeps failing and is quarantined: \(error)", metadata: details)
        } else {
            logger.debug("a quarantined brand has failed again: \(error)", metadata: details)
        }
    }

    /// Whether the brand is paused or quarantined. A quarantine that ends later than any can is the mark of
    /// a clock that was set back, and is none.
    func isLeftAlone(_ outlook: Outlook) -> Bool {
        outlook.pausedReason != nil || isQuarantined(outlook)
    }

    func isQuarantined(_ outlook: Outlook) -> Bool {
        let now = clock.now()
        guard let until = outlook.seen.quarantinedUntil else { return false }
        return until > now && until - now <= quarantine.longest
    }

    private func observed(_ outlook: Outlook, _ status: UnitStatus?) -> Observation {
        outlook.seen.seeing(status, absent: outlook.isToRun ? "unknown" : "stopped")
    }

    private func note(_ seen: Observation, over outlook: Outlook) async throws {
        if seen != outlook.observation { try await store.note(seen, of: outlook.brand) }
    }

    private func isFresh(_ settled: Settled) -> Bool {
        let age = clock.now() - settled.verifiedAt
        return age >= .zero && age <= ReconcilerPath.trust
    }

    private func isUnitRight(_ outlook: Outlook, _ settled: Settled, _ status: UnitStatus?) -> Bool {
        let isThere = status.map { $0.state != .stopped } ?? false
        guard outlook.isToRun else { return !isThere }
        // Without a specification it is not as it was left, or has failed for good.
        guard isThere, let specification = status?.specification else { return false }
        return specification == settled.specification
    }
}

// MARK: - Setting right

extension ReconcilerPath {
    /// Sees to each part, also when another fails, and throws the first failure. Returns how the brand was
    /// left, and the revision that its schema has then.
    private func settle(_ outlook: Outlook, since settled: Settled?) async throws -> (Settled, Int64) {
        let slug = outlook.slug
        let trusted = settled.flatMap { isFresh($0) ? $0 : nil }
        let instance = try await instances.store.instance(slug)
        var failure: (any Error)?
        func attempt(_ part: () async throws -> Void) async throws {
            do { try await part() } catch {
                try Task.checkCancellation()
                failure = failure ?? error
            }
        }
        var user: StreamUserDefinition?
        var revision = outlook.revision
        try await attempt { user = try await seeToUser(instance) }
        try await attempt { try await seeToUnit(outlook, instance, since: trusted) }
        let isTrusted = trusted?.fingerprint == outlook.fingerprint
        try await attempt {
            revision = try await seeToProjection(outlook, instance, isTrusted: isTrusted)
        }
        if trusted == nil, !outlook.isDeleted {
            try await attempt { try await instances.tenants.ensurePartitions(slug) }
        }
        if let failure { throw failure }
        let status = await instances.supervisor.status(slug.unitName)
        let left = Settled(
            fingerprint: outlook.fingerprint, user: user, files: instances.files.stamps(slug),
            specification: status?.specification, verifiedAt: trusted?.verifiedAt ?? clock.now())
        return (left, revision)
    }

    func corrected(_ part: Reconciler.Measures.Correction, _ slug: Slug) {
        measures.corrected(part)
        logger.info("set right", metadata: ["brand": "\(slug)", "part": "\(part.rawValue)"])
    }

    /// Defines the Redis user unless it is right; returns what Redis says of it.
    private func seeToUser(_ instance: Instance) async throws -> StreamUserDefinition? {
        let slug = instance.slug
        let password = try instances.files.keys.sealer.open(
            instance.redisPassword, for: InstanceSecret.redisPassword.context(slug))
        let found = try await streamUsers.definitions(of: [slug])[slug] ?? nil
        if let found, found.isRight(slug, password: password) { return found }
        try await streamUsers.define(slug, password: password)
        corrected(.user, slug)
        return try await streamUsers.definitions(of: [slug])[slug] ?? nil
    }

    /// Sees to the files, the marker and the process.
    private func seeToUnit(
        _ outlook: Outlook, _ instance: Instance, since settled: Settled?
    ) async throws {
        let slug = outlook.slug
        let files = instances.files
        let before = files.stamps(slug)
        if outlook.isDeleted {
            let marker = files.layout.marker(slug)
            if FileStamp(marker) != nil {
                try PrivateFile.remove(marker)
                corrected(.marker, slug)
            }
        } else {
            try files.write(instance)
            if files.stamps(slug) != before { corrected(.files, slug) }
        }
        let status = await instances.supervisor.status(slug.unitName)
        if let settled, settled.fingerprint == outlook.fingerprint, settled.files == before,
            isUnitRight(outlook, settled, status)
        {
            return
        }
        if outlook.isToRun {
            // Starting what runs by the right specification is nothing to a supervisor.
            try await instances.start(instance)
            let after = await instances.supervisor.status(slug.unitName)
            if after?.specification != status?.specification || status == nil { corrected(.start, slug) }
        } else {
            // Also what an earlier supervisor left running, of which this one knows nothing.
            try await instances.stop(slug)
            if status != nil { corrected(.stop, slug) }
        }
    }

    /// Writes the projection unless the schema has it; returns the revision that the schema has then.
    ///
    /// What it has is asked when this process does not know it or something is meant otherwise, and else
    /// believed as it was noted. A schema that says something else of a revision than is meant (somebody
    /// wrote there, the control database was restored, a plan's limits are others) is overtaken.
    private func seeToProjection(
        _ outlook: Outlook, _ instance: Instance, isTrusted: Bool
    ) async throws -> Int64 {
        let slug = outlook.slug
        if isTrusted, outlook.seen.projectedRevision == outlook.revision { return outlook.revision }
        guard let projection = try await instances.projection(slug) else { return outlook.revision }
        let found = try await store.projected(projection)
        if found?.connections != TenantStore.limit(instance) {
            try await instances.tenants.limitConnections(instance)
            corrected(.connections, slug)
        }
        if let found, found.isAsMeant, found.revision == projection.revision { return found.revision }
        if let found, found.revision >= projection.revision {
            try await store.raiseRevision(outlook.brand, above: found.revision)
            corrected(.revision, slug)
        }
        try await instances.project(slug)
        corrected(.projection, slug)
        return max(projection.revision, (found?.revision ?? 0) + 1)
    }
}
