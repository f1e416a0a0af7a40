import Contract
import Kernel

/// A brand as the control database has it.
struct Brand: Sendable {
    let id: BrandID
    let slug: Slug
    let name: String
    let domain: String?
    let industry: String?
    let country: String
    let timeZone: String
    let currency: String
    let plan: String
    let status: BrandView.Status
    let statusReason: String?
    let trialEndsAt: Timestamp?
    let purgeAfter: Timestamp?
    let onboardingCompleted: Bool
    let createdAt: Timestamp
    let updatedAt: Timestamp
    /// What is meant of its instance and what was last seen of it, less what the supervisor says now.
    let instance: BrandView.Instance
}

extension BrandView {
    /// `brand` beside what a supervisor sees of its instance.
    init(_ brand: Brand, instance: BrandView.Instance) {
        self.init(
            id: brand.id, slug: brand.slug, name: brand.name, domain: brand.domain, industry: brand.industry,
            country: brand.country, timeZone: brand.timeZone, currency: brand.currency, plan: brand.plan,
            status: brand.status, statusReason: brand.statusReason, trialEndsAt: brand.trialEndsAt,
            purgeAfter: brand.purgeAfter,
            instance: instance, onboardingCompleted: brand.onboardingCompleted,
            createdAt: brand.createdAt, updatedAt: brand.updatedAt)
    }
}
