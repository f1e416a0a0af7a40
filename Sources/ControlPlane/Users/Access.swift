import Contract
import Kernel
import Web

/// What a request to the control plane asks to be allowed.
enum Permission: Sendable {
    /// See all brands, operations and the platform.
    case readPlatform
    /// Follow and steer operations, and read the audit log.
    case operate
    /// Make and change brands.
    case changeBrands
    /// Make and see users.
    case manageUsers
    /// Replace the installation's own keys.
    case changePlatform
    /// See one brand.
    case readBrand(String)
    /// Make, see and revoke one brand's keys.
    case manageKeys(String)
    /// Report keys that were found where they should not be: whoever manages them has them revoked.
    case reportLeaks
    /// Change what describes one brand.
    case changeSettings(String)
}

extension Principal {
    /// Whether this principal may: admins everything; operators what is read and operated; a brand's users
    /// their own brand, its owners with its keys and settings.
    func may(_ permission: Permission) -> Bool {
        switch (role, permission) {
        case (.admin, _): true
        case (.operator, .readPlatform), (.operator, .operate), (.operator, .readBrand): true
        case (.brandOwner, .readBrand(let slug)), (.brandOwner, .manageKeys(let slug)),
            (.brandOwner, .changeSettings(let slug)):
            brand == slug
        case (.brandOwner, .reportLeaks): true
        case (.brandUser, .readBrand(let slug)): brand == slug
        default: false
        }
    }

    /// - Throws: `Fault.forbidden` when it may not.
    func require(_ permission: Permission, doing: String) throws(Fault) {
        guard may(permission) else {
            throw Fault(.forbidden, doing: doing, "the role '\(role?.rawValue ?? "none")' does not allow it")
        }
    }
}
