import Contract
import Customers
import Events
import Hummingbird
import Kernel
import NIOCore
import Web

/// `/api/profiles`: customers, listed, found by an identifier, and one by one.
struct ProfileRoutes: Sendable {
    let profiles: ProfileListStore
    let brand: BrandFollower

    func add(to router: RouterGroup<WebContext>) {
        router.get("profiles", use: list)
        router.get("profiles/:id", use: show)
    }

    @Sendable private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "list the profiles"
        _ = try context.require(.profilesRead, doing: doing)
        let limit = try request.pageLimit(doing: doing)
        if let sent = try identifier(in: request, doing: doing) {
            let normaliser = IdentifierNormaliser(country: brand.settings.country)
            guard !sent.value.utf8.contains(0), let identifier = normaliser.normalise([sent]).usable.first
            else {
                throw Fault(
                    .invalid, doing: doing, "this is no usable \(sent.kind.rawValue)",
                    field: sent.kind.rawValue)
            }
            return WebResponse.page(try await profiles.find(identifier), limit: limit)
        }
        let cursor = try request.pageCursor(doing: doing)
        return WebResponse.page(try await profiles.list(behind: cursor, limit: limit + 1), limit: limit)
    }

    /// The identifier to search by: a query parameter of its kind's name, such as `email=a@b.com`.
    private func identifier(in request: Request, doing: String) throws -> SentIdentifier? {
        let sent = IdentifierKind.allCases.compactMap { kind in
            request.query(kind.rawValue).map { SentIdentifier(kind: kind, value: $0) }
        }
        guard sent.count <= 1 else {
            throw Fault(.invalid, doing: doing, "search by one identifier", field: sent[1].kind.rawValue)
        }
        return sent.first
    }

    @Sendable private func show(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "show the profile"
        _ = try context.require(.profilesRead, doing: doing)
        guard let id = ProfileID(try context.parameter("id")), let json = try await profiles.show(id) else {
            throw Fault(.notFound, doing: doing, "there is no profile of this id")
        }
        return WebResponse.json(text: ByteBuffer(string: json))
    }
}
