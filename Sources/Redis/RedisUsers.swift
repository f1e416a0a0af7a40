import Kernel

/// Redis's own users and what each may do (its ACL), for a client that may administer them.
///
/// Each change is in force at once and then written to the server's `aclfile`. Where that fails (a server
/// without one refuses), the change is lost when the server stops: `RedisError.accessNotSaved` says so, and
/// repeating the change is harmless.
extension RedisClient {
    /// Makes `name` a user who may do `commands` on the keys that match `keyPattern`, and nothing else;
    /// whatever it was before, it is no more.
    ///
    /// List commands one by one: a category minus another still holds commands, such as SCAN, that show the
    /// keys of others.
    public func defineUser(
        _ name: String, password: Secret, keyPattern: String, commands: [String]
    ) async throws {
        let rules = ["reset", "on", ">" + password.reveal(), "~" + keyPattern] + commands.map { "+" + $0 }
        try await send((["ACL", "SETUSER", name] + rules).map { Array($0.utf8) })
        try await saveUsers()
    }

    /// Deletes a user and drops its connections; false when there was none.
    @discardableResult
    public func deleteUser(_ name: String) async throws -> Bool {
        let reply = try await send("ACL", "DELUSER", name)
        try await saveUsers()
        return reply.integer == 1
    }

    /// The names of all users.
    public func users() async throws -> [String] {
        guard let names = try await send("ACL", "USERS").array else {
            throw RedisError.shape("names of users")
        }
        return names.compactMap(\.text)
    }

    private func saveUsers() async throws {
        do {
            try await send("ACL", "SAVE")
        } catch RedisError.reply(let reason) {
            throw RedisError.accessNotSaved(reason)
        }
    }
}
