import ArgumentParser
import Contract
import Foundation
import Kernel

struct Login: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Log in to a service and save the session.",
        discussion: """
            The session is saved in $XDG_CONFIG_HOME/constintel/session.json (by default below ~/.config), \
            readable only by you, and refreshed by itself. A local service needs no login.

            Example:
              constintel login --url https://ci.example --email ana@example.com
            """)

    @Option(help: "The service's base URL (default: CONSTINTEL_URL).")
    var url: String?

    @Option(help: "Your e-mail address.")
    var email: String

    @Flag(help: "Read the password from standard input instead of asking for it.")
    var passwordStdin = false

    @Option(help: "How to print the result.")
    var output: OutputFormat = .table

    func run() async throws {
        let surroundings = Surroundings.current
        guard let url = url ?? surroundings.variable("CONSTINTEL_URL") else {
            throw ValidationError("Say where to log in with --url or CONSTINTEL_URL.")
        }
        let address = try Discovery.address(url)
        if address.isReadableOnTheWay {
            surroundings.streams.printError(
                "Warning: \(url) is not https; the password can be read on its way.")
        }
        let doing = "log in to \(address)"
        let password = try Password.read(fromStandardInput: passwordStdin, doing: doing)
        let store = try SessionStore(in: surroundings)
        try await Service.withHTTPClient { http in
            let endpoint = Endpoint(http: http, address: address, credentials: NoCredentials())
            let now = surroundings.clock.now()
            let tokens = try await endpoint.send(
                Request(
                    .post, "/api/auth/login", json: LoginRequest(email: email, password: password.reveal()),
                    doing: doing)
            ).decode(TokenPair.self)
            try await store.exclusively {
                try store.save(Session(url: address.description, email: email, tokens: tokens, now: now))
            }
        }
        switch output {
        case .table: surroundings.streams.print("Logged in to \(address) as \(email).")
        case .json:
            let answer = try JSONEncoder().encode(["url": address.description, "email": email])
            surroundings.streams.print(String(decoding: answer, as: UTF8.self))
        }
    }
}

struct Logout: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "End the saved session, here and at the service.",
        discussion: """
            Example:
              constintel logout
            """)

    @Option(help: "How to print the result; a logout prints nothing as JSON.")
    var output: OutputFormat = .table

    func run() async throws {
        let surroundings = Surroundings.current
        let streams = surroundings.streams
        let store = try SessionStore(in: surroundings)
        guard let session = try store.load() else {
            if output == .table { streams.print("You were not logged in.") }
            return
        }
        try store.remove()
        try await Service.withHTTPClient { http in
            let address = try Discovery.address(session.url)
            let endpoint = Endpoint(http: http, address: address, credentials: NoCredentials())
            do {
                _ = try await endpoint.send(
                    Request(
                        .post, "/api/auth/logout", json: RefreshRequest(refreshToken: session.refreshToken),
                        doing: "end the session at \(address)"))
            } catch let fault as Fault where fault.code == .unauthenticated {
                // It had ended already, which is what was wanted.
            }
        }
        if output == .table { streams.print("Logged out of \(session.url).") }
    }
}

/// Passwords that a person types.
enum Password {
    /// The first line of standard input, or what is typed, unseen, at the terminal.
    static func read(fromStandardInput: Bool, doing: String) throws -> Secret {
        guard fromStandardInput || isatty(STDIN_FILENO) == 1 else {
            throw Fault(
                .invalid, doing: doing, "there is no terminal to ask for the password; use --password-stdin")
        }
        let typed = fromStandardInput ? Surroundings.current.readLine() : prompt()
        guard let typed, !typed.isEmpty else {
            throw Fault(.invalid, doing: doing, "no password was given", field: "password")
        }
        return Secret(typed)
    }

    private static func prompt() -> String? { getpass("Password: ").map { String(cString: $0) } }
}
