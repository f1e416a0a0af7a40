import Foundation
import Kernel
import Sealing

/// Tokens that an attacker can make of a genuine one and of the public key: what RFC 8725 warns of, what
/// jwt_tool tries, and what has worked elsewhere.
public struct ForgedTokens: Sendable {
    private let header: String
    private let payload: String
    private let signature: String
    private let key: VerifyingKey

    /// - Parameter token: one that is accepted.
    public init(of token: String, signedBy key: VerifyingKey) {
        let parts = token.split(separator: ".").map(String.init)
        (header, payload, signature) = (parts[0], parts[1], parts[2])
        self.key = key
    }

    /// All of them, each with what it tries.
    public var all: [(attack: String, token: String)] {
        withoutSignature + confused + withForeignKeys + withOddKeyIds + cut + edited
    }

    private func token(_ header: String, _ payload: String? = nil, _ signature: String = "") -> String {
        "\(Base64URL.encode(header.utf8)).\(payload ?? self.payload).\(signature)"
    }

    private func head(_ algorithm: String, _ rest: String = "") -> String {
        #"{"alg":"\#(algorithm)","kid":"\#(key.id)","typ":"JWT"\#(rest)}"#
    }

    /// No algorithm at all, in every spelling; signatures that are empty or nought (CVE-2015-9235,
    /// CVE-2020-28042, CVE-2022-21449).
    private var withoutSignature: [(String, String)] {
        let nought = Base64URL.encode([UInt8](repeating: 0, count: 64))
        let names = ["none", "None", "NONE", "nOnE", "", "null", "none ", "\\u0000none"]
        return names.flatMap { name in
            ["", signature, nought].map { ("alg '\(name)'", token(head(name), payload, $0)) }
        } + [
            ("no signature", "\(header).\(payload)."), ("no signature, no dot", "\(header).\(payload)"),
            ("a signature of noughts", "\(header).\(payload).\(nought)"),
            ("no alg", token(#"{"kid":"\#(key.id)"}"#, payload, signature)),
            ("alg twice", token(#"{"alg":"none","alg":"EdDSA","kid":"\#(key.id)"}"#)),
            ("alg no text", token(#"{"alg":["EdDSA"],"kid":"\#(key.id)"}"#, payload, signature)),
        ]
    }

    /// The public key taken for a secret (CVE-2016-5431), and the algorithm for another.
    private var confused: [(String, String)] {
        let secrets: [(String, [UInt8])] = [
            ("its bytes", key.bytes), ("its id", Array(key.id.utf8)),
            ("its Base64", Array(Base64URL.encode(key.bytes).utf8)), ("nothing", []),
            ("a PEM file", Array(pem.utf8)), ("a PEM file without a line end", Array(pem.dropLast().utf8)),
            ("a word", Array("secret".utf8)),
        ]
        return ["HS256", "HS384", "HS512"].flatMap { name in
            secrets.map { what, secret in
                let signed = "\(Base64URL.encode(head(name).utf8)).\(payload)"
                let code = HMACSHA256.code(for: signed.utf8, key: secret)
                return ("\(name) under \(what)", "\(signed).\(Base64URL.encode(code))")
            }
        } + ["RS256", "ES256", "PS256", "Ed25519", "EdDSA ", "eddsa", "HS256\\u0000"].map {
            ("alg \($0)", token(head($0), payload, signature))
        }
    }

    private var pem: String {
        let prefix: [UInt8] = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00]
        let text = Data(prefix + key.bytes).base64EncodedString()
        return "-----BEGIN PUBLIC KEY-----\n\(text)\n-----END PUBLIC KEY-----\n"
    }

    /// Rightly signed, by a key that the token brings along or points to (CVE-2018-0114).
    private var withForeignKeys: [(String, String)] {
        let mine = SigningKey.generate()
        let jwk = #"{"kty":"OKP","crv":"Ed25519","x":"\#(Base64URL.encode(mine.publicKey.bytes))"}"#
        return [
            ("jwk", #","jwk":\#(jwk)"#), ("jku", #","jku":"https://attacker.example/keys.json""#),
            ("x5u", #","x5u":"file:///etc/passwd""#), ("x5c", #","x5c":["AAAA"]"#), ("nothing", ""),
        ].flatMap { name, extra in
            [key.id, mine.publicKey.id].map { id in
                let head = #"{"alg":"EdDSA","kid":"\#(id)","typ":"JWT"\#(extra)}"#
                let signed = "\(Base64URL.encode(head.utf8)).\(payload)"
                let signature = mine.sign(Array(signed.utf8))
                return ("a foreign key with \(name)", "\(signed).\(Base64URL.encode(signature))")
            }
        }
    }

    /// Key ids that are SQL, paths, commands, or endless.
    private var withOddKeyIds: [(String, String)] {
        [
            "x' UNION SELECT 'secret", "' or '1'='1", "../../../../dev/null",
            "/proc/sys/kernel/randomize_va_space",
            "|/usr/bin/id", "%00", "", "http://attacker.example/key", "..%2f..%2ftoken-key-1.pub",
            String(repeating: "k", count: 10_240), key.id.uppercased(), String(key.id.dropLast()),
            "\(key.id) ",
        ].flatMap { id in
            let head = #"{"alg":"EdDSA","kid":"\#(id)","typ":"JWT"}"#
            let signed = "\(Base64URL.encode(head.utf8)).\(payload)"
            let code = Base64URL.encode(HMACSHA256.code(for: signed.utf8, key: [UInt8]()))
            return [signature, code].map { ("kid '\(id.prefix(20))'", "\(signed).\($0)") }
        } + [
            ("no kid", token(#"{"alg":"EdDSA"}"#, payload, signature)),
            ("kid no text", token(#"{"alg":"EdDSA","kid":0}"#, payload, signature)),
        ]
    }

    /// Parts that are missing, swapped, doubled or padded.
    private var cut: [(String, String)] {
        let whole = "\(header).\(payload).\(signature)"
        let shortened = stride(from: 1, to: whole.count, by: 7).map {
            ("cut by \($0)", String(whole.dropLast($0)))
        }
        return shortened + [
            ("parts swapped", "\(payload).\(header).\(signature)"),
            ("a fourth part", "\(whole).\(signature)"),
            ("five parts", "\(header)...\(signature).\(payload)"), ("twice", "\(whole)\(whole)"),
            ("twice in a list", "\(whole), Bearer \(whole)"), ("padded", "\(whole)="),
            ("quoted", "\"\(whole)\""),
            ("a blank within", "\(header). \(payload).\(signature)"), ("a point before", ".\(whole)"),
            ("as JSON", #"{"protected":"\#(header)","payload":"\#(payload)","signature":"\#(signature)"}"#),
            ("in other Base64", whole.replacing("-", with: "+").replacing("_", with: "/") + "=="),
            ("endless", whole + String(repeating: "A", count: 10_240)),
        ]
    }

    /// Claims that are better than the genuine ones.
    private var edited: [(String, String)] {
        guard let bytes = Base64URL.decode(payload) else { return [] }
        let text = String(decoding: bytes, as: UTF8.self)
        return [
            ("brand_user", "admin"), ("brand_owner", "admin"), (#""role":"admin""#, #""role":"operator""#),
            (#""exp":1"#, #""exp":9"#), (#""exp":"#, #""nbf":0,"exp":"#),
            (#""aud":"#, #""aud":"control","aud":"#),
            ("brand:", "brand:other-"), (#""sub":""#, #""sub":"0"#), ("}", #","role":"admin"}"#),
        ].filter { text.contains($0.0) }.map { old, new in
            let claims = Base64URL.encode(text.replacing(old, with: new).utf8)
            return ("\(old) as \(new)", "\(header).\(claims).\(signature)")
        }
    }
}
