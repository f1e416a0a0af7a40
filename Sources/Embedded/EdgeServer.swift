import Glibc
import Kernel
import Supervision

/// The private nginx: finds a request's brand in its path or its key, and passes it to that instance.
struct EdgeServer: Sendable {
    let state: StateDirectory
    let address: EdgeAddress
    let templates: Templates
    let servant: Servant

    /// Writes the configuration.
    func unit() throws(Fault) -> UnitSpecification {
        let parts = ["brand.conf", "control.conf", "nginx.conf"]
        let temporary = "\(state.nginx)/temporary"
        try PrivateFiles.makeDirectory(temporary)
        let slug = try templates.line("nginx/slug.regex")
        var version = ""
        for part in parts {
            let text = try templates.render("nginx/\(part)", values(temporary: temporary, slug: slug))
            try PrivateFiles.write(text, to: "\(state.nginx)/\(part)")
            version += text
        }
        let program = try Program("nginx", package: "nginx-light")
        let arguments = ["-p", state.nginx, "-c", "\(state.nginx)/nginx.conf"]
        let probe = UnitSpecification.Readiness.probe { [address] in address.answers() }
        var unit = servant.unit("nginx", program, arguments, readiness: probe, in: state)
        unit.version = version
        // Lets requests that are under way finish.
        unit.stopSignal = SIGQUIT
        unit.stopTimeout = .seconds(15)
        unit.startTimeout = .seconds(30)
        unit.beforeLaunch = { [address] in try address.checkItIsFree() }
        return unit
    }

    private func values(temporary: String, slug: String) -> [String: String] {
        [
            "address": address.description,
            "nginx": state.nginx.escapedForNginx,
            "temporary": temporary.escapedForNginx,
            "run": state.run.escapedForNginx,
            "slug": slug,
        ]
    }
}

extension String {
    /// For the inside of a quoted word of nginx.conf.
    fileprivate var escapedForNginx: String { String(quotedForRedisOrNginx.dropFirst().dropLast()) }
}
