import Contract
import Foundation
import Kernel
import Sealing
import Testing

@testable import ControlPlane

@Suite("Rules of the control plane's input")
struct RuleTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let field: String
        let draft: BrandDraft
        var testDescription: String { "\(field): \(draft)" }

        init(_ field: String, _ change: (inout BrandDraft) -> Void) {
            var draft = BrandDraft(slug: "acme")
            change(&draft)
            self.field = field
            self.draft = draft
        }
    }

    static let wrong = [
        Case("slug") { $0.slug = "A" }, Case("slug") { $0.slug = "admin" }, Case("slug") { $0.slug = "a--b" },
        Case("slug") { $0.slug = "a'; drop table brand; --" }, Case("slug") { $0.slug = "../../etc" },
        Case("name") { $0.name = "" }, Case("name") { $0.name = "a\u{0}b" }, Case("name") { $0.name = " a" },
        Case("name") { $0.name = String(repeating: "a", count: 101) }, Case("name") { $0.name = "a\nb" },
        Case("domain") { $0.domain = "localhost" }, Case("domain") { $0.domain = "-a.com" },
        Case("domain") { $0.domain = "a..com" }, Case("industry") { $0.industry = "\u{7}" },
        Case("country") { $0.country = "USA" }, Case("country") { $0.country = "Ü" },
        Case("timeZone") { $0.timeZone = "Mars/Olympus" },
        Case("timeZone") { $0.timeZone = "../../etc/passwd" },
        Case("timeZone") { $0.timeZone = "Europe" }, Case("timeZone") { $0.timeZone = "GMT+5:30" },
        Case("currency") { $0.currency = "dollars" },
    ]

    @Test("a brand's draft that breaks a rule is refused by the name of the field", arguments: wrong)
    func wrongBrand(example: Case) {
        let fault = #expect(throws: Fault.self) { _ = try BrandSpecification(example.draft) }
        #expect(fault?.code == .invalid)
        #expect(fault?.field == example.field)
    }

    @Test("a brand's draft of a slug alone gets the defaults; what is given is put in its stored form")
    func goodBrands() throws {
        let bare = try BrandSpecification(BrandDraft(slug: "acme"))
        #expect((bare.name, bare.country, bare.timeZone, bare.plan) == ("acme", "US", "UTC", "free"))
        #expect(bare.currency.code == "USD")
        let full = try BrandSpecification(
            BrandDraft(
                slug: "acme", name: "Ácme & Söhne 株式会社", domain: "Shop.Example.COM", industry: "Retail",
                country: "de", timeZone: "America/Argentina/Buenos_Aires", currency: "eur", plan: "pro"))
        #expect((full.domain, full.country, full.currency.code) == ("shop.example.com", "DE", "EUR"))
    }

    @Test("a key's draft that breaks a rule is refused by the name of the field")
    func wrongKeys() throws {
        let now = SystemWallClock().now()
        let drafts: [(String, KeyDraft)] = [
            ("name", KeyDraft(name: "")), ("scopes", KeyDraft(name: "a", scopes: [])),
            ("scopes", KeyDraft(name: "a", scopes: ["events:write", "everything"])),
            ("environment", KeyDraft(name: "a", environment: "pub")),
            ("expiresAt", KeyDraft(name: "a", expiresAt: now)),
        ]
        for (field, draft) in drafts {
            let fault = #expect(throws: Fault.self) { _ = try KeySpecification(draft, now: now) }
            #expect(fault?.field == field)
        }
        let all = try KeySpecification(KeyDraft(name: "a"), now: now)
        #expect(all.scopes == KeyScope.allCases)
    }

    @Test("a user's draft that breaks a rule is refused by the name of the field")
    func wrongUsers() {
        let drafts: [(String, UserDraft)] = [
            ("email", UserDraft(email: "ana", role: .admin)),
            ("email", UserDraft(email: "a@b@c", role: .admin)),
            ("email", UserDraft(email: "a b@c.com", role: .admin)),
            ("brand", UserDraft(email: "a@b.com", role: .brandOwner)),
            ("brand", UserDraft(email: "a@b.com", role: .admin, brand: "acme")),
            ("password", UserDraft(email: "a@b.com", role: .admin, password: "short")),
        ]
        for (field, draft) in drafts {
            let fault = #expect(throws: Fault.self) { _ = try UserSpecification(draft) }
            #expect(fault?.field == field)
        }
    }

    @Test("the plans that come with the product can be read, and a wrong one is refused by its file's name")
    func plans() throws {
        let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let templates = here.appendingPathComponent("../../templates/plans").standardizedFileURL.path
        #expect(try Plan.load(from: templates).map(\.name) == ["enterprise", "free", "pro"])
        let directory = try TestPlane.directory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        #expect(throws: Fault.self) { try Plan.load(from: directory) }
        try Data("{\"name\": 7}".utf8).write(to: URL(fileURLWithPath: "\(directory)/bad.json"))
        let fault = #expect(throws: Fault.self) { try Plan.load(from: directory) }
        #expect(fault?.field == "bad.json")
    }

    @Test("the installation's keys are made once, are private, and a damaged one is refused")
    func platformKeys() throws {
        let directory = try TestPlane.directory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let first = try PlatformKeys.load(from: "\(directory)/secrets")
        let sealed = first.sealer.seal(Secret("x"), for: "test")
        let second = try PlatformKeys.load(from: "\(directory)/secrets")
        #expect(try second.sealer.open(sealed, for: "test") == Secret("x"))
        #expect(first.tokenKeys == second.tokenKeys)
        #expect(first.requestHashKey == second.requestHashKey)
        let path = "\(directory)/secrets/master.key"
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber
        #expect(mode?.intValue == 0o600)
        try Data("short".utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: Fault.self) { try PlatformKeys.load(from: "\(directory)/secrets") }
    }

    @Test("a SCRAM verifier is the one of RFC 7677's example")
    func scram() {
        let salt = Base64URL.decode("W22ZaJ0SNY7soEsUEjb6gQ") ?? []
        let verifier = ScramVerifier(Secret("pencil"), salt: salt, iterations: 4096)
        #expect(
            verifier.text
                == "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
                + "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")
    }

    @Test("failed logins are bounded by e-mail and by address until the window has passed")
    func throttle() throws {
        let clock = MovableClock()
        let throttle = LoginThrottle(clock: clock)
        for _ in 0..<LoginThrottle.failuresPerEmail { try throttle.admit(email: "a@b.com", address: "1") }
        let fault = #expect(throws: Fault.self) { try throttle.admit(email: "a@b.com", address: "2") }
        #expect(fault?.code == .limited)
        #expect(fault?.retryAfter != nil)
        for index in 0..<LoginThrottle.failuresPerAddress {
            try throttle.admit(email: "\(index)@b.com", address: "3")
        }
        #expect(throws: Fault.self) { try throttle.admit(email: "new@b.com", address: "3") }
        clock.advance(by: FailureWindows.length)
        try throttle.admit(email: "a@b.com", address: "3")
        throttle.forgive(email: "a@b.com", address: "3")
        for _ in 0..<LoginThrottle.failuresPerEmail { try throttle.admit(email: "a@b.com", address: "3") }
    }
}
