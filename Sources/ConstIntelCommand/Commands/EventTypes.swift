import ArgumentParser
import Contract
import Kernel

struct EventsTypes: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "types",
        abstract: "List what events can be sent, and which of their properties have a meaning.",
        discussion: """
            Required properties are marked with an asterisk. Other properties are kept as they are sent.

            Example:
              constintel events types --brand acme
            """)

    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(.get, "/api/event-types", doing: "list the types of events"))
        try service.report(answer) {
            try answer.decode(EventTypesView.self).items.flatMap(Self.lines)
        }
    }

    private static func lines(_ item: EventTypesView.Item) -> [String] {
        let names = item.properties.map { "\($0.name)\($0.required ? "*" : "")" }
        let width = names.map(\.count).max() ?? 0
        return ["\(item.type): \(item.meaning)"]
            + zip(names, item.properties).map { name, property in
                let padded = name + String(repeating: " ", count: width - name.count)
                return "  \(padded)  \(property.kind): \(property.meaning)"
            } + [""]
    }
}
