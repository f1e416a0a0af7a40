import Contract
import Foundation
import Kernel
import TestSupport
import Testing

/// Both planes keep to their documents, whatever is sent to them by whoever.
@Suite(
    "The contract", .timeLimit(.minutes(10)),
    .enabled(if: Schemathesis.isThere, "schemathesis is not there: infra/test.sh fetches it from PyPI"))
struct ContractJourney {
    @Test("the control plane never answers what its document does not say, to any role")
    func controlPlane() async throws {
        try await withInstallation { installation in
            let schemathesis = Schemathesis(
                room: "ControlPlane", url: "http://\(installation.edge)",
                // Server-sent events, which do not end.
                without: ["followOperation"])
            // An admin is last, who deletes the brand sooner or later.
            let roles: [(UserRole?, Int)] = [
                (nil, 12), (.brandUser, 8), (.brandOwner, 10), (.operator, 10), (.admin, 40),
            ]
            // They log in beforehand: what is tried at the log-in by then is too much for one address.
            var tokens: [UserRole: String] = [:]
            for role in roles.compactMap(\.0) {
                tokens[role] = try await token(of: role, in: installation)
            }
            for (role, seconds) in roles {
                try await check(
                    schemathesis, as: role?.rawValue ?? "nobody", with: role.flatMap { tokens[$0] }, seconds,
                    installation)
            }
        }
    }

    @Test("an instance never answers what its document does not say, to any key or token")
    func instance() async throws {
        try await withInstallation { installation in
            let schemathesis = Schemathesis(
                room: "DataPlane", url: "http://\(installation.edge)/b/acme",
                without: ["followOperation", "followFeed", "scrapeMetrics"])
            for (name, seconds) in [("live", 36), ("test", 8)] {
                let made = try await installation.run(
                    "key", "create", "acme", "--name", name, "--environment", name, "--output", "json")
                let key = try JSONDecoder().decode(KeyCreated.self, from: Data(made.output.utf8)).key
                try await check(schemathesis, as: "a \(name) key", with: key, seconds, installation)
            }
            let roles: [(UserRole, Int)] = [(.admin, 14), (.brandUser, 8)]
            for (role, seconds) in roles {
                let token = try await Neighbours.brandToken(
                    "acme", for: try await token(of: role, in: installation), of: installation)
                try await check(schemathesis, as: role.rawValue, with: token, seconds, installation)
            }
            try await check(schemathesis, as: "nobody", with: nil, 5, installation)
        }
    }

    private func check(
        _ schemathesis: Schemathesis, as name: String, with credential: String?, _ seconds: Int,
        _ installation: Installation
    ) async throws {
        let report = try await schemathesis.run(
            seconds: seconds, headers: credential.map { [("Authorization", "Bearer \($0)")] } ?? [],
            in: installation.directory)
        print("contract of \(schemathesis.room) as \(name): \(report.cases)")
        #expect(report.isClean, "\(schemathesis.room) as \(name): \(report.findings)")
    }

    private func withInstallation(_ body: (Installation) async throws -> Void) async throws {
        let installation = try Installation()
        do {
            try await installation.start()
            let made = try await installation.run("brand", "create", "acme", "--brand-plan", "enterprise")
            try #require(made.status == 0, "\(made.errors)\n\(installation.logTail)")
            try await body(installation)
            await installation.remove()
        } catch {
            await installation.remove()
            throw error
        }
    }

    private func token(of role: UserRole, in installation: Installation) async throws -> String {
        let isOfBrand = role == .brandOwner || role == .brandUser
        let email = "\(role.rawValue)@example.com"
        let made = try await installation.run(
            ["user", "create", email, "--role", role.rawValue, "--output", "json"]
                + (isOfBrand ? ["--brand", "acme"] : []))
        try #require(made.status == 0, "\(made.errors)")
        let password = try JSONDecoder().decode(UserCreated.self, from: Data(made.output.utf8)).password
        return try await Neighbours.logIn(email, password ?? "", to: installation)
    }
}
