import AsyncHTTPClient
import Contract
import Foundation
import Kernel
import NIOCore
import Postgres
import Sealing
import TestSupport
import Testing
import Workflow

@testable import ControlPlane

@Suite("Rotating the installation's keys", .serialized)
struct KeyRotationTests {
    @Test("after a rotation every secret is the same, under the new key alone")
    func masterKey() async throws {
        try await TestPlane.with { test in
            let slugs = [try await test.shop(), try await test.shop()]
            let before = try await test.secrets(slugs, keys: test.foundations.keys)
            let former = test.foundations.keys.sealer
            let answer = try await test.call(.post, "/api/admin/platform/master-key/rotate")
            #expect(answer.status == 200)
            let view = try answer.decode(PlatformKeysView.self)
            #expect(view.masterKey != former.keyId)
            #expect(view.formerMasterKey == nil && view.sealedUnderFormer == 0)
            let reread = try PlatformKeys.load(from: test.foundations.layout.secrets)
            #expect(reread.sealer.keyId == view.masterKey && reread.sealer.formerKeyIds == [])
            #expect(try await test.secrets(slugs, keys: reread) == before)
            // The old key opens nothing any more.
            let sealed = try await test.plane.lifecycle.sagas.instances.store.instance(slugs[0])
            #expect(throws: SealingError.unknownKey) {
                try former.open(
                    sealed.postgresPassword, for: InstanceSecret.postgresPassword.context(slugs[0]))
            }
            try await test.startAnew(slugs[0], keys: reread)
        }
    }

    @Test(
        "a death at any place leaves a state from which the next daemon goes on by itself",
        arguments: [
            ("platform.masterKey.wrapped", 1), ("platform.masterKey.begun", 1),
            ("platform.masterKey.sealedAnew", 1), ("platform.masterKey.sealedAnew", 2),
            ("platform.masterKey.rewrapped", 1), ("platform.masterKey.ended", 1),
        ])
    func deaths(point: String, nth: Int) async throws {
        try await TestPlane.with { test in
            let slugs = [try await test.shop(), try await test.shop()]
            let before = try await test.secrets(slugs, keys: test.foundations.keys)
            let passphrase = RecoveryPassphrase(
                typed: try test.foundations.keys.newRecoveryPassphrase().reveal())
            Failpoint.arm(point, .halt, nth: nth)
            await #expect(throws: Failpoint.Halted.self) {
                try await test.plane.keyRotation.rotateMasterKey()
            }
            #expect(Failpoint.disarm(point) >= nth)
            #expect(try await test.secrets(slugs, keys: try test.recovered(passphrase)) == before)
            let next = try PlatformKeys.load(from: test.foundations.layout.secrets)
            #expect(try await test.secrets(slugs, keys: next) == before)
            var foundations = test.foundations
            foundations.keys = next
            try await ControlPlane(foundations).keyRotation.finishDue()
            let last = try PlatformKeys.load(from: test.foundations.layout.secrets)
            #expect(last.sealer.formerKeyIds == [])
            #expect(try await test.secrets(slugs, keys: last) == before)
            #expect(try await test.secrets(slugs, keys: try test.recovered(passphrase)) == before)
            #expect(try await SealedStore(pool: foundations.control).countNotUnder(last.sealer.keyId) == 0)
        }
    }

    @Test("the former key stays while a brand is being provisioned, and goes by itself afterwards")
    func provisioning() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            let operation = try await test.request(slug)
            let rotate = "/api/admin/platform/master-key/rotate"
            let rotated = try await test.call(.post, rotate)
            #expect(rotated.status == 200)
            let former = test.foundations.keys.sealer.formerKeyIds
            #expect(former.count == 1)
            #expect(try rotated.decode(PlatformKeysView.self).formerMasterKey == former.first)
            #expect(try await test.call(.post, rotate).status == 200)
            #expect(test.foundations.keys.sealer.formerKeyIds == former, "one at a time")
            try await test.settle(operation)
            try await test.plane.keyRotation.finishDue()
            #expect(test.foundations.keys.sealer.formerKeyIds == [])
            try await test.startAnew(slug, keys: test.foundations.keys)
        }
    }

    @Test("a key that a service manager delivers is rotated by two of them in its file, then one")
    func delivered() async throws {
        try await TestPlane.with { test in
            let slug = try await test.shop()
            let before = try await test.secrets([slug], keys: test.foundations.keys)
            let credentials = "\(test.foundations.layout.root)/credentials"
            try PrivateFile.makeDirectory(credentials)
            let old = try #require(
                try PrivateFile.read("\(test.foundations.layout.secrets)/master.key"))
            func daemon(_ bytes: [UInt8]) throws -> ControlPlane {
                try PrivateFile.write(bytes, to: "\(credentials)/master.key")
                var foundations = test.foundations
                foundations.keys = try PlatformKeys.load(
                    from: test.foundations.layout.secrets, credentials: credentials)
                return ControlPlane(foundations)
            }
            let fault = await #expect(throws: Fault.self) {
                try await daemon(old).keyRotation.rotateMasterKey()
            }
            #expect(fault?.code == .conflict)
            let new = RandomBytes.make(32)
            let both = try daemon(new + old).keyRotation
            #expect(try await both.view().sealedUnderFormer == 1)
            let operation = try await test.request(try TestPlane.slug())
            let early = await #expect(throws: Fault.self) { try await both.rotateMasterKey() }
            #expect(early?.code == .unavailable, "the former key would be taken away now")
            try await test.settle(operation)
            try await both.rotateMasterKey()
            #expect(try await both.view().sealedUnderFormer == 0)
            let alone = try daemon(new).keyRotation
            #expect(try await test.secrets([slug], keys: alone.keys) == before)
        }
    }

    @Test("with the key's file gone the daemon makes no other, and the passphrase alone brings it back")
    func recovery() async throws {
        try await TestPlane.with { test in
            let slug = try await test.shop()
            let before = try await test.secrets([slug], keys: test.foundations.keys)
            let answer = try await test.call(.post, "/api/admin/platform/recovery-passphrase/rotate")
            let text = try answer.decode(RecoveryPassphraseView.self).passphrase
            let copy = "\(test.foundations.layout.root)/copy"
            try FileManager.default.copyItem(atPath: test.foundations.layout.secrets, toPath: copy)
            try PrivateFile.remove("\(copy)/master.key")
            let fault = #expect(throws: Fault.self) { try PlatformKeys.load(from: copy) }
            #expect(fault?.detail.contains("recover-master-key") == true)
            let wrap = try JSONDecoder().decode(
                RecoveryWrap.self,
                from: Data(try #require(try PrivateFile.read("\(copy)/master.key.recovery"))))
            #expect(wrap.open(.generate()) == nil)
            let keys = try #require(wrap.open(RecoveryPassphrase(typed: text)))
            try PrivateFile.write(keys.flatMap(\.self), to: "\(copy)/master.key")
            #expect(try await test.secrets([slug], keys: PlatformKeys.load(from: copy)) == before)
            let store = SealedStore(pool: test.foundations.control)
            await #expect(throws: Fault.self) {
                try await store.requireOpened(by: Sealer(masterKey: RandomBytes.make(32)))
            }
        }
    }

    @Test("tokens from before a rotation are accepted until their key is dropped, and new ones at once")
    func tokenKey() async throws {
        try await TestPlane.with { test in
            let slug = try await test.shop()
            let old = try await test.login(.admin).accessToken
            let former = test.foundations.keys.tokenKeys
            let rotate = "/api/admin/platform/token-key/rotate"
            let rotated = try await test.call(.post, rotate, TokenKeyRotation(overlapSeconds: 60))
            #expect(rotated.status == 200)
            #expect(try rotated.decode(PlatformKeysView.self).tokenKeys.map(\.use) == ["former", "signing"])
            #expect(try await test.call(.post, rotate).status == 409, "one at a time")
            let during = try await test.login(.admin, email: "bo@example.com").accessToken
            for token in [old, during] {
                #expect(try await test.call(.get, "/api/admin/users", token: token).status == 200)
            }
            // Whoever was told before knows both.
            #expect(try await test.projectedTokenKeys(slug) == former.map { Base64URL.encode($0.bytes) })
            test.clock.advance(by: .seconds(30))
            try await test.plane.keyRotation.finishDue()
            #expect(try await test.call(.get, "/api/admin/users", token: old).status == 200)
            test.clock.advance(by: .seconds(31))
            try await test.plane.keyRotation.finishDue()
            #expect(try await test.call(.get, "/api/admin/users", token: old).status == 401)
            #expect(try await test.call(.get, "/api/admin/users", token: during).status == 200)
            let keys = test.foundations.keys.tokenKeys
            #expect(keys[0] == former[1] && !former.contains(keys[1]))
            #expect(try await test.projectedTokenKeys(slug) == keys.map { Base64URL.encode($0.bytes) })
            #expect(try PlatformKeys.load(from: test.foundations.layout.secrets).tokenKeys == keys)
        }
    }

    @Test("a running instance refuses a dropped key's tokens within a second, and has new settings as soon")
    func runningInstance() async throws {
        try await AttachedSite.with { site in
            _ = try await site.start()
            let slug = try TestPlane.slug()
            #expect(try await site.settle(site.begin(Scenario.provision, slug)).state == .done)
            let process = site.instances(of: slug)
            let old = try await site.brandToken(slug)
            #expect(try await site.stats(slug, old).status == 200)
            let change = Scenario.Call(.patch, "") { _ in
                var change = BrandChange()
                change.currency = "EUR"
                return change
            }
            #expect(try await site.settle(site.begin(change, slug)).state == .done)
            let settingsSeconds = try await seconds {
                try await site.stats(slug, old).decode(StatsView.self).currency == "EUR"
            }
            let rotated = try await site.ask(
                .post, "/api/admin/platform/token-key/rotate", TokenKeyRotation(overlapSeconds: 0),
                headers: [:])
            #expect(rotated.status == 200)
            let keySeconds = try await seconds { try await site.stats(slug, old).status == 401 }
            #expect(try await site.stats(slug, site.brandToken(slug)).status == 200)
            #expect(site.instances(of: slug) == process, "nothing was restarted")
            #expect(settingsSeconds < 1 && keySeconds < 1)
            print("settings after \(settingsSeconds) s, token key after \(keySeconds) s")
        }
    }

    private func seconds(until condition: () async throws -> Bool) async throws -> Double {
        let start = ContinuousClock.now
        try await eventually("the running instance knows", within: .seconds(10), condition)
        return (ContinuousClock.now - start) / .seconds(1)
    }
}

