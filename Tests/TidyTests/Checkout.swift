import Foundation

/// The source files of this checkout, read once.
struct Checkout: Sendable {
    struct File: Sendable, CustomStringConvertible {
        /// Below the checkout, such as `Sources/Kernel/Money.swift`.
        let path: String
        let lines: [String]

        var name: String { String(path.split(separator: "/").last ?? "") }
        var description: String { path }

        /// The room of a source file: the target that it belongs to.
        var room: String {
            let parts = path.split(separator: "/").map(String.init)
            return parts[1] == "Schema"
                ? (parts[2] == "control" ? "ControlSchema" : "TenantSchema") : parts[1]
        }

        /// The modules that the file imports.
        var imports: [String] {
            lines.compactMap { line in
                let words = line.split(separator: " ").filter {
                    !$0.hasPrefix("@") && $0 != "public" && $0 != "internal"
                }
                return words.count >= 2 && words[0] == "import" ? String(words.last ?? "") : nil
            }
        }
    }

    /// Where the checkout is: named by `infra/test.sh`, whose tests may not be allowed to read the original.
    static let root: String = {
        if let named = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_CHECKOUT"] { return named }
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { url.deleteLastPathComponent() }
        return url.path
    }()

    static let sources = files(under: "Sources")
    static let tests = files(under: "Tests")

    private static func files(under folder: String) -> [File] {
        let names =
            FileManager.default.enumerator(atPath: "\(root)/\(folder)")?.compactMap { $0 as? String } ?? []
        return names.filter { $0.hasSuffix(".swift") }.sorted().map { name in
            let text = (try? String(contentsOfFile: "\(root)/\(folder)/\(name)", encoding: .utf8)) ?? ""
            return File(path: "\(folder)/\(name)", lines: text.components(separatedBy: "\n"))
        }
    }
}
