import FoundationEssentials
import Glibc
import Kernel
import Testing

@testable import Embedded

@Suite("The state directory")
struct StateDirectoryTests {
    let directory: TestDirectory

    init() throws { directory = try TestDirectory() }

    private func mode(_ path: String) -> mode_t {
        var found = stat()
        stat(path, &found)
        return found.st_mode & 0o777
    }

    @Test("everything in it is for its owner alone, and a secret is minted once")
    func layout() throws {
        let state = try StateDirectory(path: "\(directory.path)/state")
        for path in [state.path, state.secrets, state.run, state.logs] { #expect(mode(path) == 0o700) }
        let secret = try state.secret("one")
        #expect(secret.reveal().count == 32)
        #expect(mode("\(state.secrets)/one") == 0o600)
        #expect(try StateDirectory(path: state.path).secret("one") == secret)
        #expect(try state.secret("two") != secret)
    }

    @Test("the second holder of the lock is told who holds which directory, until the first is gone")
    func lock() throws {
        let state = try StateDirectory(path: "\(directory.path)/state")
        var first: StateLock? = try state.lock()
        let fault = #expect(throws: Fault.self) { _ = try state.lock() }
        #expect(fault?.code == .conflict)
        #expect(fault?.description.contains(state.path) == true)
        #expect(fault?.detail.contains("process \(getpid()) ") == true)
        withExtendedLifetime(first) {}
        first = nil
        _ = try state.lock()
    }

    @Test("a long path has its sockets in a short private directory, the same one each time")
    func long() throws {
        let place = ShortPlace(parent: directory.path)
        let path = "\(directory.path)/\(String(repeating: "long", count: 20))"
        let state = try StateDirectory(path: path, runDirectory: nil, shortPlace: place)
        #expect(state.run.hasPrefix("\(directory.path)/constintel-\(geteuid())-"))
        #expect(mode(state.run) == 0o700)
        let slug = try Slug(String(repeating: "x", count: 32))
        let socket = state.instanceSocket(slug).dropFirst(directory.path.count)
        #expect("/run/user/1000".utf8.count + socket.utf8.count <= 107)
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: "\(path)/run") == state.run)
        #expect(try StateDirectory(path: path, runDirectory: nil, shortPlace: place).run == state.run)
    }

    @Test("a short directory that others can enter, or that is a link, is refused")
    func hostile() throws {
        let place = ShortPlace(parent: directory.path)
        let run = try place.claim(for: "/state")
        chmod(run, 0o755)
        #expect(throws: Fault.self) { try place.claim(for: "/state") }
        rmdir(run)
        symlink(directory.path, run)
        #expect(throws: Fault.self) { try place.claim(for: "/state") }
    }

    @Test(
        "a path that servers cannot be told of has its sockets elsewhere",
        arguments: [",", ":", "$", "'", "\""])
    func awkward(character: String) throws {
        let place = ShortPlace(parent: directory.path)
        let state = try StateDirectory(
            path: "\(directory.path)/a\(character)b", runDirectory: nil, shortPlace: place)
        #expect(!state.run.contains(character))
    }

    @Test("a relative path and one with a line end are refused", arguments: ["state", "/a\nb", ""])
    func refused(path: String) {
        #expect(throws: Fault.self) { try StateDirectory(path: path) }
    }
}

@Suite("The edge's address")
struct EdgeAddressTests {
    @Test(
        "host and port are told apart",
        arguments: [("127.0.0.1:8080", "127.0.0.1"), ("[::1]:8080", "::1"), ("localhost:8080", "localhost")])
    func parse(text: String, host: String) throws {
        let address = try EdgeAddress(text)
        #expect(address.host == host && address.port == 8080 && address.description == text)
    }

    @Test(
        "anything else is refused, with the name of the setting",
        arguments: ["", "8080", ":8080", "host:", "host:0", "host:65536", "host:x", "a b:1", "a;b:1", "{:1"])
    func refuse(text: String) {
        let fault = #expect(throws: Fault.self) { try EdgeAddress(text) }
        #expect(fault?.field == "CONSTINTEL_EDGE")
    }

    @Test("an address that somebody listens on is refused by name, and a free one is not")
    func inUse() throws {
        let listener = try Listener()
        let fault = #expect(throws: Fault.self) { try listener.address.checkItIsFree() }
        #expect(fault?.code == .conflict)
        #expect(fault?.description.contains("\(listener.address)") == true)
        #expect(fault?.detail.contains("CONSTINTEL_EDGE") == true)
        try freeAddress().checkItIsFree()
    }
}
