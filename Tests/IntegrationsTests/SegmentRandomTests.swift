import Events
import Foundation
import Kernel
import TestSupport
import Testing

@testable import Integrations

/// Messages put together by chance from all names that have a meaning, with values of any kind.
private struct RandomMessage {
    private static let fields = [
        "type", "event", "userId", "anonymousId", "previousId", "groupId", "messageId", "timestamp",
        "originalTimestamp", "sentAt", "channel", "name", "category", "properties", "traits", "context",
    ]
    private static let names = [
        "product_id", "productId", "sku", "order_id", "orderId", "total", "revenue", "value", "amount",
        "currency", "quantity", "price", "products", "items", "query", "reason", "refund_id", "refundId",
        "version", "updatedAt", "name", "ownName", "url", "path", "title", "referrer", "search", "email",
        "phone", "consent", "context", "traits", "device", "id", "page", "library", "notMapped", "other",
    ]
    private static let events = [
        "Product Viewed", "Products Searched", "Product Added", "Product Added to Wishlist",
        "Cart Abandoned", "Order Completed", "Order Updated", "Order Refunded", "Order Cancelled",
        "Signed Out", "Played",
    ]

    private var generator: SeededGenerator
    /// Texts that stand in the properties or traits, each once.
    private(set) var words: [String] = []

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    private mutating func chance(_ percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &generator) < percent
    }

    mutating func json(_ call: SegmentCall) -> String {
        var members = [#""userId":"u""#, #""type":"\#(call.rawValue)""#]
        if chance(95) { members.append(#""event":"\#(Self.events.randomElement(using: &generator)!)""#) }
        let holder = call == .identify || call == .group ? "traits" : "properties"
        // What makes an order of it, more often than chance does.
        let order = chance(50) ? #""order_id":"o","total":"12.50","sku":7,"# : ""
        members.append(#""\#(holder)":{\#(order)\#(object(0).dropFirst())"#)
        let kept = words
        for name in Self.fields where name != holder && chance(6) {
            members.append(#""\#(name)":\#(value(1))"#)
        }
        words = kept
        return "{\(members.joined(separator: ","))}"
    }

    private mutating func object(_ depth: Int) -> String {
        let names = Self.names.filter { _ in chance(depth == 0 ? 30 : 12) }
        let members = names.map { #""\#($0)":\#(value(depth + 1))"# } + [#""end":\#(depth)"#]
        return "{\(members.joined(separator: ","))}"
    }

    private mutating func value(_ depth: Int) -> String {
        switch Int.random(in: 0..<(depth < 4 ? 12 : 9), using: &generator) {
        case 0...2:
            words.append("word\(words.count)x\(Int.random(in: 0...999_999, using: &generator))")
            return "\"\(words[words.count - 1])\""
        case 3: return ["12.5", "1e3", "-7", "0.1000000001", "1e300"].randomElement(using: &generator)!
        case 4: return #""12.50""#
        case 5: return ["null", "true", #""""#, #"" ""#].randomElement(using: &generator)!
        case 6: return #""USD""#
        case 7: return #""a@b.com""#
        case 8: return #""2026-01-31T10:00:00Z""#
        case 9: return "[\(value(depth + 1)),\(value(depth + 1))]"
        case 10: return "[\(object(depth + 1)),\(object(depth + 1))]"
        default: return object(depth + 1)
        }
    }
}

@Suite("Messages put together by chance")
struct SegmentRandomTests {
    @Test("each is an event in which all is kept, or is refused for a field of the message")
    func all() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var types: [EventType: Int] = [:]
        var refused = 0
        for number in 0..<12_000 {
            var random = RandomMessage(seed: seed &+ UInt64(number))
            let json = random.json(SegmentCall.allCases[number % SegmentCall.allCases.count])
            let event: Event
            do {
                event = try Segment.read(json)
            } catch {
                let fault = try #require(error as? Fault)
                #expect(fault.code == .invalid && fault.field != nil, "\(fault) of seed \(seed): \(json)")
                refused += 1
                continue
            }
            types[event.type, default: 0] += 1
            let properties = String(decoding: event.properties, as: UTF8.self)
            #expect(throws: Never.self) { try JSONText.checking(event.properties) }
            // An alias has no properties.
            let isAlias = number % SegmentCall.allCases.count == SegmentCall.allCases.firstIndex(of: .alias)
            let lost = isAlias ? [] : random.words.filter { !properties.contains("\"\($0)\"") }
            #expect(lost.isEmpty, "seed \(seed): \(json) has become \(properties)")
        }
        print("segment by chance: \(refused) refused, \(types.map { "\($0.value) \($0.key)" }.sorted())")
        #expect(types.count == 12 && types.values.allSatisfy { $0 > 10 })
    }
}
