import Contract
import Foundation
import Kernel
import TestSupport
import Testing
import Web

@testable import DataPlane

/// Requests of which a part comes and then no more: nothing of them stays.
@Suite("Broken clients of an instance", .timeLimit(.minutes(5)))
struct BrokenClientTests {
    private static let event = #"{"type":"page_view","identifiers":{"cookie_id":"c"}}"#
    private static let half = #"{"eventId":"half","type":"search","identifiers":{"cookie_id":"h"}}"#
    private static let lines = "Content-Type: application/x-ndjson"

    /// How a client leaves.
    private enum Leaving: CaseIterable {
        /// It says that it sends no more, and waits for an answer.
        case finishing
        case closing
        /// It leaves an earlier answer unread, which the server learns of as a reset.
        case breaking
    }

    /// Requests that are whole but for their ends: each would be accepted if it were taken for whole.
    private func halves(_ instance: TestInstance) -> [String] {
        let file = "/api/integrations/csv?type=purchase&source=s&map=email:mail&map=total:total"
        let bodies = [
            ("/api/events", "", Self.half), ("/api/events/batch", "", "{\"events\":[\(Self.half)]}"),
            ("/api/events/batch", Self.lines, Self.half + "\n"), (file, "", "mail,total\na@b.com,1\n"),
        ]
        return bodies.flatMap { path, type, body in
            let type = type.isEmpty ? "X-Type: none" : type
            let size = String(body.utf8.count, radix: 16)
            return [
                instance.head("POST", path, type, "Content-Length: \(body.utf8.count + 100)") + body,
                instance.head("POST", path, type, "Transfer-Encoding: chunked") + "\(size)\r\n\(body)\r\n",
            ]
        }
    }

    @Test("of a request that is cut before its end nothing is stored, however it is cut, and it is no 5xx")
    func cut() async throws {
        try await TestInstance.serving { instance in
            let before = try await instance.footprint()
            var count = 0
            for half in halves(instance) {
                for leaving in Leaving.allCases {
                    let connection = try instance.connect()
                    if leaving == .breaking {
                        connection.send(instance.head("GET", "/api/monitoring/health"))
                        try await eventually("an answer comes") { connection.hasMore }
                    }
                    #expect(connection.send(half) == half.utf8.count)
                    if leaving == .finishing {
                        connection.finishSending()
                        try await eventually("an answer comes") { connection.hasMore }
                        #expect(connection.receive().bytes.httpStatus == 400, "\(half)")
                    }
                    connection.close()
                    count += 1
                }
            }
            #expect(count == 24)
            try await eventually("all connections are closed") { try instance.sockets() <= 2 }
            #expect(try await instance.footprint() == before)
            #expect(try await !instance.measured().contains(#"status="5xx""#))
        }
    }

    @Test("a request that is refused unread is answered behind its body, so that the next one may follow")
    func refusedUnread() async throws {
        try await TestInstance.serving { instance in
            let (one, piece) = ("Content-Length: 1", "Content-Type: application/offset+octet-stream")
            let upload = "/api/uploads/0190a0a0-0000-7000-8000-000000000000"
            let refused = [
                (instance.head("PATCH", upload, one, piece, "Upload-Offset: 0"), 404),
                (instance.head("POST", "/api/integrations/csv?type=nothing", one), 400),
                (instance.head("POST", "/api/events", one, key: "nobody's"), 401),
                (instance.head("POST", "/api/nothing", one), 404),
            ]
            for (head, status) in refused {
                let connection = try instance.connect()
                connection.send(head)
                for _ in 0..<20 { _ = try await instance.stats() }
                #expect(!connection.hasMore, "\(head)")
                connection.send("x" + instance.head("GET", "/api/monitoring/health"))
                var answers = ""
                try await eventually("both are answered") {
                    answers += String(decoding: connection.receive().bytes, as: UTF8.self)
                    return answers.components(separatedBy: "HTTP/1.1 ").count == 3
                }
                #expect(Array(answers.utf8).httpStatus == status, "\(answers)")
            }
        }
    }

    @Test("a half-sent batch is not taken for a whole one when its instance is torn down")
    func tornDown() async throws {
        try await TestInstance.with { instance in
            let before = try await instance.footprint()
            let half = halves(instance)
            var uploads: [RawConnection] = []
            for _ in 0..<3 {
                try await instance.serving(abruptly: true) {
                    for number in 0..<64 {
                        let upload = try instance.connect()
                        upload.send(half[number % half.count])
                        uploads.append(upload)
                    }
                    try await eventually("all of them are read, but for files, of which a few are") {
                        try await instance.requestsInFlight() > 48
                    }
                }
                try await eventually("all connections are closed") { try instance.sockets() == 0 }
                for upload in uploads {
                    let status = upload.receive().bytes.httpStatus
                    #expect([nil, 429, 503].contains(status))
                }
            }
            #expect(try await instance.footprint() == before)
            try await instance.serving {
                #expect(try await instance.post("/api/events", Self.half).status == 202)
                try await instance.drained()
                #expect(try await instance.stats().events == 1)
            }
        }
    }

    @Test("a stop does not wait for clients that stand still, and tells them to come again")
    func leaving() async throws {
        try await TestInstance.with { instance in
            var halfSent: [RawConnection] = []
            var idle: [RawConnection] = []
            try await instance.serving(clients: .long) {
                let body = Self.lines + "\r\nContent-Length: 1000"
                for _ in 0..<5 {
                    idle.append(try instance.connect())
                    let upload = try instance.connect()
                    upload.send(instance.head("POST", "/api/events/batch", body) + Self.half + "\n")
                    halfSent.append(upload)
                }
                try await eventually("they are read") { try await instance.requestsInFlight() > 5 }
                #expect(try await instance.post("/api/events", Self.event).status == 202)
            }
            try await eventually("all connections are closed") { try instance.sockets() == 0 }
            for upload in halfSent {
                let answer = upload.receive().bytes
                #expect(answer.httpStatus == 503)
                let text = String(decoding: answer, as: UTF8.self).lowercased()
                #expect(text.contains("the service is stopping"), "\(text)")
                #expect(text.contains("retry-after: 1\r\n"), "\(text)")
            }
            withExtendedLifetime(idle) {}
        }
    }
}

extension TestInstance {
    /// How many requests the instance works on, the one that asks included.
    fileprivate func requestsInFlight() async throws -> Int {
        let line = try await measured().split(separator: "\n").first {
            $0.hasPrefix("constintel_http_requests_in_flight ")
        }
        return line?.split(separator: " ").last.flatMap { Int($0) } ?? 0
    }
}
