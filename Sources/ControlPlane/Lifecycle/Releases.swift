import Foundation
import Kernel

/// The releases of the instance program that are installed beside the daemon's own: one directory each, with
/// the program in it.
struct Releases: Sendable {
    /// `<directory>/<release>/constintel-instance`.
    let directory: String
    /// The daemon's own.
    let ownExecutable: String

    private static let program = "constintel-instance"
    private static let longestName = 64

    /// The program of a release; the daemon's own for nil.
    func executable(_ release: String?) -> String {
        release.map { "\(directory)/\($0)/\(Releases.program)" } ?? ownExecutable
    }

    /// The names of those installed, in order.
    func installed() -> [String] {
        let found = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return found.filter { Releases.isName($0) && isInstalled($0) }.sorted()
    }

    /// - Throws: `Fault.invalid` when no such release is installed; an empty name is the daemon's own.
    func check(_ release: String, doing: String) throws(Fault) {
        if release.isEmpty { return }
        guard Releases.isName(release), isInstalled(release) else {
            let known = installed()
            let list = known.isEmpty ? "none is" : "there are \(known.joined(separator: ", "))"
            throw Fault(
                .invalid, doing: doing,
                "expected 'current' or an installed release: \(list) in \(directory)", field: "release")
        }
    }

    private func isInstalled(_ release: String) -> Bool {
        FileManager.default.isExecutableFile(atPath: executable(release))
    }

    private static func isName(_ text: String) -> Bool {
        (1...longestName).contains(text.utf8.count) && text.first != "."
            && text.utf8.allSatisfy { $0.isASCIILetterOrDigit || "._-+".utf8.contains($0) }
    }
}
