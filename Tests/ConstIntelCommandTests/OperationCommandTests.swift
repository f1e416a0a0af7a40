import ArgumentParser
import TestSupport
import Testing

@testable import ConstIntelCommand

/// `x-constintel-cli` in both documents, held to the commands that there are.
@Suite("Commands for operations of the API") struct OperationCommandTests {
    @Test("every operation has its command, and an id of its own", arguments: ["ControlPlane", "DataPlane"])
    func commands(room: String) throws {
        let operations = try OpenAPIDocument(of: room).described()
        #expect(operations.count > 30)
        #expect(Set(operations.map(\.id)).count == operations.count, "an operationId is there twice")
        // What a browser asks by itself is nobody's command.
        for operation in operations where operation.method != "OPTIONS" {
            let name = "\(operation.method) \(operation.path)"
            guard let words = operation.command?.split(separator: " ").map(String.init) else {
                Issue.record("\(name) has no command: name one as x-constintel-cli, or make one")
                continue
            }
            let command = Self.command(words)
            #expect(command != nil, "\(name) names '\(words.joined(separator: " "))', which is not there")
            #expect(command?.configuration.subcommands.isEmpty ?? true, "\(name) names a group")
        }
        print("\(room): \(operations.count) operations by \(Set(operations.map(\.command)).count) commands")
    }

    @Test("a command that is not there is noticed")
    func noticed() {
        #expect(Self.command(["brand", "create"]) != nil)
        #expect(Self.command(["brand", "invent"]) == nil)
    }

    /// The command of these words.
    private static func command(_ words: [String]) -> (any ParsableCommand.Type)? {
        words.reduce(ConstIntel.self) { (command: (any ParsableCommand.Type)?, word) in
            command?.configuration.subcommands.first { $0._commandName == word }
        }
    }
}
