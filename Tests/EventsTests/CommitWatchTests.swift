import Kernel
import Testing

@testable import Events

@Suite("Waiting for a commit", .timeLimit(.minutes(1)))
struct CommitWatchTests {
    private func position(_ milliseconds: Int) -> EventStream.Position {
        EventStream.Position("\(milliseconds)-0")!
    }

    @Test("a commit releases those who wait for it or for what lies before it, and nobody else")
    func commits() async {
        let commits = CommitWatch()
        await withTaskGroup(of: Bool.self) { group in
            group.addTask { await commits.wait(for: position(1), timeout: .seconds(3600)) }
            group.addTask { await commits.wait(for: position(2), timeout: .seconds(3600)) }
            while await commits.waiters.count < 2 { await Task.yield() }
            await commits.publish(position(2))
            for await isCommitted in group { #expect(isCommitted) }
        }
        #expect(await commits.wait(for: position(2), timeout: .seconds(3600)))
        #expect(await commits.wait(for: position(3), timeout: .milliseconds(1)) == false)
        await commits.publish(position(1))
        #expect(await commits.wait(for: position(2), timeout: .zero))
    }

    @Test("who waits for a commit and is cancelled is told that it has not come")
    func cancelledCommit() async {
        let commits = CommitWatch()
        await withTaskGroup(of: Bool.self) { group in
            group.addTask { await commits.wait(for: position(1), timeout: .seconds(3600)) }
            group.cancelAll()
            for await isCommitted in group { #expect(!isCommitted) }
        }
    }

    @Test("positions compare by both their numbers, and only well-formed ones are positions")
    func positions() throws {
        let first = try #require(EventStream.Position("5-9"))
        let second = try #require(EventStream.Position("5-10"))
        #expect(first < second && second < position(6))
        for text in ["", "5", "5-", "-5", "5-9-1", "a-b", "99999999999999999999-0"] {
            #expect(EventStream.Position(text) == nil, "\(text)")
        }
    }
}
