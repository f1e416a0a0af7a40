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
    let onboardingCompleted: Bool
    let createdAt: Timestamp
    let updatedAt: Timestamp
    /// The placement that may write; 0 before there is an instance.
    let generation: Int64
}

extension BrandView {
    /// `brand` beside what a supervisor sees of its instance.
    init(_ brand: Brand, instance: BrandView.Instance) {
        self.init(
            id: brand.id, slug: brand.slug, name: brand.name, domain: brand.domain, industry: brand.industry,
            country: brand.country, timeZone: brand.timeZone, currency: brand.currency, plan: brand.plan,
            status: brand.status, instance: instance, onboardingCompleted: brand.onboardingCompleted,
            createdAt: brand.createdAt, updatedAt: brand.updatedAt)
    }
}
