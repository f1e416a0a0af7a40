import ConstIntelCommand
import Foundation
import Kernel
import Testing

/// Directories to look for services in.
private struct Places {
    let root: String
    var environment: [String: String] = [:]

    init() throws {
        root = try temporaryDirectory()
        environment = ["HOME": "\(root)/home"]
    }

    var system: String { "\(root)/system" }

    /// A file where a state directory's operator socket would be.
    func makeService(_ state: String) throws {
        try FileManager.default.createDirectory(atPath: "\(state)/run", withIntermediateDirectories: true)
        #expect(FileManager.default.createFile(atPath: "\(state)/run/operator.sock", contents: nil))
    }

    func saveSession(url: String) throws {
        let store = try SessionStore(in: surroundings)
        try store.save(
            Session(
                url: url, email: "a@b.com", accessToken: "a", refreshToken: "r",
                expiresAt: Timestamp(microseconds: 0)))
    }

    var surroundings: Surroundings {
        Surroundings(
            environment: environment, streams: Written().streams(terminal: false),
            systemStateDirectory: system)
    }

    func locate(url: String? = nil) throws -> Discovery.Found {
        try Discovery(url: url, in: surroundings).locate()
    }

    func remove() { try? FileManager.default.removeItem(atPath: root) }
}

@Suite struct DiscoveryTests {
    @Test("the option comes before the variable, and both before a local service")
    func urls() throws {
        var places = try Places()
        defer { places.remove() }
        try places.makeService(places.system)
        places.environment["CONSTINTEL_URL"] = "https://one.example"
        #expect(try places.locate() == .remote(.web(base: "https://one.example")))
        #expect(try places.locate(url: "https://two.example/") == .remote(.web(base: "https://two.example")))
        #expect(throws: Fault.self) { try places.locate(url: "two.example") }
    }

    @Test("CONSTINTEL_HOME comes before the machine's state directory, which comes before the user's")
    func order() throws {
        var places = try Places()
        defer { places.remove() }
        let own = "\(places.root)/home/.local/state/constintel"
        try places.makeService(own)
        #expect(try places.locate() == .local(socket: "\(own)/run/operator.sock"))
        places.environment["XDG_STATE_HOME"] = "\(places.root)/xdg"
        try places.makeService("\(places.root)/xdg/constintel")
        #expect(try places.locate() == .local(socket: "\(places.root)/xdg/constintel/run/operator.sock"))
        try places.makeService(places.system)
        #expect(try places.locate() == .local(socket: "\(places.system)/run/operator.sock"))
        places.environment["CONSTINTEL_HOME"] = "\(places.root)/named"
        try places.makeService("\(places.root)/named")
        #expect(try places.locate() == .local(socket: "\(places.root)/named/run/operator.sock"))
    }

    @Test("a machine's service that is stopped does not hide the user's own")
    func stopped() throws {
        let places = try Places()
        defer { places.remove() }
        let own = "\(places.root)/home/.local/state/constintel"
        try places.makeService(own)
        try FileManager.default.createDirectory(
            atPath: "\(places.system)/run", withIntermediateDirectories: true)
        #expect(try places.locate() == .local(socket: "\(own)/run/operator.sock"))
    }

    @Test("a run directory that is a link is followed")
    func link() throws {
        var places = try Places()
        defer { places.remove() }
        try places.makeService("\(places.root)/short")
        let state = "\(places.root)/" + String(repeating: "long", count: 40)
        try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: "\(state)/run", withDestinationPath: "\(places.root)/short/run")
        places.environment["CONSTINTEL_HOME"] = state
        #expect(try places.locate() == .local(socket: "\(places.root)/short/run/operator.sock"))
    }

    @Test("a local service comes before the saved session, and the session before nothing")
    func session() throws {
        let places = try Places()
        defer { places.remove() }
        try places.saveSession(url: "https://saved.example")
        #expect(try places.locate() == .remote(.web(base: "https://saved.example")))
        try places.makeService(places.system)
        #expect(try places.locate() == .local(socket: "\(places.system)/run/operator.sock"))
    }

    @Test("when nothing is found, it says where it looked and what to do")
    func nothing() async throws {
        let places = try Places()
        defer { places.remove() }
        let outcome = await constintel(["status"], environment: places.environment)
        #expect(outcome.status == ExitStatus.unreachable.rawValue)
        for part in [
            "Error: could not find the service", "/home/.local/state/constintel/run/operator.sock",
            "/home/.config/constintel/session.json", "--url", "infra/run.sh", "constintel login",
        ] {
            #expect(outcome.error.contains(part))
        }
    }

    @Test("a state directory that was named and has no service is an error, whatever session there is")
    func namedAndEmpty() async throws {
        var places = try Places()
        defer { places.remove() }
        try places.saveSession(url: "https://saved.example")
        places.environment["CONSTINTEL_HOME"] = "\(places.root)/empty"
        let outcome = await constintel(["status"], environment: places.environment)
        #expect(outcome.status == ExitStatus.unreachable.rawValue)
        #expect(outcome.error.contains("\(places.root)/empty/run/operator.sock"))
    }

    @Test("a socket that nobody listens on means that the service could not be reached")
    func deadSocket() async throws {
        var places = try Places()
        defer { places.remove() }
        places.environment["CONSTINTEL_HOME"] = places.system
        try places.makeService(places.system)
        let outcome = await constintel(["status"], environment: places.environment)
        #expect(outcome.status == ExitStatus.unreachable.rawValue)
        #expect(outcome.error.contains("no service answers at \(places.system)/run/operator.sock"))
    }

    @Test("a session file is for its owner only and is replaced whole")
    func sessionFile() throws {
        let places = try Places()
        defer { places.remove() }
        try places.saveSession(url: "https://one.example")
        try places.saveSession(url: "https://two.example")
        let store = try SessionStore(in: places.surroundings)
        #expect(try store.load()?.url == "https://two.example")
        let attributes = try FileManager.default.attributesOfItem(atPath: store.path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        let beside = try FileManager.default.contentsOfDirectory(
            atPath: "\(places.root)/home/.config/constintel")
        #expect(beside == ["session.json"])
        try store.remove()
        #expect(try store.load() == nil)
        try store.remove()
    }
}