extension TestPlane {
    /// The passwords of brands, opened.
    fileprivate func secrets(_ slugs: [Slug], keys: PlatformKeys) async throws -> [Secret] {
        var secrets: [Secret] = []
        for slug in slugs {
            let instance = try await plane.lifecycle.sagas.instances.store.instance(slug)
            secrets.append(
                try keys.sealer.open(
                    instance.postgresPassword, for: InstanceSecret.postgresPassword.context(slug)))
            secrets.append(
                try keys.sealer.open(instance.redisPassword, for: InstanceSecret.redisPassword.context(slug)))
        }
        return secrets
    }

    /// The keys as who has only the passphrase gets them.
    fileprivate func recovered(_ passphrase: RecoveryPassphrase) throws -> PlatformKeys {
        let copy = "\(foundations.layout.root)/recovered\(UInt32.random(in: .min ... .max))"
        try FileManager.default.copyItem(atPath: foundations.layout.secrets, toPath: copy)
        let wrap = try JSONDecoder().decode(
            RecoveryWrap.self, from: Data(try PrivateFile.read("\(copy)/master.key.recovery") ?? []))
        try PrivateFile.write((wrap.open(passphrase) ?? []).flatMap(\.self), to: "\(copy)/master.key")
        return try PlatformKeys.load(from: copy)
    }

