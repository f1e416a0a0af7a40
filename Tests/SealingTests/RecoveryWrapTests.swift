import Foundation
import Kernel
import Testing

@testable import Sealing

@Suite("The master key under a passphrase")
struct RecoveryWrapTests {
    private let keys = [RandomBytes.make(32)]

    @Test("the passphrase alone opens it, however it is typed, and no other does")
    func opens() throws {
        let passphrase = RecoveryPassphrase.generate()
        let text = passphrase.text.reveal()
        let wrap = RecoveryWrap.make(passphrase, masterKeys: keys, sealer: try Sealer(masterKey: keys[0]))
        let kept = try JSONDecoder().decode(RecoveryWrap.self, from: JSONEncoder().encode(wrap))
        let typed = " " + text.uppercased().replacing("-", with: " ").replacing("0", with: "O")
        #expect(kept.open(RecoveryPassphrase(typed: typed)) == keys)
        #expect(kept.open(.generate()) == nil)
        #expect(kept.open(RecoveryPassphrase(typed: "")) == nil)
        #expect(text.split(separator: "-").map(\.count) == [5, 5, 5, 5, 5])
    }

    @Test("a rotation wraps the new key without the passphrase, and who has another master key cannot")
    func rotates() throws {
        let passphrase = RecoveryPassphrase.generate()
        let (old, new) = (keys[0], RandomBytes.make(32))
        let sealer = try Sealer(masterKey: old)
        let wrap = RecoveryWrap.make(passphrase, masterKeys: [old], sealer: sealer)
        #expect(try wrap.wrapping([old], opening: sealer, sealing: sealer) == nil)
        let both = try #require(try wrap.wrapping([new, old], opening: sealer, sealing: sealer))
        #expect(both.open(passphrase) == [new, old])
        let rotated = try Sealer(masterKey: new, formerKeys: [old])
        let alone = try #require(try both.wrapping([new], opening: rotated, sealing: rotated))
        #expect(alone.open(passphrase) == [new])
        #expect(throws: SealingError.unknownKey) {
            try alone.wrapping([old], opening: sealer, sealing: sealer)
        }
    }

    @Test("one or two whole keys are keys, and nothing else is")
    func split() {
        #expect(MasterKeys.split(RandomBytes.make(32))?.count == 1)
        #expect(MasterKeys.split(RandomBytes.make(64))?.count == 2)
        for count in [0, 31, 33, 63, 96] { #expect(MasterKeys.split(RandomBytes.make(count)) == nil) }
    }
}
