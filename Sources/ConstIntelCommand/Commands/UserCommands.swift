import ArgumentParser
import Contract
import Foundation
import Kernel

struct UserGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user",
        abstract: "Create and list the people who may use the service.",
        discussion: """
            Example:
              constintel user create ana@example.com --role admin
            """,
        subcommands: [UserCreate.self, UserList.self])
}

extension UserRole: ExpressibleByArgument {}

struct UserCreate: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Create a user.",
        discussion: """
            Without --password-stdin the service makes a password, which is shown this once.

            Example:
              constintel user create owner@acme.example --role brand_owner --brand acme
            """)

    @Argument(help: "The user's e-mail address.")
    var email: String

    @Option(help: "What the user may do.")
    var role: UserRole

    @Option(help: "The brand's slug, for the two brand roles.", transform: parseSlug)
    var brand: Slug?

    @Flag(help: "Read the password from standard input.")
    var passwordStdin = false

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    func validate() throws {
        let needsBrand = role == .brandOwner || role == .brandUser
        guard needsBrand == (brand != nil) else {
            throw ValidationError(
                needsBrand
                    ? "The role \(role.rawValue) needs --brand." : "The role \(role.rawValue) has no --brand."
            )
        }
    }

    func run(on service: Service) async throws {
        let doing = "create the user '\(email)'"
        let password = passwordStdin ? try Password.read(fromStandardInput: true, doing: doing) : nil
        let draft = UserDraft(email: email, role: role, brand: brand?.text, password: password?.reveal())
        let request = try Request(.post, "/api/admin/users", json: draft, doing: doing)
        guard let answer = try await service.write(request, unless: plan) else { return }
        try service.report(answer) {
            let created = try answer.decode(UserCreated.self)
            if created.password != nil { service.note("The password is shown only this once.") }
            return Description([
                ("email", created.user.email), ("role", created.user.role.rawValue),
                ("brand", created.user.brand), ("password", created.password),
            ]).lines
        }
    }
}

struct UserList: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the users.",
        discussion: """
            Example:
              constintel user list
            """)

    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.control.send(
            Request(.get, "/api/admin/users", query: page.query, doing: "list the users"))
        try service.report(page: answer, of: UserView.self) { users in
            Table(
                [.init("email"), .init("role"), .init("brand"), .init("last login"), .init("created")],
                rows: users.map {
                    [
                        $0.email, $0.role.rawValue, $0.brand ?? "", $0.lastLogin?.description ?? "never",
                        $0.createdAt.description,
                    ]
                })
        }
    }
}
