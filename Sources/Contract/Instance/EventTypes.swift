/// `GET /api/event-types`: what events can be sent, and which of their properties have a meaning.
public struct EventTypesView: Codable, Sendable {
    /// A type of event.
    public struct Item: Codable, Sendable {
        public var type: String
        public var meaning: String
        /// Whether it says nothing without an identifier.
        public var needsIdentifier: Bool
        /// Whether browser keys may send it.
        public var browserKeys: Bool
        /// Further ones are kept as they are sent.
        public var properties: [Property]

        public init(
            type: String, meaning: String, needsIdentifier: Bool, browserKeys: Bool, properties: [Property]
        ) {
            self.type = type
            self.meaning = meaning
            self.needsIdentifier = needsIdentifier
            self.browserKeys = browserKeys
            self.properties = properties
        }
    }

    /// A property that is checked.
    public struct Property: Codable, Sendable {
        public var name: String
        /// `text`, `money`, `number`, `boolean`, `currency`, `instant`, `version` or `items`.
        public var kind: String
        public var required: Bool
        public var meaning: String

        public init(name: String, kind: String, required: Bool, meaning: String) {
            self.name = name
            self.kind = kind
            self.required = required
            self.meaning = meaning
        }
    }

    public var items: [Item]

    public init(items: [Item]) { self.items = items }
}
