import Testing

@testable import Supervision

@Suite("Notifications")
struct NotifyTests {
    @Test("a message is read line by line, and MAINPID and what is unknown are ignored")
    func parse() {
        let message = NotifyMessage("MAINPID=1\nREADY=1\nSTATUS=warming up = 3\nX=\n".utf8)
        #expect(message.isReady && !message.isStopping)
        #expect(message.status == "warming up = 3")
        #expect(NotifyMessage("READY=10\nREADY=0".utf8) == NotifyMessage("".utf8))
        #expect(NotifyMessage("STOPPING=1".utf8).isStopping)
    }

    @Test("what a notifier says arrives, in order")
    func arrives() async throws {
        let directory = try TestDirectory()
        let socket = try NotifySocket(path: "\(directory.path)/n")
        let notifier = SystemdNotifier(socket: "\(directory.path)/n")
        #expect(notifier.ready() && notifier.status("two\nlines") && notifier.stopping())
        var heard: [NotifyMessage] = []
        for await message in socket.messages {
            heard.append(message)
            if heard.count == 3 { break }
        }
        #expect(heard[0].isReady)
        #expect(heard[1].status == "two lines")
        #expect(heard[2].isStopping)
    }

    @Test("a watchdog speaks after all its checks, each period, and not while one of them hangs")
    func watchdog() async throws {
        let directory = try TestDirectory()
        let socket = try NotifySocket(path: "\(directory.path)/n")
        let (turns, turn) = AsyncStream.makeStream(of: Void.self)
        let watchdog = Watchdog(
            period: .milliseconds(1), notifier: SystemdNotifier(socket: "\(directory.path)/n"),
            checks: [{ turn.yield() }, { for await _ in turns { break } }])
        let speaking = Task { try await watchdog.run() }
        var heard = 0
        for await message in socket.messages {
            #expect(message.isAlive)
            heard += 1
            if heard == 3 { break }
        }
        speaking.cancel()
        try? await speaking.value

        let (hangs, hang) = AsyncStream.makeStream(of: Void.self)
        let hanging = Watchdog(
            period: .milliseconds(1), notifier: SystemdNotifier(socket: "\(directory.path)/o"),
            checks: [{ hang.yield() }, { try await Task.sleep(for: .seconds(3600)) }])
        let other = try NotifySocket(path: "\(directory.path)/o")
        let silent = Task { try await hanging.run() }
        for await _ in hangs { break }
        SystemdNotifier(socket: "\(directory.path)/o").status("the first word")
        for await message in other.messages {
            #expect(!message.isAlive && message.status == "the first word")
            break
        }
        silent.cancel()
        try? await silent.value
    }

    @Test("a notifier that nobody listens to stays silent")
    func silent() throws {
        #expect(!SystemdNotifier(socket: nil).ready())
        #expect(!SystemdNotifier(socket: "@constintel-nobody-listens").ready())
        #expect(!SystemdNotifier(socket: String(repeating: "x", count: 200)).ready())
    }

    @Test("a socket path of 107 bytes is taken, and one of 108 is not")
    func lengths() {
        #expect(UnixSocketAddress(String(repeating: "x", count: 107)) != nil)
        #expect(UnixSocketAddress(String(repeating: "x", count: 108)) == nil)
        #expect(UnixSocketAddress("") == nil)
    }
}
