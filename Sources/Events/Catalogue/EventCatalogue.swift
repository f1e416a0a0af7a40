import Kernel

/// What each type of event says: the one place that checks, and documents, the properties with a meaning.
/// Further properties are kept as they are sent.
public enum EventCatalogue {
    /// The properties of `type` that have a meaning.
    public static func properties(of type: EventType) -> [PropertyRule] {
        switch type {
        case .purchase: purchase
        case .refund: refund
        case .cancellation: cancellation
        case .pageView: pageView
        case .productView: product
        case .search: search
        case .cartAdd: product + [quantity]
        case .cartAbandoned: cart
        case .wishlistAdd: product
        case .whatsappMessage: message
        case .storeVisit: visit
        case .identify, .signOut: []
        case .custom: [optional("name", .text, "What happened, in your own words.")]
        }
    }

    /// What an event of `type` stands for, in a sentence.
    public static func meaning(of type: EventType) -> String {
        switch type {
        case .purchase: "An order as it stands now. Sent again with a newer version, it replaces the former."
        case .refund: "Money of an order that was given back."
        case .cancellation: "An order that was called off: it counts for nothing."
        case .pageView: "A page or a screen was seen."
        case .productView: "A product was looked at."
        case .search: "Something was searched for."
        case .cartAdd: "A product was put into the cart."
        case .cartAbandoned: "A cart was left without an order."
        case .wishlistAdd: "A product was put on a wish list."
        case .whatsappMessage: "A WhatsApp message was received or sent."
        case .storeVisit: "A store was visited."
        case .identify: "Somebody signed in, or said who they are."
        case .signOut: "Somebody signed out of a device."
        case .custom: "Anything else."
        }
    }

    /// Holds the properties of an event to what its type says of them.
    ///
    /// - Parameter properties: nil where the event has none.
    /// - Throws: `Fault.invalid` with the field, such as `properties.productId`.
    static func check(_ properties: JSONText?, of type: EventType, doing: String) throws(Fault) {
        let object = properties ?? .emptyObject
        switch type {
        // What orders are made of is read, and so checked, by those who make them.
        case .purchase: _ = try Purchase(properties: object, doing: doing)
        case .refund, .cancellation:
            _ = try OrderAdjustment(type, properties: object, doing: doing)
            try follow(self.properties(of: type), object, of: type, doing: doing)
        default: try follow(self.properties(of: type), object, of: type, doing: doing)
        }
    }

    private static func follow(
        _ rules: [PropertyRule], _ object: JSONText, of type: EventType, doing: String
    ) throws(Fault) {
        guard !rules.isEmpty else { return }
        let fields = JSONFields(object, under: "properties", doing: doing)
        for rule in rules { try rule.check(fields, of: type) }
    }

    private static func required(_ name: String, _ kind: PropertyKind, _ meaning: String) -> PropertyRule {
        PropertyRule(name: name, kind: kind, isRequired: true, meaning: meaning)
    }

    private static func optional(_ name: String, _ kind: PropertyKind, _ meaning: String) -> PropertyRule {
        PropertyRule(name: name, kind: kind, isRequired: false, meaning: meaning)
    }

    private static let version = [
        optional(
            "version", .version,
            "Your own count of versions: numbers come before texts, and one without is the oldest."),
        optional("updatedAt", .instant, "When it was changed, where there is no `version`."),
    ]

    private static let purchase =
        [
            required("total", .money, "What was paid."),
            optional("orderId", .id, "Your id of the order. Without it the purchase is an order of its own."),
            optional("currency", .currency, "The brand's currency when absent."),
            optional("items", .items, "What was bought. The total is not computed of it."),
            optional(
                "refunded", .money,
                "What has been given back so far. Where it is there, `refund` events are not counted."),
            optional(
                "cancelled", .boolean,
                "Whether the order is called off. Where it is there, `cancellation` events are not counted."),
        ] + version

    private static let refund =
        [
            required("orderId", .id, "The order, of the same source."),
            required("amount", .money, "What was given back, in this refund alone."),
            optional(
                "currency", .currency,
                "The order's when absent. A refund in another currency than its order's does not count."),
            optional("refundId", .id, "Your id of the refund; without it each event is one."),
        ] + version

    private static let cancellation =
        [
            required("orderId", .id, "The order, of the same source."),
            optional("reason", .text, "Why."),
        ] + version

    private static let pageView = [
        optional("url", .text, "The page's address."), optional("path", .text, "Its path."),
        optional("title", .text, "Its title."),
        optional("referrer", .text, "The address of the page before."),
        optional("name", .text, "What you call the page or the screen."),
    ]

    private static let product = [
        required("productId", .id, "Your id of the product."),
        optional("variantId", .id, "Your id of the variant."),
        optional("name", .text, "The product's name."),
        optional("category", .text, "The product's category."),
        optional("price", .money, "What one costs."),
        optional("currency", .currency, "The brand's currency when absent."),
        optional("url", .text, "The product's page."),
    ]

    private static let quantity = optional("quantity", .number, "How many; one when absent.")

    private static let search = [
        optional("query", .text, "What was searched for."),
        optional("results", .number, "How many products were found."),
    ]

    private static let cart = [
        optional("cartId", .id, "Your id of the cart."),
        optional("value", .money, "What all in it costs."),
        optional("currency", .currency, "The brand's currency when absent."),
        optional("items", .items, "What is in it."),
    ]

    private static let message = [
        optional("direction", .text, "`inbound`: received from the customer; `outbound`: sent to them."),
        optional("messageId", .id, "The vendor's id of the message."),
        optional("text", .text, "What it says."),
    ]

    private static let visit = [
        optional("storeId", .id, "Your id of the store."),
        optional("name", .text, "The store's name."),
        optional("durationMinutes", .number, "How long it was."),
    ]
}
