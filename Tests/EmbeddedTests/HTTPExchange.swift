import Contract
import FoundationEssentials
import Glibc
import Testing

@testable import Embedded

/// One request as bytes, and what came back: hostile requests are not what a well-behaved client sends.
struct HTTPExchange {
    let status: Int
    /// With names in lower case.
    let headers: [String: String]
    let body: String

    /// Sends `request` and reads until the server closes.
    init(_ request: [UInt8], to address: EdgeAddress) throws {
        let answer = try HTTPExchange.answer(to: request, from: address)
        let parts = answer.replacing("\r\n", with: "\n").split(separator: "\n\n", maxSplits: 1)
        let lines = (parts.first ?? "").split(separator: "\n")
        let words = (lines.first ?? "").split(separator: " ")
        status = try #require(words.count > 1 ? Int(words[1]) : nil, "not an HTTP answer: \(answer)")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = String(line[colon...].dropFirst(2))
        }
        self.headers = headers
        body = parts.count > 1 ? String(parts[1]) : ""
    }

    init(
        _ method: String = "GET", _ target: String, _ headers: [String] = [], body: [UInt8] = [],
        to address: EdgeAddress
    ) throws {
        var lines = ["\(method) \(target) HTTP/1.1", "Host: edge.test", "Connection: close"] + headers
        if !body.isEmpty { lines.append("Content-Length: \(body.count)") }
        try self.init(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body, to: address)
    }

    /// The body as the problem that it must be.
    func problem() throws -> Problem {
        #expect(headers["content-type"] == "application/problem+json")
        let problem = try JSONDecoder().decode(Problem.self, from: Data(body.utf8))
        #expect(problem.status == status && problem.type.hasSuffix("/\(problem.code)"))
        #expect(problem.requestId == headers["x-request-id"])
        return problem
    }

    /// What the echoing server saw.
    func echo() throws -> Echo { try JSONDecoder().decode(Echo.self, from: Data(body.utf8)) }

    struct Echo: Decodable {
        var who: String
        var method: String
        var target: String
        /// With names in lower case.
        var headers: [String: String]
        var length: Int
    }

    private static func answer(to request: [UInt8], from address: EdgeAddress) throws -> String {
        let socket = try open(request, to: address)
        defer { close(socket) }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(socket, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            answer += buffer[..<count]
        }
        return String(decoding: answer, as: UTF8.self)
    }

    /// A connection over which `request` was sent, and nothing read; the caller's to close.
    static func open(_ request: [UInt8], to address: EdgeAddress) throws -> Int32 {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        target.sin_port = UInt16(address.port).bigEndian
        let connected = withUnsafePointer(to: target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(connected == 0)
        var sent = 0
        while sent < request.count {
            let count = request[sent...].withUnsafeBytes {
                send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            // The server may answer and close before it has read everything.
            guard count > 0 else { break }
            sent += count
        }
        return socket
    }
}
