import Contract
import Kernel
import Postgres
import Sealing

/// Making and listing users.
struct Users: Sendable {
    let store: UserStore
    let passwords: PasswordWorker

    /// A user that may be made, with the hash of its password.
    struct Prepared: Sendable {
        let specification: UserSpecification
        let hash: PasswordHash
    }

    /// Checks a draft, and hashes its password or one that is minted: this takes long, so it comes before the
    /// transaction.
    func prepare(_ draft: UserDraft) async throws -> Prepared {
        let specification = try UserSpecification(draft)
        return Prepared(
            specification: specification, hash: try await passwords.hash(specification.password))
    }

    /// Makes a user; the answer shows a minted password, this once.
    func create(_ user: Prepared, in transaction: PostgresTransaction) async throws -> UserCreated {
        let made = try await store.insert(user.specification, user.hash, in: transaction)
        let minted = user.specification.isMinted ? user.specification.password.reveal() : nil
        return UserCreated(user: made.view, password: minted)
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
