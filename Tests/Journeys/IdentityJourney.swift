import Foundation
import TestSupport
import Testing

/// A person of the brand decides who is one customer, by the command line, through the edge.
@Suite("Who is one customer", .serialized)
struct IdentityJourney {
    @Test("a merge is previewed, done, seen in the history and taken back to the cent; a value is blocked")
    func decisions() async throws {
        try await Shop.with { shop in
            let events = [
                purchase("1", "email", "ann@example.com", "10.10"),
                purchase("2", "email", "anne@example.com", "5.05"),
                purchase("3", "email", "test@test.com", "1.00"),
            ]
            _ = try await answer(shop, ["events", "send"], input: events.joined(separator: "\n"))
            try await shop.drained()
            let ann = try await profile(shop, "ann@example.com")
            let anne = try await profile(shop, "anne@example.com")
            let merge = ["profiles", "merge", ann, anne, "--reason", "asked her"]
            let preview = try await answer(shop, merge + ["--preview"])
            #expect(preview.contains("15.15") && preview.contains("Nothing has been changed"))
            #expect(try await profile(shop, "anne@example.com") == anne)
            let shown = try #require(preview.split(separator: " ").last).trimmingCharacters(in: .newlines)
            #expect(try await answer(shop, merge + ["--shown", shown]).contains("15.15"))
            #expect(try await profile(shop, "anne@example.com") == ann)
            let again = try await shop.installation.run(merge + ["--brand", "demo", "--shown", shown])
            #expect(again.status == 1 && !again.errors.isEmpty)
            #expect(try await answer(shop, ["profiles", "history", ann]).contains("asked her"))

            let unmerge = ["profiles", "unmerge", ann, "--identifier", "email=anne@example.com"]
            let parted = try await answer(shop, unmerge + ["--reason", "two sisters"])
            #expect(parted.contains("10.10") && parted.contains("5.05"))
            #expect(try await profile(shop, "anne@example.com") == anne)
            let block = ["identifiers", "block", "email=test@test.com", "--reason", "a placeholder"]
            _ = try await answer(shop, block)
            #expect(try await answer(shop, ["identifiers", "list"]).contains("test@test.com"))
            _ = try await answer(shop, ["queue", "list"])
            try await shop.isAsFolded()
        }
    }

    private func purchase(_ key: String, _ kind: String, _ value: String, _ total: String) -> String {
        #"{"eventId":"\#(key)","type":"purchase","identifiers":{"\#(kind)":"\#(value)"},"#
            + #""properties":{"total":"\#(total)"}}"#
    }

    /// What a command prints that must succeed.
    private func answer(_ shop: Shop, _ arguments: [String], input: String = "") async throws -> String {
        let answer = try await shop.installation.run(arguments + ["--brand", "demo"], input: input)
        #expect(answer.status == 0, "\(arguments): \(answer.errors)")
        return answer.output
    }

    private func profile(_ shop: Shop, _ email: String) async throws -> String {
        struct Found: Decodable {
            struct Item: Decodable { let id: String }
            let items: [Item]
        }
        let text = try await answer(
            shop, ["profiles", "find", "--identifier", "email=\(email)", "--output", "json"])
        let found = try JSONDecoder().decode(Found.self, from: Data(text.utf8))
        return try #require(found.items.first).id
    }
}
