import Contract
import Foundation
import Kernel
import Sealing
import TestSupport
import Testing

@testable import DataPlane

/// What is tried with tokens and keys on an instance's routes.
@Suite("An instance's tokens and keys under attack")
struct TokenAttackTests {
    private let path = "/api/monitoring/stats"

    @Test("whatever is made of a genuine token is answered 401, all of it in the same words")
    func forgedTokens() async throws {
        try await TestInstance.serving { instance in
            let now = SystemWallClock().now()
            let genuine = try instance.signer.sign(
                TokenClaims(
                    sub: UUIDv7(at: now).description, aud: "brand:\(instance.brand.slug)", role: "brand_user",
                    iat: now, lifetime: .seconds(300)))
            #expect(try await instance.call("GET", path, key: genuine).status == 200)
            let key = try instance.tokenKey()
            var details: Set<String> = []
            var count = 0
            for (attack, token) in ForgedTokens(of: genuine, signedBy: key).all {
                let answer = try await instance.call("GET", path, key: token)
                #expect(answer.status == 401, "\(attack)")
                details.insert(try answer.json(Problem.self).detail)
                count += 1
            }
            print("forged tokens on an instance: \(count)")
            #expect(details.count == 1, "\(details)")
        }
    }

    @Test("a key is good whole and as it is; cut, edited, endless or beside another it is not")
    func forgedKeys() async throws {
        try await TestInstance.serving { instance in
            let key = instance.key
            let parts = key.split(separator: "_").map(String.init)
            let odd = ["' or '1'='1", "../../../etc/x", "%00", String(repeating: "k", count: 10_240), ""]
            let other = try await TestInstance.mintKey(instance.brand)
            let otherParts = other.split(separator: "_").map(String.init)
            var forged = stride(from: 1, to: key.count, by: 3).map { String(key.dropLast($0)) }
            forged += odd.map { "ci_live_\(parts[2])_\($0)_\(parts[4])" }
            forged += [
                key.uppercased(), key + "0", "\(key), Bearer \(key)", "\(key)\(key)", "\"\(key)\"",
                key.replacing("_live_", with: "_test_"), key.replacing("_live_", with: "_pub_"),
                "ci_live_\(parts[2])_\(parts[3])_\(otherParts[4])",
            ]
            for text in forged {
                let answer = try await instance.call("GET", path, key: text)
                #expect((400...403).contains(answer.status) && answer.status != 402, "\(text.prefix(60))")
            }
            print("forged keys on an instance: \(forged.count)")
            #expect(try await instance.call("GET", path, key: key).status == 200)
        }
    }
}
