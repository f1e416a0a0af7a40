import FoundationEssentials
import Kernel
import Mustache

/// The folder of templates that the servers' configurations are rendered from.
struct Templates: Sendable {
    let directory: String

    /// Renders `<directory>/<name>.mustache`. Values are inserted as they are: quote them first.
    func render(_ name: String, _ values: [String: String]) throws(Fault) -> String {
        let file = "\(directory)/\(name).mustache"
        do {
            let text = try String(contentsOfFile: file, encoding: .utf8)
            return try MustacheTemplate(string: "{{% CONTENT_TYPE:TEXT }}\n" + text).render(values)
        } catch {
            throw Fault(.unavailable, doing: "render the template \(file)", "it cannot be used", cause: error)
        }
    }

    /// What `<directory>/<name>` says on its first line, as it is.
    func line(_ name: String) throws(Fault) -> String {
        do {
            let text = try String(contentsOfFile: "\(directory)/\(name)", encoding: .utf8)
            return String(text.prefix { $0 != "\n" })
        } catch {
            throw Fault(.unavailable, doing: "read \(directory)/\(name)", "it cannot be used", cause: error)
        }
    }
}

extension String {
    /// As postgresql.conf quotes a value.
    var quotedForPostgres: String { "'\(replacing("\\", with: "\\\\").replacing("'", with: "''"))'" }
    /// As redis.conf and nginx.conf quote a word.
    var quotedForRedisOrNginx: String {
        "\"\(replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
    }
}
