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
    func settings(_ layout: StateLayout, _ keys: PlatformKeys) -> BackupRepository.Settings {
        var settings = BackupRepository.Settings(
            base: repository, passwordFile: passwordFile ?? keys.backupPasswordFile,
            cacheDirectory: "\(layout.root)/cache")
        while settings.base.count > 1, settings.base.hasSuffix("/"), !settings.base.hasSuffix("//") {
            settings.base.removeLast()
        }
        settings.environmentFile = environmentFile
        return settings
    }
}
