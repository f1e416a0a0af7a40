import Contract
import Kernel
import Sealing

/// Making and listing users.
struct Users: Sendable {
    let store: UserStore
    let idempotency: IdempotencyStore
    let passwords: PasswordWorker

    /// Makes a user; the answer shows a minted password, this once.
    func create(_ draft: UserDraft, key: IdempotencyKey?) async throws -> Once<UserCreated> {
        let specification = try UserSpecification(draft)
        let hash = try await passwords.hash(specification.password)
        return try await idempotency.once(key, doing: UserSpecification.doing) {
            UserCreated(user: $0.user, password: nil)
        } _: { transaction in
            let user = try await store.insert(specification, hash, in: transaction)
            return UserCreated(
                user: user.view, password: specification.isMinted ? specification.password.reveal() : nil)
        }
    }

    /// A page of users by their creation.
    func list(after cursor: Cursor?, limit: Int) async throws -> Page<UserView> {
        let position = try cursor.map {
            guard let id = UserID($0.position) else {
                throw Fault(
                    .invalid, doing: "list users", "expected a nextCursor of an earlier page", field: "cursor"
                )
            }
            return id
        }
        let found = try await store.list(after: position, limit: limit + 1)
        let items = found.prefix(limit).map(\.view)
        return Page(
            items: items, nextCursor: found.count > limit ? Cursor(items.last?.id.description).text : nil)
    }
}
