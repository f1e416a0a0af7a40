import ArgumentParser
import Foundation
import Testing

@testable import ConstIntelCommand

/// What runbooks tell to type. Those in fenced blocks are also run (`RunbookJourney`).
@Suite("The commands of the runbooks")
struct RunbookCommandTests {
    private static let directory =
        (ProcessInfo.processInfo.environment["CONSTINTEL_TEST_CHECKOUT"] ?? ".") + "/runbooks"

    @Test("every command in a runbook is one that there is, with options that there are")
    func commands() throws {
        let pages = try FileManager.default.contentsOfDirectory(atPath: RunbookCommandTests.directory)
        var count = 0
        for page in pages where page.hasSuffix(".md") {
            let text = try String(
                contentsOfFile: "\(RunbookCommandTests.directory)/\(page)", encoding: .utf8)
            for command in RunbookCommandTests.commands(in: text) {
                count += 1
                // Text that only names a command.
                if RunbookCommandTests.names.contains(command) { continue }
                do {
                    _ = try ConstIntel.parseAsRoot(RunbookCommandTests.words(of: command))
                } catch {
                    Issue.record("\(page): constintel \(command): \(ConstIntel.message(for: error))")
                }
            }
        }
        #expect(count > 150, "\(count)")
    }

    @Test("a command that is none is found")
    func wrong() {
        #expect(
            RunbookCommandTests.commands(in: "See `constintel brand shew <slug>`.") == ["brand shew <slug>"])
        #expect(throws: (any Error).self) {
            _ = try ConstIntel.parseAsRoot(RunbookCommandTests.words(of: "brand list --limitt 3"))
        }
    }

    /// Every command by its words.
    private static let names: Set<String> = {
        var found: Set<String> = []
        var waiting: [(any ParsableCommand.Type, [String])] = [(ConstIntel.self, [])]
        while let (command, words) = waiting.popLast() {
            found.insert(words.joined(separator: " "))
            waiting += command.configuration.subcommands.map {
                ($0, words + [$0.configuration.commandName ?? ""])
            }
        }
        return found
    }()

    /// What follows the program's name wherever the text quotes it as code, comments and pipes left out.
    private static func commands(in text: String) -> [String] {
        var isFenced = false
        var found: [String] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") {
                isFenced.toggle()
            } else if isFenced || line.hasPrefix("    ") {
                found += parts(of: String(line))
            } else {
                found += line.split(separator: "`", omittingEmptySubsequences: false).enumerated()
                    .filter { $0.offset % 2 == 1 }.flatMap { parts(of: String($0.element)) }
            }
        }
        return found
    }

    private static func parts(of line: String) -> [String] {
        let code = line.split(separator: #/(^|\s)#(\s|$)/#, maxSplits: 1, omittingEmptySubsequences: false)[0]
        return code.split(separator: #/\||&&|;/#).compactMap { part in
            let words = part.drop { $0 == " " || $0 == "$" }
            guard words.hasPrefix("constintel "), !words.contains("…") else { return nil }
            return words.dropFirst("constintel ".count).trimmingCharacters(in: .whitespaces)
        }
    }

    /// The words as a shell splits them, with something in the place of what is to be filled in.
    private static func words(of command: String) -> [String] {
        var words: [String] = []
        for (index, part) in command.split(separator: "\"", omittingEmptySubsequences: false).enumerated() {
            if index % 2 == 1 {
                words.append(String(part))
            } else {
                words += part.split(separator: " ").map(filled)
            }
        }
        return words
    }

    private static func filled(_ word: Substring) -> String {
        let id = "0198c5f2-8b7a-7c3e-9d0a-0242ac120002"
        return switch word {
        case "ID", "<id>": id
        case _ where word.hasPrefix("<") && word.hasSuffix(">"): "acme"
        default: String(word)
        }
    }
}
