import FoundationEssentials
import Glibc
import Kernel
import Sealing
import Supervision
import Testing

@testable import Embedded

@Suite("The edge", .timeLimit(.minutes(5)))
struct EdgeTests {
    @Test("what is the control plane's goes to it as it was sent, with a key or without")
    func control() async throws {
        try await Edge.with { edge in
            for target in [
                "/api/auth/login", "/api/admin/brands?limit=1&q=%2F", "/api/onboarding/start",
                "/api/provisioning/x", "/api/admin/operations/1/events", "/console", "/console/brands",
                "/healthz",
                "/readyz", "/metrics", "/api/auth",
            ] {
                for headers in [[], ["X-API-Key: \(key("acme"))"]] {
                    let answer = try HTTPExchange("GET", target, headers, to: edge.address)
                    #expect(answer.status == 200, "\(target)")
                    let echo = try answer.echo()
                    #expect(echo.who == "constinteld" && echo.target == target)
                }
            }
        }
    }

    @Test("every other path goes to the brand in the key, in either header and any case of Bearer")
    func byKey() async throws {
        try await Edge.with { edge in
            for target in [
                "/api/events", "/api/authx?a=%20b", "/v1/track", "/api/profiles/%C3%A9",
                "/api/integrations/csv",
            ] {
                for header in [
                    "Authorization: Bearer \(key("acme"))", "authorization: bearer  \(key("acme", .test))",
                    "X-API-Key: \(key("acme", .browser))",
                ] {
                    let echo = try edge.get(target, header).echo()
                    #expect(echo.who == "acme" && echo.target == target, "\(target) \(header)")
                }
            }
            let longest = try edge.get("/api/events", "X-API-Key: \(key(Edge.longest))").echo()
            #expect(longest.who == Edge.longest)
            let both = try edge.get(
                "/api/x", "X-API-Key: \(key("asleep"))", "Authorization: Bearer \(key("acme"))")
            #expect(try both.echo().who == "acme")
            let other = try edge.get(
                "/api/x", "X-API-Key: \(key("acme"))", "Authorization: Bearer a.jwt.token")
            #expect(try other.echo().who == "acme")
        }
    }

