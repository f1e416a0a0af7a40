import Foundation
import Kernel
import Testing

@testable import Sealing

@Suite struct SealerTests {
    let master = [UInt8](1...32)
    let context = "brand:acme/twilio.token"

    @Test("what is sealed opens again for its context, and never looks the same twice")
    func roundTrip() throws {
        let sealer = try Sealer(masterKey: master)
        let first = sealer.seal(Secret("hunter2 ✓"), for: context)
        #expect(try sealer.open(first, for: context).reveal() == "hunter2 ✓")
        #expect(first != sealer.seal(Secret("hunter2 ✓"), for: context))
        #expect(!first.text.contains("hunter2"))
        let empty = sealer.seal([UInt8](), for: "")
        #expect(try sealer.openBytes(empty, for: "").isEmpty)
    }

    @Test("a sealed secret survives JSON as plain text")
    func codable() throws {
        let sealed = try Sealer(masterKey: master).seal(Secret("x"), for: context)
        let json = try JSONEncoder().encode([sealed])
        #expect(String(decoding: json, as: UTF8.self) == "[\"\(sealed.text)\"]")
        #expect(try JSONDecoder().decode([SealedSecret].self, from: json) == [sealed])
    }

    @Test("each flipped bit of what was sealed keeps it closed")
    func flippedBits() throws {
        let sealer = try Sealer(masterKey: master)
        let sealed = sealer.seal(Secret("0123456789"), for: context)
        let parts = sealed.text.split(separator: ".")
        let box = try #require(Base64URL.decode(parts[2]))
        #expect(box.count == 12 + 10 + 16)
        for bit in 0..<box.count * 8 {
            let changed = SealedSecret(text: "\(parts[0]).\(parts[1]).\(Base64URL.encode(box.flipped(bit)))")
            #expect(throws: SealingError.tampered, "bit \(bit)") { try sealer.open(changed, for: context) }
        }
    }

    @Test("each changed character of the stored text keeps it closed")
    func changedCharacters() throws {
        let sealer = try Sealer(masterKey: master)
        let text = Array(sealer.seal(Secret("0123456789"), for: context).text.utf8)
        for position in text.indices {
            for bit in 0..<7 {
                let changed = String(decoding: text.flipped(position * 8 + bit), as: UTF8.self)
                #expect(throws: SealingError.self, "\(changed)") {
                    try sealer.open(SealedSecret(text: changed), for: context)
                }
            }
        }
        for length in text.indices {
            let cut = SealedSecret(text: String(decoding: text[..<length], as: UTF8.self))
            #expect(throws: SealingError.self) { try sealer.open(cut, for: context) }
        }
    }

    @Test("a secret moved to another context stays closed")
    func otherContext() throws {
        let sealer = try Sealer(masterKey: master)
        let sealed = sealer.seal(Secret("x"), for: context)
        #expect(throws: SealingError.tampered) { try sealer.open(sealed, for: "brand:bazaar/twilio.token") }
        #expect(throws: SealingError.tampered) { try sealer.open(sealed, for: context + "\0") }
    }

    @Test("a rotated master key still opens, says what is left to seal again, and is needed until then")
    func rotation() throws {
        let old = try Sealer(masterKey: master)
        let new = try Sealer(masterKey: [UInt8](101...132), formerKeys: [master])
        let only = try Sealer(masterKey: [UInt8](101...132))
        let sealed = old.seal(Secret("x"), for: context)
        #expect(old.isCurrent(sealed) && !new.isCurrent(sealed))
        #expect(throws: SealingError.unknownKey) { try only.open(sealed, for: context) }
        let again = try new.seal(new.open(sealed, for: context), for: context)
        #expect(new.isCurrent(again))
        #expect(try only.open(again, for: context).reveal() == "x")
    }

    @Test("a text from a newer release is told from a broken one")
    func versions() throws {
        let sealer = try Sealer(masterKey: master)
        let text = sealer.seal(Secret("x"), for: context).text
        #expect(throws: SealingError.unknownVersion) {
            try sealer.open(SealedSecret(text: "s2" + text.dropFirst(2)), for: context)
        }
        #expect(throws: SealingError.malformed) { try sealer.open(SealedSecret(text: "hello"), for: context) }
    }

    @Test("a master key of the wrong length is refused with the length it has")
    func masterKeyLength() {
        let fault = #expect(throws: Fault.self) { try Sealer(masterKey: [1, 2, 3]) }
        #expect(fault?.detail == "it has 3 bytes; expected 32")
    }
}
