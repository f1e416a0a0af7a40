import Contract
import Kernel
import Sealing

/// A user as the control database has it.
struct User: Sendable {
    let id: UserID
    let email: String
    let role: UserRole
    /// The slug of the user's brand, for the two brand roles.
    let brand: String?
    let lastLogin: Timestamp?
    let createdAt: Timestamp

    var view: UserView {
        UserView(id: id, email: email, role: role, brand: brand, lastLogin: lastLogin, createdAt: createdAt)
    }
}

/// A user that may be made: every field of the draft checked.
struct UserSpecification: Sendable {
    let email: String
    let role: UserRole
    let brand: String?
    /// The user's own, or a minted one.
    let password: Secret
    let isMinted: Bool

    static let doing = "create the user"

    /// - Throws: `Fault.invalid` with the first field that is wrong and what was expected.
    init(_ draft: UserDraft) throws(Fault) {
        email = try FieldRules.email(draft.email, doing: Self.doing)
        role = draft.role
        brand = draft.brand
        let needsBrand = role == .brandOwner || role == .brandUser
        guard needsBrand == (brand != nil) else {
            throw Fault(
                .invalid, doing: Self.doing,
                needsBrand ? "expected the slug of the user's brand" : "this role belongs to no brand",
                field: "brand")
        }
        if let password = draft.password {
            guard password.count >= 12, password.utf8.count <= 1024 else {
                throw Fault(
                    .invalid, doing: Self.doing, "expected at least 12 characters and at most 1024 bytes",
                    field: "password")
            }
        }
        isMinted = draft.password == nil
        password = draft.password.map { Secret($0) } ?? PasswordGenerator.make(length: 24)
    }
}