    @Test("a path of a brand goes to it without the prefix, byte for byte")
    func byPath() async throws {
        try await Edge.with { edge in
            for rest in [
                "/", "/api/events?limit=1", "/api/admin/x", "/webhooks/shopify%2Forders",
                "/api/a%0d%0aX-Evil:%201",
                "/console", "/api/integrations/csv?name=a%20b", "/api/operations/1/events", "/?a=/b/other/c",
                "/constintel-tracker.js",
            ] {
                let echo = try edge.get("/b/acme\(rest)").echo()
                #expect(echo.who == "acme" && echo.target == rest, "\(rest)")
                #expect(echo.headers["x-evil"] == nil)
            }
            let key = key("asleep")
            #expect(
                try edge.get("/b/acme/api/events", "X-API-Key: \(key)").echo().headers["x-api-key"] == key)
        }
    }

    @Test("a brand that does not exist is 404, and one that does not answer is 503, both as problems")
    func unknownAndSilent() async throws {
        try await Edge.with { edge in
            // A socket file that a killed instance left behind.
            #expect(try leaveSocket(at: edge.state.instanceSocket(Slug("quiet"))))
            for (slug, status, code) in [
                ("nobody", 404, "not-found"), ("quiet", 503, "unavailable"), ("asleep", 503, "unavailable"),
            ] {
                for answer in [
                    try edge.get("/b/\(slug)/api/events"),
                    try edge.get("/api/events", "X-API-Key: \(key(slug))"),
                    try HTTPExchange(
                        "POST", "/api/integrations/csv", ["X-API-Key: \(key(slug))"], body: [1, 2],
                        to: edge.address),
                ] {
                    #expect(answer.status == status)
                    let problem = try answer.problem()
                    #expect(problem.code == code && problem.detail.contains("'\(slug)'"))
                    #expect((answer.headers["retry-after"] != nil) == (status == 503))
                }
            }
            edge.state.unmark(try Slug("acme"))
            #expect(try edge.get("/b/acme/").status == 404)
            try await edge.supervisor.stop("echo")
            let control = try edge.get("/healthz")
            #expect(control.status == 503)
            #expect(try control.problem().detail == "the control plane is not answering")
        }
    }

    @Test("what an instance measures is not shown at the edge, however its path is written")
    func metrics() async throws {
        try await Edge.with { edge in
            for rest in [
                "/metrics", "/metrics/", "//metrics", "/metrics?a=b", "/%6detrics", "/metrics%2F",
                "/./metrics", "/x/../metrics", "/metrics/.", "/metrics//", "/x/..%2fmetrics", "/metrics#x",
            ] {
                let answer = try edge.get("/b/acme\(rest)", "X-API-Key: \(key("acme"))")
                #expect(answer.status == 404, "\(rest)")
                #expect(try answer.problem().code == "not-found")
            }
            #expect(try edge.get("/b/acme/api/metrics").echo().target == "/api/metrics")
            #expect(try edge.get("/metrics").echo().who == "constinteld")
        }
    }

    @Test("hostile and reserved slugs lead nowhere")
    func hostile() async throws {
        try await Edge.with { edge in
            let names =
                Slug.reserved.sorted() + [
                    "pg-x", "ACME", "a--b", "-acme", "acme-", "a", "9acme", "acme.known", "acme%00", "..",
                    "%2e%2e", "*",
                    "acme%2F..", "a_b", "$brand", "acm%65", "é", String(repeating: "a", count: 33),
                ]
            for name in names {
                try PrivateFiles.write("", to: "\(edge.state.run)/instances/\(name).known")
                let path = try edge.get("/b/\(name)/x")
                #expect((400...404).contains(path.status) && path.status != 401, "\(name): \(path.status)")
                _ = try path.problem()
                let keyed = try edge.get("/api/events", "X-API-Key: ci_live_\(name)_AbCdEfGhIjKl_\(tail)")
                #expect((400...404).contains(keyed.status), "\(name): \(keyed.status)")
                _ = try keyed.problem()
            }
            for target in [
                "/", "/b", "/b/", "/b/acme", "//b/acme/x", "/x", "/-/problem/503", "/api", "/apix",
                "/%62/acme/x",
            ] {
                let answer = try edge.get(target)
                #expect(answer.status == 404, "\(target)")
                #expect(try answer.problem().code == "not-found")
            }
        }
    }

    @Test("without a key that names a brand the answer is 401, as a problem")
    func noKey() async throws {
        try await Edge.with { edge in
            for header in [
                "X-Other: 1", "Authorization: Basic \(key("acme"))", "Authorization: Bearer",
                "Authorization: \(key("acme"))",
                "X-API-Key: ci_prod_acme_\(tail)", "X-API-Key: ci_live_acme", "X-API-Key: ci_live_acme_",
                "X-API-Key: xci_live_acme_\(tail)", "X-API-Key: ci_live_acme_a/../b",
                "X-API-Key: CI_LIVE_acme_\(tail)",
                "Authorization: Bearer \(key("acme")) x", "X-API-Key: ci_live_pg-x_\(tail)",
            ] {
                for target in [
                    "/api/events", "/v1/track", "/api/integrations/csv", "/api/operations/1/events",
                ] {
                    let answer = try edge.get(target, header)
                    #expect(answer.status == 401, "\(header)")
                    #expect(answer.headers["www-authenticate"] == "Bearer")
                    #expect(try answer.problem().code == "unauthenticated")
                }
            }
        }
    }

    @Test("a body above the limit is 413 as a problem, except for files, and gets nowhere")
    func bodies() async throws {
        try await Edge.with { edge in
            let large = [UInt8](repeating: 0x61, count: 9 << 20)
            for target in ["/b/acme/api/events", "/api/admin/brands"] {
                let refused = try HTTPExchange("POST", target, [], body: large, to: edge.address)
                #expect(refused.status == 413)
                #expect(try refused.problem().code == "too-large")
            }
            let file = try HTTPExchange(
                "POST", "/b/acme/api/integrations/csv", [], body: large, to: edge.address)
            #expect(try file.echo().length == large.count)
            let keyed = try HTTPExchange(
                "POST", "/api/integrations/csv", ["X-API-Key: \(key("acme"))"], body: large, to: edge.address)
            #expect(try keyed.echo().length == large.count)
            let declared = ["Content-Length: \(3 << 30)"]
            let huge = try HTTPExchange("POST", "/b/acme/api/integrations/csv", declared, to: edge.address)
            #expect(try huge.problem().status == 413)
        }
    }

    @Test("a request that is not HTTP is answered with a problem and no 5xx")
    func malformed() async throws {
        try await Edge.with { edge in
            let long = String(repeating: "x", count: 20_000)
            for (request, status) in [
                ("GET / HTTP/1.1\r\n\r\n", 400), ("GET /\u{1} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
                ("nonsense\r\n\r\n", 400), ("GET / HTTP/9.9\r\nHost: a\r\n\r\n", 400),
                ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: magic\r\n\r\n", 400),
                ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
                ("GET /b/%zz/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
                ("GET /../../x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
                ("GET /\(long) HTTP/1.1\r\nHost: a\r\n\r\n", 414),
                ("GET / HTTP/1.1\r\nHost: a\r\nX-Long: \(long)\r\n\r\n", 431),
                ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
            ] {
                let answer = try HTTPExchange(Array(request.utf8), to: edge.address)
                #expect(answer.status == status, "\(request.prefix(40))")
                _ = try answer.problem()
            }
        }
    }

    @Test("the caller's request id is kept where it is harmless, and every answer has one")
    func requestID() async throws {
        try await Edge.with { edge in
            for target in ["/b/acme/x", "/healthz", "/b/nobody/x", "/b/asleep/x", "/api/x"] {
                let kept = try edge.get(target, "X-Request-Id: order-7/a+b=")
                #expect(kept.headers["x-request-id"] == "order-7/a+b=")
                if kept.status == 200 { #expect(try kept.echo().headers["x-request-id"] == "order-7/a+b=") }
                for id in ["a\"b", "a b", "a\\b", String(repeating: "x", count: 65), "é"] {
                    let replaced = try edge.get(target, "X-Request-Id: \(id)").headers["x-request-id"]
                    #expect(replaced?.count == 32, "\(id)")
                }
            }
        }
    }

    @Test("of a brand's requests 256 are under way at once, half-sent ones too, and others notice nothing")
    func crowd() async throws {
        var files = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
        files.rlim_cur = min(files.rlim_max, max(files.rlim_cur, 4096))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
        try await Edge.with { edge in
            let half = "POST /b/acme/api/x HTTP/1.1\r\nHost: edge.test\r\nContent-Length: 10\r\n\r\n"
            func hold() throws -> Int32 { try HTTPExchange.open(Array(half.utf8), to: edge.address) }
            var held = try (0..<255).map { _ in try hold() }
            defer { for socket in held { close(socket) } }
            for _ in 0..<20 { #expect(try edge.get("/b/acme/").status == 200, "this one is the 256th") }
            // One that is sent is not yet seen, and may then find its place taken.
            var refused = try edge.get("/b/acme/")
            while refused.status == 200, held.count < 1000 {
                held.append(try hold())
                refused = try edge.get("/api/x", "X-API-Key: \(key("acme"))")
            }
            #expect(refused.status == 429 && refused.headers["retry-after"] == "1")
            let problem = try refused.problem()
            #expect(problem.code == "limited" && problem.detail.contains("'acme'"))
            #expect(try edge.get("/b/\(Edge.longest)/").status == 200)
            #expect(try edge.get("/healthz").status == 200)
            for socket in held { close(socket) }
            held = []
            while refused.status == 429 { refused = try edge.get("/b/acme/") }
            #expect(refused.status == 200)
        }
    }

    @Test("what a client says about itself by proxy headers is not believed")
    func forwarded() async throws {
        try await Edge.with { edge in
            let echo = try edge.get("/b/acme/x", "X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https")
                .echo()
            #expect(echo.headers["x-forwarded-for"] == "127.0.0.1")
            #expect(echo.headers["x-forwarded-proto"] == "http")
            #expect(echo.headers["host"] == "edge.test")
        }
    }

    private let tail = "AbCdEfGhIjKl_0123456789abcdefghijklmnopqrst"

    private func key(_ slug: String, _ environment: APIKeyText.Environment = .live) -> String {
        "ci_\(environment.rawValue)_\(slug)_\(tail)"
    }

    private func leaveSocket(at path: String) -> Bool {
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        return UnixSocketAddress(path)?.withSockaddr { bind(socket, $0, $1) } == 0
    }
}
