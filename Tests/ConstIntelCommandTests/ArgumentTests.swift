import ArgumentParser
import Kernel
import Testing

@testable import ConstIntelCommand

@Suite struct ArgumentTests {
    private func parse<Command: ParsableCommand>(_ type: Command.Type, _ arguments: String...) throws
        -> Command
    {
        try #require(try ConstIntel.parseAsRoot(arguments) as? Command)
    }

    @Test("an import's options become the query, mappings in their order, columns with any characters")
    func importQuery() throws {
        let command = try parse(
            EventsImport.self, "events", "import", "orders.txt", "--brand", "demo", "--delimiter",
            "whitespace",
            "--date-format", "yyyyMMdd", "--map", "total=dollar value", "--map", "note=a=b:c", "--no-header")
        let query = command.format.query.map { "\($0.name)=\($0.value)" }
        #expect(
            query == [
                "delimiter=whitespace", "header=false", "dateFormat=yyyyMMdd", "map=total:dollar value",
                "map=note:a=b:c",
            ])
        #expect(
            ServiceAddress.web(base: "http://h").url(path: "/p", query: [("map", "note:a=b:c & ü")])
                == "http://h/p?map=note%3Aa%3Db%3Ac%20%26%20%C3%BC")
    }

    @Test(
        "wrong arguments are usage errors that say what was expected",
        arguments: [
            (["brand", "create", "Bad"], "a-z"),
            (["brand", "create", "admin"], "reserved"),
            (["brand", "show", "../../x"], "a-z"),
            (["events", "import", "f", "--brand", "demo", "--map", "total"], "target=column"),
            (["events", "import", "f", "--brand", "demo", "--delimiter", "ab"], "semicolon"),
            (["events", "import", "f", "--brand", "demo", "--delimiter", "é"], "ASCII"),
            (["events", "import", "f"], "--brand"),
            (["key", "create", "demo", "--name", "n", "--scope", "all"], "events:write"),
            (["key", "create", "demo", "--name", "n", "--expires-at", "2026-02-30"], "2027-01-31"),
            (["key", "create", "demo", "--name", "n", "--origin", "https://a.example"], "--browser"),
            (["key", "create", "demo", "--name", "n", "--browser", "--environment", "test"], "not both"),
            (["key", "rotate", "demo", "x", "--overlap", "soon"], "15m"),
            (["user", "create", "a@b.com", "--role", "brand_owner"], "--brand"),
            (["user", "create", "a@b.com", "--role", "admin", "--brand", "demo"], "no --brand"),
            (["user", "create", "a@b.com", "--role", "king"], "brand_user"),
            (["profiles", "show", "7", "--brand", "demo"], "36 characters"),
            (["profiles", "find", "--identifier", "a@b.com", "--brand", "demo"], "kind=value"),
            (["brand", "list", "--limit", "0"], "at least 1"),
            (["brand", "create", "demo", "--plan", "pro"], "pro"),
            (["brand", "update", "demo"], "--time-zone"),
            (["brand", "suspend", "demo"], "--reason"),
            (["brand", "plan", "demo"], "name"),
            (["brand", "purge", "demo", "--confirm", "dmeo"], "the slug once more: 'demo'"),
            (["brand", "delete", "demo", "--grace-days", "soon"], "--grace-days"),
            (["instance", "upgrade", "demo"], "release"),
            (["dead-letters", "replay", "--brand", "demo"], "say which"),
            (["dead-letters", "discard", "1-0", "--all", "--brand", "demo"], "say which"),
            (["dead-letters", "replay", "--all", "--event", "f", "--brand", "demo"], "name its id"),
            (["streams", "read", "dead", "--brand", "demo"], "dead-letters"),
            (["instance", "pause", "demo"], "--reason"),
            (["instance", "logs", "demo", "--lines", "0"], "1 to 1000"),
            (["instance", "logs", "demo", "--since", "soon"], "15m"),
            (["operation", "watch", "7"], "36 characters"),
            (["operation", "list", "--state", "odd"], "stuck"),
            (["brand", "list", "--output", "xml"], "json"),
            (["metrics", "show", "demo", "--from", "2026-02-30"], "2027-01-31"),
            (["metrics", "show", "demo", "--from", "2026-02-02", "--to", "2026-02-01"], "--to"),
            (["metrics", "market", "--brand", "demo", "--industry", "fashion"], "--brand"),
            (["tracker", "demo", "--key", "ci_live_demo_8fK2"], "everybody can read it"),
            (["tracker", "demo", "--key", "ci_pub_acme_8fK2"], "ci_pub_demo_"),
            (["login", "--email", "a@b.com"], "CONSTINTEL_URL"),
            (["products", "set", "--brand", "demo"], "--file"),
            (["products", "set", "p", "--file", "f", "--name", "n", "--brand", "demo"], "--file"),
            (["products", "set", "p", "--brand", "demo"], "--name"),
            (["products", "set", "p", "--name", "n", "--price", "1,5", "--brand", "demo"], "29.90"),
            (["products", "set", "p", "--name", "n", "--metadata", "red", "--brand", "demo"], "name=value"),
            (["inventory", "set", "p", "--quantity", "1", "--brand", "demo"], "a product and a store"),
            (["inventory", "set", "p", "s", "--brand", "demo"], "--quantity"),
            (["frobnicate"], "frobnicate"),
        ])
    func usage(arguments: [String], expected: String) async {
        let outcome = await constintel(arguments, environment: ["HOME": "/nonexistent"])
        #expect(outcome.status == ExitStatus.usage.rawValue)
        #expect(outcome.error.contains(expected))
        #expect(outcome.output.isEmpty)
    }

    @Test("a key's end may be a day or a date-time")
    func expiry() throws {
        for text in ["2027-01-31", "2027-01-31T00:00:00Z", "2027-01-31T05:30:00+05:30"] {
            let command = try parse(
                KeyCreate.self, "key", "create", "demo", "--name", "n", "--expires-at", text)
            #expect(command.expiresAt == Timestamp(year: 2027, month: 1, day: 31))
        }
    }

    @Test("every command's help has an abstract and an example, and the root's tells the exit statuses")
    func help() async {
        var waiting: [any ParsableCommand.Type] = [ConstIntel.self]
        var count = 0
        while let command = waiting.popLast() {
            count += 1
            #expect(command.configuration.abstract.hasSuffix("."), "\(command)")
            #expect(
                command.configuration.discussion.contains("Example:\n  constintel")
                    || command.configuration.discussion.contains("Example:\n  echo"), "\(command)")
            waiting += command.configuration.subcommands
        }
        #expect(count == 152)
        let outcome = await constintel(["--help"], environment: [:])
        #expect(outcome.status == 0)
        for status in ["0   done", "1   refused", "2   the service", "3   done, but", "64  wrong"] {
            #expect(outcome.output.contains(status))
        }
    }

    @Test("base URLs are http or https with a host, and lose a slash at their end")
    func addresses() {
        #expect(ServiceAddress(webURL: "https://ci.example/")?.description == "https://ci.example")
        #expect(
            ServiceAddress(webURL: "http://127.0.0.1:8080/b/acme")
                == .web(base: "http://127.0.0.1:8080/b/acme"))
        for text in ["ci.example", "ftp://ci.example", "https://", "https://a?b", "file:///etc/passwd", ""] {
            #expect(ServiceAddress(webURL: text) == nil, "\(text)")
        }
        #expect(ServiceAddress(webURL: "http://ci.example")?.isReadableOnTheWay == true)
        #expect(ServiceAddress(webURL: "http://localhost:8080")?.isReadableOnTheWay == false)
        #expect(ServiceAddress(webURL: "https://ci.example")?.isReadableOnTheWay == false)
    }

    @Test("a socket's path is one escaped part of the URL")
    func socketURL() {
        let url = ServiceAddress.socket(path: "/var/lib/ci/run/operator.sock").url(path: "/readyz")
        #expect(url == "http+unix://%2Fvar%2Flib%2Fci%2Frun%2Foperator.sock/readyz")
    }

    @Test("input is one event, a batch, or lines that are sent 1,000 at a time")
    func eventInput() {
        func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
        #expect(EventInput(bytes("{\n\"type\":\"search\"}")) == .single(bytes("{\n\"type\":\"search\"}")))
        #expect(EventInput(bytes(#"{"events":[]}"#)) == .batch(bytes(#"{"events":[]}"#)))
        #expect(EventInput(bytes(#"[{"a":1}]"#)) == .batch(bytes(#"{"events":[{"a":1}]}"#)))
        #expect(EventInput(bytes("{broken")) == .single(bytes("{broken")))
        let lines = (0..<2500).map { "{\"n\":\($0)}\n" }.joined() + "\n"
        guard case .lines(let batches) = EventInput(bytes(lines)) else {
            Issue.record("lines are not seen as lines")
            return
        }
        #expect(batches.map(\.firstIndex) == [0, 1000, 2000])
        #expect(batches.flatMap(\.bytes) == bytes(String(lines.dropLast())))
    }
}
