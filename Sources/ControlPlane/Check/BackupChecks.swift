import Contract
import Kernel

/// Whether brands have backups, and whether these have been restored.
struct BackupChecks: Sendable {
    let facts: BackupFactsStore
    let clock: any WallClock

    var all: [Check] {
        [
            Check(
                name: "backups", needs: [.controlDatabase],
                remedy: "constintel backup create <brand>; runbooks/backup-missing.md"
            ) {
                let brands = try await facts.all()
                return Seen(brands.compactMap(trouble), among: brands.count, "brand")
            },
            Check(
                name: "backup drills", needs: [.controlDatabase],
                remedy: "constintel backup receipt <brand>; runbooks/backup-verify-failed.md"
            ) {
                let brands = try await facts.all()
                return Seen(brands.compactMap(drillTrouble), among: brands.count, "brand")
            },
        ]
    }

    private func trouble(_ brand: BackupFactsStore.Facts) -> Trouble? {
        let now = clock.now()
        let last = brand.last.map { "the last is \((now - $0).inWords) old" } ?? "there is none"
        if brand.isOverdue(at: now) {
            return .failed(brand.slug, "\(last)\(brand.failure.map { "; \($0)" } ?? "")")
        }
        return brand.failure.map { .warning(brand.slug, "\(last), and one after it failed: \($0)") }
    }

    private func drillTrouble(_ brand: BackupFactsStore.Facts) -> Trouble? {
        let now = clock.now()
        if let failure = brand.drillFailure { return .failed(brand.slug, failure) }
        guard brand.isDrillOverdue(at: now) else { return nil }
        return .warning(
            brand.slug, brand.drilledAt.map { "the last was \((now - $0).inWords) ago" } ?? "there was none")
    }
}
