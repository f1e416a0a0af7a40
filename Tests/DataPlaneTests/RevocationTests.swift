import AsyncHTTPClient
import Contract
import Foundation
import Kernel
import NIOCore
import Sealing
import Testing

@testable import DataPlane
@testable import Events

/// How soon a key is refused that was revoked. Nothing is notified here, and nothing is in the product: the
/// instance finds out by itself.
@Suite("A revoked key", .serialized, .timeLimit(.minutes(5)))
struct RevocationTests {
    /// Each revokes one key.
    static let trials = 100
    /// Trials at a time.
    static let lanes = 4
    private static let event = #"{"type":"page_view","identifiers":{"cookie_id":"c"}}"#

    /// From before the revocation is written until each sort of request is refused.
    private struct Delays {
        var single = Duration.zero
        var batch = Duration.zero
        var halfSent = Duration.zero

        mutating func widen(to other: Delays) {
            single = max(single, other.single)
            batch = max(batch, other.batch)
            halfSent = max(halfSent, other.halfSent)
        }
    }

    @Test("is refused by a running instance within a second: alone, with a batch, and with half a batch sent")
    func running() async throws {
        try await TestInstance.serving { instance in
            var keys: [String] = []
            for _ in 0..<Self.trials { keys.append(try await TestInstance.mintKey(instance.brand)) }
            #expect(try await instance.post("/api/events", Self.event, key: keys[0]).status == 202)
            var longest = Delays()
            var count = 0
            try await withThrowingTaskGroup(of: Delays.self) { group in
                var waiting = keys[...]
                for _ in 0..<Self.lanes {
                    let key = waiting.removeFirst()
                    group.addTask { try await trial(key, instance) }
                }
                while let delays = try await group.next() {
                    count += 1
                    longest.widen(to: delays)
                    guard let key = waiting.popFirst() else { continue }
                    group.addTask { try await trial(key, instance) }
                }
            }
            print(
                "revocation: over \(count) trials at most \(longest.single) for a single request, "
                    + "\(longest.batch) for a batch, \(longest.halfSent) for a half-sent one")
            #expect(count == Self.trials)
            for delay in [longest.single, longest.batch, longest.halfSent] { #expect(delay < .seconds(1)) }
            try await instance.drained()
            let half = try await instance.brand.database.run(
                "select count(*) from customer_raw_event where event_key like 'half-%'")
            #expect(try half[0].decode(Int64.self) == 0, "something of a half-sent batch stays")
        }
    }

    private func trial(_ key: String, _ instance: TestInstance) async throws -> Delays {
        let publicID = try #require(APIKeyText.parse(key)).publicId
        let upload = Upload(key: key, instance: instance)
        defer { upload.abandon() }
        return try await withThrowingTaskGroup(of: Answer.self) { group in
            group.addTask { try await upload.answer() }
            upload.send(
                #"{"eventId":"half-\#(publicID)","type":"search","identifiers":{"cookie_id":"c"}}"#)
            for _ in 0..<3 {
                #expect(try await instance.post("/api/events", Self.event, key: key).status == 202)
            }
            let start = ContinuousClock.now
            try await instance.revoke(publicID)
            async let single = refusal(start) {
                try await instance.post("/api/events", Self.event, key: key)
            }
            async let batch = refusal(start) {
                try await instance.post("/api/events/batch", #"{"events":[\#(Self.event)]}"#, key: key)
            }
            let answer = try #require(try await group.next())
            let halfSent = ContinuousClock.now - start
            answer.expectProblem(401, .unauthenticated, nil, "was revoked")
            #expect(answer.headers["connection"] == "close")
            return Delays(single: try await single, batch: try await batch, halfSent: halfSent)
        }
    }

    private func refusal(
        _ start: ContinuousClock.Instant, _ ask: () async throws -> Answer
    ) async throws -> Duration {
        while true {
            let answer = try await ask()
            if answer.status == 401 { return ContinuousClock.now - start }
            #expect(answer.status == 202, "\(answer.text)")
            try #require(ContinuousClock.now - start < .seconds(20), "it is never refused")
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    @Test("is refused at once by an instance that slept meanwhile")
    func sleeping() async throws {
        try await TestInstance.with { instance in
            for _ in 0..<10 {
                let key = try await TestInstance.mintKey(instance.brand)
                try await instance.serving {
                    let answer = try await instance.post("/api/events", Self.event, key: key)
                    #expect(answer.status == 202)
                }
                try await instance.revoke(try #require(APIKeyText.parse(key)).publicId)
                try await instance.serving {
                    try await instance.post("/api/events", Self.event, key: key).expectProblem(
                        401, .unauthenticated, nil, "was revoked")
                }
            }
        }
    }

    @Test("a half-sent batch is cut when its brand is suspended, and refused when its key has ended")
    func otherEnds() async throws {
        try await TestInstance.serving { instance in
            let now = SystemWallClock().now()
            let ending = try await TestInstance.mintKey(instance.brand, expiresAt: now + .seconds(2))
            let late = Upload(key: ending, instance: instance)
            defer { late.abandon() }
            async let lateAnswer = late.answer()
            late.send(Self.event)
            try await eventually("the key has ended", within: .seconds(10)) {
                try await instance.post("/api/events", Self.event, key: ending).status == 401
            }
            late.end()
            try await lateAnswer.expectProblem(401, .unauthenticated, nil, "has expired")
            let upload = Upload(key: instance.key, instance: instance)
            defer { upload.abandon() }
            async let answer = upload.answer()
            upload.send(Self.event)
            #expect(try await instance.post("/api/events", Self.event).status == 202)
            try await instance.brand.database.run(
                "update brand_state set status = 'suspended', revision = revision + 1")
            try await answer.expectProblem(403, .forbidden, nil, "suspended")
        }
    }

    @Test("a whole batch that comes piece by piece is accepted, whatever else changes meanwhile")
    func whole() async throws {
        try await TestInstance.serving { instance in
            let upload = Upload(key: instance.key, instance: instance)
            defer { upload.abandon() }
            async let answer = upload.answer()
            for number in 0..<20 {
                upload.send(
                    #"{"eventId":"w\#(number)","type":"search","identifiers":{"cookie_id":"c"}}"#)
                try await instance.brand.database.run("update brand_state set revision = revision + 1")
                #expect(try await instance.post("/api/events", Self.event).status == 202)
            }
            upload.end()
            let verdicts = try await answer
            #expect(verdicts.status == 202, "\(verdicts.text)")
            #expect(try verdicts.json(BatchAnswer.self).accepted == 20)
        }
    }
}

/// A batch in lines, sent bit by bit.
private struct Upload: Sendable {
    private let key: String
    private let instance: TestInstance
    private let pieces: AsyncStream<ByteBuffer>
    private let source: AsyncStream<ByteBuffer>.Continuation

    init(key: String, instance: TestInstance) {
        self.key = key
        self.instance = instance
        (pieces, source) = AsyncStream.makeStream()
    }

    func send(_ line: String) { source.yield(ByteBuffer(string: line + "\n")) }

    func end() { source.finish() }

    /// Ends it without a word where the answer has come before the end.
    func abandon() { source.finish() }

    /// The answer, which may come before the end.
    func answer() async throws -> Answer {
        try await instance.upload(pieces, key: key)
    }
}

extension TestInstance {
    /// Revokes a key as the control plane would, in one transaction.
    fileprivate func revoke(_ publicID: String) async throws {
        _ = try await brand.database.transaction { transaction in
            try await transaction.run(all: [
                "update api_key set revoked_at = now() where public_id = \(publicID)",
                "update brand_state set revision = revision + 1",
            ])
        }
    }

    fileprivate func upload(_ pieces: AsyncStream<ByteBuffer>, key: String) async throws -> Answer {
        let socket = (directory + "/s").addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        var request = HTTPClientRequest(url: "http+unix://\(socket)/api/events/batch")
        request.method = .POST
        request.headers.add(name: "Authorization", value: "Bearer \(key)")
        request.headers.add(name: "Content-Type", value: "application/x-ndjson")
        request.body = .stream(pieces, length: .unknown)
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
        let collected = try await response.body.collect(upTo: 1 << 20)
        let pairs = response.headers.map { ($0.name.lowercased(), $0.value) }
        return Answer(
            status: Int(response.status.code), headers: Dictionary(pairs) { $1 },
            body: Data(collected.readableBytesView))
    }
}
