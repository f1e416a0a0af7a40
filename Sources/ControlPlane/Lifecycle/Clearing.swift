import Contract
import Kernel
import Postgres

/// Removing every brand with all of its data, for whoever develops or tries things out: what each brand's own
/// deletion and purge do, without a grace period. Never where the installation is for production.
struct Clearing: Sendable {
    static let doing = "clear all data"

    let environment: InstallationEnvironment
    let brands: Brands
    let lifecycle: Lifecycle

    /// Brands that are dealt with at once.
    static let pageBrands = 200

    /// - Throws: `Fault.forbidden` on an installation for production, `Fault.invalid` when `confirmed` is not
    ///   the environment's name.
    func check(_ confirmed: String) throws(Fault) {
        guard environment != .production else {
            throw Fault(
                .forbidden, doing: Clearing.doing,
                "this installation is for production; purge its brands one by one")
        }
        guard confirmed == environment.rawValue else {
            throw Fault(
                .invalid, doing: Clearing.doing,
                "expected the name of this installation's environment, '\(environment.rawValue)'",
                field: "confirm")
        }
    }

    /// The brands that there are, up to a page.
    func present() async throws -> [BrandView] {
        try await brands.list(only: nil, after: nil, limit: Clearing.pageBrands).items
    }

    /// Begins what is next for each of `present`: its deletion, or its purge. What an operation is changing
    /// is left for another time.
    func begin(
        _ present: [BrandView], by principal: String, in transaction: PostgresTransaction
    ) async throws -> ClearingView {
        var view = ClearingView(begun: [], left: [])
        for brand in present {
            do {
                view.begun.append(try await begin(brand, by: principal, in: transaction).subject)
            } catch let fault as Fault where fault.code == .conflict {
                view.left.append(brand.slug.text)
            }
        }
        return view
    }

    private func begin(
        _ brand: BrandView, by principal: String, in transaction: PostgresTransaction
    ) async throws -> OperationView {
        if brand.status == .deleted {
            return try await lifecycle.purge(brand.slug, by: principal, in: transaction)
        }
        return try await lifecycle.begin(
            .delete, brand.slug, input: ["purgeAfter": "\(lifecycle.clock.now())"], by: principal,
            in: transaction)
    }
}
