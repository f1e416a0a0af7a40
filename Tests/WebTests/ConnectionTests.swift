import Testing

@testable import Web

@Suite("Connections of a server")
struct ConnectionTests {
    @Test("one is accepted while there is a seat for it, and none once the server leaves")
    func seats() {
        let drain = Drain()
        var seats = ConnectionSeats(most: 2, drain: drain)
        seats.connectionOpened()
        #expect(seats.isAcceptingNewConnections())
        seats.connectionOpened()
        #expect(!seats.isAcceptingNewConnections())
        seats.connectionClosed()
        #expect(seats.isAcceptingNewConnections())
        drain.turnOn()
        #expect(!seats.isAcceptingNewConnections())
    }

    @Test("who is served is cancelled with all others, and who comes behind is served to be cancelled")
    func cancelling() async {
        let tasks = ConnectionTasks()
        let (begins, begin) = AsyncStream.makeStream(of: Void.self)
        let (ends, end) = AsyncStream.makeStream(of: Bool.self)
        let serve: @Sendable () async -> Void = {
            begin.yield()
            try? await Task.sleep(for: .seconds(86_400))
            end.yield(Task.isCancelled)
        }
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<3 { group.addTask { await tasks.run(serve) } }
            var begun = 0
            for await _ in begins {
                begun += 1
                if begun == 3 { break }
            }
            tasks.cancelAll()
            await group.waitForAll()
        }
        await tasks.run(serve)
        end.finish()
        #expect(await ends.reduce(into: []) { $0.append($1) } == [true, true, true, true])
    }
}
