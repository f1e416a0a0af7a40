import ArgumentParser
import Kernel

struct TrackerCommand: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "tracker",
        abstract: "Print the tag with which a shop's pages send what their visitors do.",
        discussion: """
            It goes into the head of every page. Nothing is stored or sent before the page has said that the \
            visitor agrees. runbooks/tracker.md has what else a page may call.

            Example:
              constintel key create acme --name pages --browser --origin https://shop.acme.example
              constintel tracker acme --key ci_pub_acme_8fK2mQ0xT4Zb…
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Option(help: "The browser key that the tag carries.")
    var key: String?

    @OptionGroup var options: ServiceOptions

    func validate() throws {
        guard let key, !key.hasPrefix("ci_pub_\(slug)_") else { return }
        throw ValidationError(
            "--key is a browser key of the brand (ci_pub_\(slug)_…): everybody can read it in the page.")
    }

    func run(on service: Service) async throws {
        let instance = try await service.instance(of: slug)
        let path = "/constintel-tracker.js"
        // What a page would get.
        _ = try await instance.send(Request(.get, path, doing: "read the tracker"))
        let source = instance.address.url(path: path)
        let stub = "function () { (constintel.q = constintel.q || []).push(arguments) }"
        service.streams.print("<script>window.constintel = window.constintel || \(stub);</script>")
        service.streams.print(
            "<script async src=\"\(source)\" data-key=\"\(key ?? "ci_pub_\(slug)_…")\"></script>")
        if key == nil {
            service.note(
                "Make the key: constintel key create \(slug) --name pages --browser --origin https://…")
        }
        service.note("When the visitor agrees, the page calls: constintel('consent', {analytics: true})")
        let edge = source.split(separator: "/").prefix(2).joined(separator: "//")
        service.note("A Content-Security-Policy allows it by: script-src \(edge); connect-src \(edge)")
    }
}
