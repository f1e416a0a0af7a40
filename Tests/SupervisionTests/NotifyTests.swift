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
