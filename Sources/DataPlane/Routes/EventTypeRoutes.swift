import Contract
import Events
import Hummingbird
import Web

/// `/api/event-types`: the catalogue of what events say, for those who send them.
struct EventTypeRoutes: Sendable {
    func add(to router: RouterGroup<WebContext>) {
        router.get("event-types") { _, context in
            _ = try context.requireSender(doing: "list the types of events")
            return try WebResponse.json(EventCatalogue.document)
        }
    }
}

extension EventCatalogue {
    /// The catalogue as the API shows it.
    static var document: EventTypesView {
        EventTypesView(
            items: EventType.allCases.map { type in
                EventTypesView.Item(
                    type: type.rawValue, meaning: meaning(of: type), needsIdentifier: type.needsIdentifier,
                    browserKeys: type.isBehaviour,
                    properties: properties(of: type).map { rule in
                        EventTypesView.Property(
                            name: rule.name, kind: rule.kind.rawValue, required: rule.isRequired,
                            meaning: rule.meaning)
                    })
            })
    }
}
