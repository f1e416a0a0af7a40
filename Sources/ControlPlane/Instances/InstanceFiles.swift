import Contract
import Foundation
import Kernel
import Sealing
import Workflow

/// What an instance finds when it starts: `instance.json` and `credentials/` in a directory of its own, and
/// the marker by which the edge knows the brand.
struct InstanceFiles: Sendable {
    let layout: StateLayout
    let places: ControlPlane.Places
    let keys: PlatformKeys

    /// The keys of user tokens, as they are now.
    var tokenKeys: [VerifyingKey] { keys.tokenKeys }

    /// The path of an instance's configuration.
    func configurationPath(_ slug: Slug) -> String { "\(layout.instance(slug))/instance.json" }

    /// What the instance is told.
    func configuration(_ instance: Instance) -> InstanceConfiguration {
        let slug = instance.slug
        return InstanceConfiguration(
            slug: slug, brandId: instance.brand, generation: instance.generation, socket: layout.socket(slug),
            database: InstanceConfiguration.Database(
                host: places.postgresHost, port: places.postgresPort,
                database: places.brandsDatabase, role: slug.runtimeRole, connections: instance.connections),
            streams: InstanceConfiguration.Streams(socket: places.redisSocket, user: slug.redisUser),
            directory: "\(layout.instance(slug))/data",
            watchedDirectories: places.watchedDirectories)
    }

    /// `configuration` as the file has it.
    func configurationText(_ instance: Instance) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(configuration(instance)))
    }

    /// Makes everything as it should be, whatever is there.
    func write(_ instance: Instance) throws {
        let slug = instance.slug
        for path in ["\(layout.instance(slug))/data", layout.instanceSockets] {
            try PrivateFile.makeDirectory(path)
        }
        try writeConfiguration(instance, to: layout.instance(slug))
        try Failpoint.effect()
        try PrivateFile.write([], to: layout.marker(slug))
    }

    /// Puts into a directory what a process is started with: `instance.json`, and beside it `credentials/`.
    /// Gives the path of the former. The edge learns nothing of it.
    @discardableResult
    func writeConfiguration(_ instance: Instance, to directory: String) throws -> String {
        let slug = instance.slug
        let credentials = "\(directory)/credentials"
        try PrivateFile.makeDirectory(credentials)
        for (name, secret, sealed) in [
            ("postgres-password", InstanceSecret.postgresPassword, instance.postgresPassword),
            ("redis-password", .redisPassword, instance.redisPassword),
        ] {
            let opened = try keys.sealer.openBytes(sealed, for: secret.context(slug))
            try Failpoint.effect()
            try PrivateFile.write(opened, to: "\(credentials)/\(name)")
        }
        for (index, key) in tokenKeys.enumerated() {
            try PrivateFile.write(key.bytes, to: "\(credentials)/\(tokenKeyName(index))")
        }
        try Failpoint.effect()
        let path = "\(directory)/instance.json"
        try PrivateFile.write(configurationText(instance), to: path)
        return path
    }

    /// The files that a service manager gives the instance, by the names that it reads them by.
    func credentials(_ slug: Slug) -> [String: String] {
        let directory = "\(layout.instance(slug))/credentials"
        let names = ["postgres-password", "redis-password"] + tokenKeys.indices.map { tokenKeyName($0) }
        var files = Dictionary(uniqueKeysWithValues: names.map { ($0, "\(directory)/\($0)") })
        files["instance.json"] = configurationPath(slug)
        return files
    }

    private func tokenKeyName(_ index: Int) -> String { "token-key-\(index + 1).pub" }

    /// From now on the edge does not know the brand.
    func hide(_ slug: Slug) throws {
        try Failpoint.effect()
        try PrivateFile.remove(layout.marker(slug))
    }

    /// Removes everything, the instance's own files, its socket and its log included.
    func remove(_ slug: Slug) throws {
        for path in paths(slug) {
            try Failpoint.effect()
            try PrivateFile.remove(path)
        }
    }

    /// What `write` makes.
    func writtenPaths(_ slug: Slug) -> [String] { [layout.instance(slug), layout.marker(slug)] }

    /// Everything that `remove` removes.
    func paths(_ slug: Slug) -> [String] {
        [
            layout.marker(slug), layout.socket(slug), layout.log(slug), layout.oldLog(slug),
            layout.instance(slug),
        ]
    }
}