    /// Has a daemon with these keys take the instance's files away and start it again.
    fileprivate func startAnew(_ slug: Slug, keys: PlatformKeys) async throws {
        var foundations = foundations
        foundations.keys = keys
        let instances = ControlPlane(foundations).lifecycle.sagas.instances
        try await instances.stop(slug)
        let path = "\(foundations.layout.instance(slug))/credentials/postgres-password"
        let password = try PrivateFile.read(path)
        try PrivateFile.remove(path)
        try await instances.start(instances.store.instance(slug))
        try await instances.awaitReady(slug)
        #expect(try PrivateFile.read(path) == password && password != nil)
    }

    fileprivate func projectedTokenKeys(_ slug: Slug) async throws -> [String] {
        try await foundations.brands.run(
            "select token_keys from \(identifier: slug.schemaName).brand_state")[0].decode([String].self)
    }
}

extension AttachedSite {
    /// A token of the operator for the brand's instance.
    fileprivate func brandToken(_ slug: Slug) async throws -> String {
        try await ask(.post, "/api/auth/brand-token", BrandTokenRequest(brand: slug.text), headers: [:])
            .decode(BrandToken.self).accessToken
    }

    /// The brand's totals, asked of its instance.
    fileprivate func stats(_ slug: Slug, _ token: String) async throws -> Answer {
        let place = layout.socket(slug).addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        var request = HTTPClientRequest(url: "http+unix://\(place)/api/monitoring/stats")
        request.headers.add(name: "Authorization", value: "Bearer \(token)")
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(20))
        let body = try await response.body.collect(upTo: 1 << 20)
        return Answer(
            status: Int(response.status.code), headers: [:], body: Data(body.readableBytesView))
    }
}
