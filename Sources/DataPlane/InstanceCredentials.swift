import Contract
import Foundation
import Kernel
import Sealing

/// The secrets of an instance: files in one directory, which under systemd is `$CREDENTIALS_DIRECTORY`.
public struct InstanceCredentials: Sendable {
    let postgresPassword: Secret
    let redisPassword: Secret
    /// The public keys of user tokens: one, or two while they are rotated.
    let tokenKeys: [VerifyingKey]

    /// Reads the files `postgres-password`, `redis-password`, `token-key-1.pub` and `token-key-2.pub`.
    ///
    /// - Throws: `Fault.unavailable` that names the file which is missing or malformed.
    public init(directory: String) throws {
        func text(_ name: String) throws -> String {
            String(decoding: try InstanceCredentials.bytes(directory, name), as: UTF8.self)
                .trimmingCharacters(in: .newlines)
        }
        postgresPassword = Secret(try text("postgres-password"))
        redisPassword = Secret(try text("redis-password"))
        var keys: [VerifyingKey] = []
        for name in ["token-key-1.pub", "token-key-2.pub"] {
            if name != "token-key-1.pub", !FileManager.default.fileExists(atPath: "\(directory)/\(name)") {
                continue
            }
            guard let key = VerifyingKey(bytes: try InstanceCredentials.bytes(directory, name)) else {
                throw InstanceCredentials.unreadable(name)
            }
            keys.append(key)
        }
        tokenKeys = keys
    }

    private static func bytes(_ directory: String, _ name: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: "\(directory)/\(name)") else {
            throw unreadable(name)
        }
        return Array(data)
    }

    private static func unreadable(_ name: String) -> Fault {
        Fault(.unavailable, doing: "read the instance's credentials", "'\(name)' is missing or malformed")
    }
}

extension InstanceConfiguration {
    /// Reads `instance.json`.
    ///
    /// - Throws: `Fault.invalid` when it is missing or malformed.
    public init(file path: String) throws {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Fault(.invalid, doing: "read the configuration", "there is no file at \(path)")
        }
        do {
            self = try JSONDecoder().decode(InstanceConfiguration.self, from: data)
        } catch {
            throw Fault(.invalid, doing: "read the configuration", "\(path) is malformed", cause: error)
        }
    }
}
