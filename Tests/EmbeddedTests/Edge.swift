import FoundationEssentials
import Glibc
import Kernel
import Supervision
import Testing

@testable import Embedded

/// A running edge in front of servers that say what they were asked.
struct Edge {
    let address: EdgeAddress
    let supervisor: ChildProcessSupervisor
    let state: StateDirectory

    /// Runs `body` with an edge before a control plane and the brand `acme`; the brand `quiet` is known and
    /// has a socket that nobody serves, `asleep` is known and has none.
    static func with(_ body: (Edge) async throws -> Void) async throws {
        let directory = try TestDirectory()
        let state = try StateDirectory(path: "\(directory.path)/a b")
        let address = try freeAddress()
        for slug in ["acme", "quiet", "asleep", longest] { try state.markKnown(Slug(slug)) }
        try await running(makeSupervisor(over: state)) { supervisor in
            try await supervisor.start(echoes(in: state))
            try await supervisor.awaitReady("echo")
            try await makeServices(over: state, edge: address).startEdge(under: supervisor)
            try await body(Edge(address: address, supervisor: supervisor, state: state))
        }
        withExtendedLifetime(directory) {}
    }

    /// A slug of 32 characters, with an instance.
    static let longest = "a" + String(repeating: "b2-c", count: 7) + "xyz"

    func get(_ target: String, _ headers: String...) throws -> HTTPExchange {
        try HTTPExchange("GET", target, headers, to: address)
    }

    /// A program that answers on several sockets with what it was asked; `/slow` never answers.
    private static func echoes(in state: StateDirectory) throws -> UnitSpecification {
        let program = """
            import http.server, json, os, socket, socketserver, sys, threading
            class Echo(http.server.BaseHTTPRequestHandler):
                protocol_version = "HTTP/1.1"
                def answer(self):
                    rest = int(self.headers.get("Content-Length") or 0)
                    length = rest
                    while rest > 0: rest -= len(self.rfile.read(min(rest, 65536)))
                    body = json.dumps({
                        "who": self.server.who, "method": self.command, "target": self.path, "length": length,
                        "headers": {name.lower(): value for name, value in self.headers.items()}}).encode()
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.send_header("X-Request-Id", "from-within")
                    self.end_headers()
                    self.wfile.write(body)
                do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = answer
                def address_string(self): return "edge"
                def log_message(self, *_): pass
            class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
                daemon_threads = True
            for path in sys.argv[1:]:
                server = Server(path, Echo)
                server.who = os.path.basename(path).removesuffix(".sock")
                threading.Thread(target=server.serve_forever, daemon=True).start()
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                s.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
            threading.Event().wait()
            """
        let instances = try ["acme", longest].map { try state.instanceSocket(Slug($0)) }
        return UnitSpecification(
            name: "echo", executable: "/usr/bin/python3",
            arguments: ["-c", program, state.controlSocket] + instances, logFile: state.logFile("echo"),
            readiness: .notify)
    }
}
