import Contract

/// Which identifiers are connected, each group named by its smallest id (union-find).
struct Components {
    /// One step from an identifier towards the smallest of its group; the smallest leads nowhere.
    private var towards: [IdentifierID: IdentifierID] = [:]

    /// Connects two identifiers, and with them all that are connected with either.
    mutating func join(_ one: IdentifierID, _ other: IdentifierID) {
        let (left, right) = (smallest(of: one), smallest(of: other))
        if left != right { towards[max(left, right)] = min(left, right) }
    }

    /// The smallest of all that are connected with `identifier`: itself when nothing is.
    mutating func smallest(of identifier: IdentifierID) -> IdentifierID {
        var smallest = identifier
        while let next = towards[smallest] { smallest = next }
        // Everything passed on the way leads there at once from now on, which keeps ways short.
        var passed = identifier
        while let next = towards[passed] {
            towards[passed] = smallest
            passed = next
        }
        return smallest
    }
}
