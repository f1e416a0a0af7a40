import Backup
import Foundation
import Kernel

/// Where an installation keeps its backups, as its configuration says.
package struct BackupPlace: Codable, Sendable {
    /// A directory, or a place that restic knows: `s3:https://host/bucket`, `sftp:user@host:/path`,
    /// `rest:https://host/`.
    package var repository: String
    /// The file with the password of the repositories; the installation's own when absent.
    package var passwordFile: String?
    /// A file with lines `NAME=value` for restic, such as `AWS_ACCESS_KEY_ID`.
    package var environmentFile: String?

    package init(repository: String, passwordFile: String? = nil, environmentFile: String? = nil) {
        self.repository = repository
        self.passwordFile = passwordFile
        self.environmentFile = environmentFile
    }

    /// The place that the environment names, if it does: `CONSTINTEL_BACKUPS`, with
    /// `CONSTINTEL_BACKUPS_PASSWORD_FILE` and `CONSTINTEL_BACKUPS_ENVIRONMENT_FILE`.
    package init?(environment: [String: String]) {
        guard let repository = environment["CONSTINTEL_BACKUPS"] else { return nil }
        self.init(
            repository: repository, passwordFile: environment["CONSTINTEL_BACKUPS_PASSWORD_FILE"],
            environmentFile: environment["CONSTINTEL_BACKUPS_ENVIRONMENT_FILE"])
    }

    /// What restic is told.
    ///
    /// - Throws: a fault that names the file which is missing or malformed.
    func settings(_ layout: StateLayout, _ keys: PlatformKeys) throws(Fault) -> BackupRepository.Settings {
        var settings = BackupRepository.Settings(
            base: repository, passwordFile: passwordFile ?? keys.backupPasswordFile,
            cacheDirectory: "\(layout.root)/cache")
        while settings.base.count > 1, settings.base.hasSuffix("/"), !settings.base.hasSuffix("//") {
            settings.base.removeLast()
        }
        guard let environmentFile else { return settings }
        let doing = "read \(environmentFile)"
        guard let bytes = try PrivateFile.read(environmentFile) else {
            throw Fault(.notFound, doing: doing, "there is no such file")
        }
        for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        where !line.hasPrefix("#") && !line.allSatisfy(\.isWhitespace) {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else {
                throw Fault(.invalid, doing: doing, "expected lines of NAME=value")
            }
            settings.environment[String(parts[0])] = String(parts[1])
        }
        return settings
    }
}
