import ArgumentParser
import Contract
import Foundation
import Kernel

struct ClearAllData: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "clear-all-data",
        abstract: "Remove every brand with all of its data; never from production.",
        discussion: """
            For an installation that is there to develop with or to try things out. Users without a brand \
            stay, and so do plans and the audit log. This cannot be taken back. You are asked to type the \
            name of the installation's environment; where there is no terminal, say --confirm <name>.

            Example:
              constintel platform clear-all-data --plan
              constintel platform clear-all-data --confirm development
            """)

    /// How long to wait for what was begun, before more is asked for.
    static let pause = Duration.milliseconds(500)

    @Option(help: "The name of the installation's environment, instead of typing it.")
    var confirm: String?

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let doing = "clear all data"
        let platform = try await service.control.send(
            Request(.get, "/api/admin/platform", doing: "see what the installation is for")
        ).decode(PlatformView.self)
        let name = platform.environment.rawValue
        if confirm == nil, !plan.plan, platform.environment != .production {
            try service.confirm(
                name, "Every brand of \(platform.edge) will be removed. This cannot be taken back.",
                option: "--confirm \(name)", doing: doing)
        }
        let request = try Request(
            .post, "/api/admin/platform/clear", json: PlatformClearing(confirm: confirm ?? name), doing: doing
        )
        var cleared: Set<String> = []
        while let answer = try await service.write(request, unless: plan) {
            let view = try answer.decode(ClearingView.self)
            cleared.formUnion(view.begun)
            if view.begun.isEmpty, view.left.isEmpty {
                let count = cleared.count == 1 ? "1 brand is" : "\(cleared.count) brands are"
                return service.note("Cleared: \(count) gone.")
            }
            service.note("\(view.begun.count) going, \(view.left.count) waiting")
            try await Task.sleep(for: ClearAllData.pause)
        }
    }
}
