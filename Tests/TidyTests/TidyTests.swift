import Foundation
import Testing

/// The parts of the house style that can be checked. Each message says what to do instead.
@Suite("The house is tidy")
struct TidyTests {
    private static let everything = Checkout.sources + Checkout.tests

    @Test("there are sources to look at")
    func denominator() {
        #expect(Checkout.sources.count > 100, "found \(Checkout.sources.count) files under \(Checkout.root)")
        print("tidy: \(Checkout.sources.count) source files and \(Checkout.tests.count) test files")
    }

    @Test("files have at most 400 lines, and lines at most 110 columns")
    func sizes() {
        for file in TidyTests.everything {
            #expect(file.lines.count <= 401, "\(file) has \(file.lines.count) lines: split it along an idea")
            for (index, line) in file.lines.enumerated() {
                #expect(line.count <= 110, "\(file):\(index + 1) has \(line.count) columns: break the line")
            }
        }
    }

    @Test("functions have at most 50 lines")
    func functions() {
        for file in Checkout.sources {
            var start: (line: Int, indentation: String)?
            for (index, line) in file.lines.enumerated() {
                let indentation = String(line.prefix { $0 == " " })
                if line.contains("func ") || line.trimmingCharacters(in: .whitespaces).hasPrefix("init"),
                    !line.trimmingCharacters(in: .whitespaces).hasPrefix("//"), start == nil
                {
                    start = (index, indentation)
                } else if let open = start, line == open.indentation + "}" {
                    let length = index - open.line + 1
                    #expect(
                        length <= 50, "\(file):\(open.line + 1) has \(length) lines: split it along an idea")
                    start = nil
                } else if let open = start, line.hasPrefix(open.indentation), indentation == open.indentation,
                    line.contains("func ")
                {
                    start = (index, indentation)
                }
            }
        }
    }

    @Test("no file is called after nothing in particular")
    func names() {
        for file in Checkout.sources {
            for word in ["Util", "Helper", "Manager", "Common", "Misc"] {
                #expect(!file.name.contains(word), "\(file): name it after what it is, not '\(word)'")
            }
        }
    }

    @Test("SQL is written in stores only")
    func sqlInStores() throws {
        let statement = try Regex(#"^\s*"?(select|insert into|update|delete from|create table|alter role)\s"#)
        let allowed = ["Postgres", "ControlSchema", "TenantSchema"]
        for file in Checkout.sources where !file.name.hasSuffix("Store.swift") && !allowed.contains(file.room)
        {
            for (index, line) in file.lines.enumerated() where !line.contains("//") {
                #expect(
                    line.firstMatch(of: statement) == nil,
                    "\(file):\(index + 1) has SQL: move it to the room's …Store.swift")
            }
        }
    }

    @Test("a C module is imported by one room, the driver over it")
    func drivers() {
        let owners = [
            "CPostgres": ["Postgres"], "CHiredis": ["Redis"], "COpenSSL": ["Sealing"],
            "CCsv": ["Integrations"], "CZlib": ["Web"], "CSystemd": ["Supervision"],
            "CPhoneNumber": ["Customers"], "CLinux": ["Reactor", "Supervision", "Embedded"],
        ]
        for file in Checkout.sources {
            for module in file.imports where module.hasPrefix("C") {
                guard let rooms = owners[module] else { continue }
                #expect(
                    rooms.contains(file.room),
                    "\(file) imports \(module): go through \(rooms.joined(separator: ", "))")
            }
        }
    }

    @Test("imports point upstream: neither plane knows the other, and data rooms know no HTTP server")
    func arrows() {
        let forbidden: [String: Set<String>] = [
            "Kernel": ["Hummingbird", "NIOCore", "Postgres", "Redis", "Logging", "Foundation"],
            "Events": [
                "Customers", "Commerce", "Integrations", "DataPlane", "ControlPlane", "Hummingbird", "Web",
            ],
            "Customers": ["Commerce", "Integrations", "DataPlane", "ControlPlane", "Hummingbird", "Web"],
            "Commerce": ["Integrations", "DataPlane", "ControlPlane", "Hummingbird", "Web"],
            "Integrations": ["DataPlane", "ControlPlane", "Hummingbird", "Web"],
            "DataPlane": ["ControlPlane", "ControlSchema", "Embedded"],
            "ControlPlane": ["DataPlane", "Events", "Customers", "Commerce", "Integrations"],
            "ConstIntelCommand": ["Postgres", "Redis", "ControlPlane", "DataPlane", "Hummingbird"],
            "Contract": ["Postgres", "Redis", "Hummingbird", "Web"],
        ]
        for file in Checkout.sources {
            for module in file.imports where forbidden[file.room]?.contains(module) == true {
                Issue.record("\(file) imports \(module): data flows downstream, and imports point upstream")
            }
        }
    }

    @Test("public and package declarations are documented")
    func documentation() throws {
        let declaration = try Regex(
            #"^\s*(@\w+(\(.*\))? )*(public|package) (static |final |nonisolated |mutating |consuming )*"#
                + #"(func|struct|class|enum|actor|protocol|var|let|typealias) "#)
        for file in Checkout.sources {
            for (index, line) in file.lines.enumerated() where line.firstMatch(of: declaration) != nil {
                #expect(
                    isDocumented(file, index) || isRequirementOrMember(file, index, line),
                    "\(file):\(index + 1): say in one sentence what it promises")
            }
        }
    }

    /// Whether a doc comment stands above the line, attributes between them allowed.
    private func isDocumented(_ file: Checkout.File, _ index: Int) -> Bool {
        var above = index - 1
        while above >= 0, file.lines[above].trimmingCharacters(in: .whitespaces).hasPrefix("@") { above -= 1 }
        return above >= 0 && file.lines[above].trimmingCharacters(in: .whitespaces).hasPrefix("///")
    }

    /// What the language or a protocol demands is documented there; a stored property is, by its type, where
    /// it stands beside others.
    private func isRequirementOrMember(_ file: Checkout.File, _ index: Int, _ line: String) -> Bool {
        let indented = line.hasPrefix("    ")
        let demanded = [
            " var description", " var debugDescription", " func run()", " func encode(", " func handle(",
            " func hash(",
            " static func <", " static func ==", " static func +", " static func -", " let rawValue",
            " customMirror",
            " func project(", " static let configuration", " func enqueue(", " func checkIsolated",
            " var errorDescription",
        ]
        return demanded.contains { line.contains($0) } || indented
    }

    @Test("nothing is left to do in the sources")
    func unfinished() {
        let words = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]
        for file in TidyTests.everything {
            for (index, line) in file.lines.enumerated() {
                for word in words {
                    #expect(
                        !line.contains(word), "\(file):\(index + 1) says \(word): do it, or open an issue")
                }
            }
        }
    }

    @Test("every saga that can get stuck has its runbook")
    func runbooks() throws {
        let reference = try Regex(#"runbooks/[a-z-]+\.md"#)
        var found = 0
        for file in Checkout.sources {
            for line in file.lines {
                for match in line.matches(of: reference) {
                    let path = String(line[match.range])
                    found += 1
                    #expect(
                        FileManager.default.fileExists(atPath: "\(Checkout.root)/\(path)"),
                        "\(file) names \(path)")
                }
            }
        }
        #expect(found > 0)
    }
}
