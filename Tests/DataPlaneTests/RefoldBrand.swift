import Contract
import Customers
import Kernel
import Postgres
import TenantSchema
import TestSupport

@testable import DataPlane
@testable import Events

/// One thing that may have gone wrong in a brand's tables.
struct Tampering {
    let sql: String
    /// What a plan says that differs.
    let kinds: [String]
    /// Something that it says in words.
    let words: String

    init(_ sql: String, _ kinds: String..., words: String) {
        self.sql = sql
        self.kinds = kinds
        self.words = words
    }

    private static let ann = "(select id from customer_identifier where value = 'ann@shop.com')"
    private static let bob = "(select id from customer_identifier where value = 'bob@shop.com')"
    private static let cookie = "(select id from customer_identifier where value = 'c1')"
    private static let nobody = "'018f0000-0000-7000-8000-000000000000'"

    /// At least one of every column that is derived.
    static let all = identity + weak + events + orders + profiles

    private static let identity = [
        Tampering(
            "update customer_identifier set flag = 'shared' where value = 'bob@shop.com'", "flag",
            words: "email bob@shop.com has the flag shared, should have none"),
        Tampering(
            "update customer_identifier set profile_id = null where value = 'ann@shop.com'", "membership",
            words: "email ann@shop.com is in the profile none, should be in 0"),
        Tampering(
            "update customer_identifier set profile_id = id where value = 'c1'", "membership",
            words: "cookie_id c1 is in the profile 0"),
        Tampering(
            "update identity_pair set state = 'out', hold = null where state = 'held'", "pair",
            words: "is out, tied; should be held by decision 2, tied"),
        Tampering(
            "update identity_pair set hold = 1 where state = 'held'", "pair",
            words: "is held by decision 1, tied; should be held by decision 2, tied"),
        Tampering(
            """
            update identity_pair set tied = false where state = 'in_force' and \(ann) in (low_id, high_id)
            """, "pair", words: "is in_force, not tied; should be in_force, tied"),
        Tampering("delete from identity_pair where state = 'in_force'", "pair", words: "is not there"),
        Tampering(
            """
            insert into identity_pair values (least(\(ann), \(bob)), greatest(\(ann), \(bob)), 'in_force',
                null, true)
            """, "pair", words: "should be not there"),
        Tampering("delete from identity_never", "never", words: "is missing"),
        Tampering(
            "insert into identity_never values (least(\(ann), \(cookie)), greatest(\(ann), \(cookie)))",
            "never", words: "was not decided"),
        Tampering("update consent set granted = not granted", "consent", words: "is denied at"),
        Tampering(
            "update consent set occurred_at = occurred_at + interval '1 second'", "consent",
            words: "is granted at"),
        Tampering("delete from consent", "consent", words: "is not given"),
        Tampering(
            "insert into consent values (\(bob), 'email', 'news', true, now())", "consent",
            words: "should be not given"),
    ]

    private static let weak = [
        Tampering(
            "delete from identifier_sign_in where owner_id is null", "sign-in",
            words: "is not there, should be a sign-out"),
        Tampering(
            "update identifier_sign_in set owner_id = \(bob) where owner_id = \(ann)", "sign-in",
            words: "is a sign-in of email bob@shop.com, should be a sign-in of email ann@shop.com"),
        Tampering(
            "insert into identifier_sign_in values (\(cookie), now(), 'x', 'api', \(bob))", "sign-in",
            words: "should be not there"),
        Tampering("delete from identifier_owner", "owner", words: "is missing"),
        Tampering(
            "insert into identifier_owner values (\(cookie), \(bob))", "owner",
            words: "email bob@shop.com as an owner of cookie_id c1 is there and never signed in"),
    ]

    private static let events = [
        Tampering(
            "update customer_raw_event set placed_on = \(bob) where event_key = '2'", "placement",
            words: "is placed on email bob@shop.com, should be on email ann@shop.com"),
        Tampering(
            "update customer_raw_event set customer_profile_id = null where event_key = '2'", "placement",
            words: "is in the profile none, should be in 0"),
        Tampering(
            "update customer_raw_event set placed_on = \(bob), customer_profile_id = \(bob) where test",
            "placement", words: "is placed on email bob@shop.com, should be on none"),
        Tampering(
            "delete from identifier_event where identifier_id = \(ann)", "carried",
            words: "is not found from email ann@shop.com"),
        Tampering(
            "delete from identifier_event where identifier_id = \(cookie)", "carried",
            words: "is not found from cookie_id c1"),
        Tampering(
            """
            update identifier_event set created_at = created_at + interval '1 day'
            where identifier_id = \(cookie)
            """, "carried", words: "is not found from cookie_id c1"),
    ]

    private static let orders = [
        Tampering(
            "update customer_order set total = 21 where order_id = 'o'", "order",
            words: "is 21.0000 USD at 1.0000000000 of event"),
        Tampering(
            "update customer_order set currency = 'EUR' where order_id = 'o'", "order",
            words: "20.0000 EUR at 1.0000000000 of event"),
        Tampering(
            "update customer_order set profile_id = null where order_id = 'o'", "order",
            words: "on phone +12025550123 in the profile none; should be"),
        Tampering(
            "update customer_order set placed_on = null, place_version = null where order_id = 'o'",
            "order", words: "on none in the profile"),
        Tampering(
            """
            update customer_order
            set version = row(1, 9, '', ordered_at, (version).event_key)::order_version
            where order_id = 'o'
            """, "order", words: "the order o of api is"),
        Tampering("update customer_order set items = '[]'", "order", words: "the order o of api is"),
        Tampering(
            "delete from customer_order where order_id = 'o'", "order",
            words: "api is not there; should be 20"
        ),
        Tampering(
            """
            update customer_order set order_id = 'other' where order_id = 'o'
            """, "order", words: "; should be not there"),
        Tampering(
            "update order_totals set revenue = revenue + 0.01 where currency = 'USD'", "order totals",
            words: "orders in USD are 1 with 20.0100 worth 20.0000, 0 without a rate, should be 1 with 20"),
        Tampering(
            "delete from order_totals where currency = 'EUR'", "order totals",
            words: "orders in EUR are 0 with 0 worth 0, 0 without a rate, should be 1 with 7.5000 worth 0"),
        Tampering(
            "insert into order_totals values ('INR', 1, 5)", "order totals",
            words: "orders in INR are 1 with 5.0000 worth 0.0000, 0 without a rate, should be 0 with 0"),
        Tampering(
            "update order_totals set converted = converted + 0.01 where currency = 'USD'", "order totals",
            words: "worth 20.0100, 0 without a rate"),
        Tampering(
            "update order_totals set without_rate = 0 where currency = 'EUR'", "order totals",
            words: "should be 1 with 7.5000 worth 0, 1 without a rate"),
        Tampering(
            "update customer_order set rate = 2 where order_id = 'o'", "order",
            words: "is 20.0000 USD at 2.0000000000 of event"),
        Tampering(
            "update customer_order set event_refunded = 1 where order_id = 'o'", "order",
            words: "is 20.0000 USD less 1.0000 at 1"),
        Tampering(
            "update customer_order set stated_refunded = 1 where order_id = 'o'", "order",
            words: "is 20.0000 USD less 1.0000 at 1"),
        Tampering(
            "update customer_order set event_cancelled = true where order_id = 'o'", "order",
            words: "is 20.0000 USD (cancelled) at 1"),
        Tampering(
            "update customer_order set stated_cancelled = true where order_id = 'o'", "order",
            words: "is 20.0000 USD (cancelled) at 1"),
        Tampering(
            "update customer_order set ordered_at = now() where order_id = 'o'", "order",
            words: "the order o of api is"),
        Tampering(
            "update order_adjustment set amount = 3", "adjustment",
            words: "the refund r of the order p of api is 3.0000 of its order's currency of event"),
        Tampering("delete from order_adjustment", "adjustment", words: "is not there; should be 2.0000"),
        Tampering(
            "update order_adjustment set order_id = 'q'", "adjustment",
            words: "the refund r of the order q of api"),
    ]

    private static let profiles = [
        Tampering(
            "update customer_profile set lifetime_value = lifetime_value + 0.01 where total_orders = 1",
            "profile", words: "1 orders worth 20.0100"),
        Tampering(
            "update customer_profile set total_orders = 2 where total_orders = 1", "profile",
            words: "with 2 orders worth 20.0000"),
        Tampering(
            "update customer_profile set profile_strength = 1 where total_orders = 1", "profile",
            words: "of strength 1 with"),
        Tampering(
            "update customer_profile set identifiers = '{}' where total_orders = 1", "profile",
            words: "is {} of strength 65"),
        Tampering(
            "update customer_profile set first_seen_at = null where total_orders = 1", "profile",
            words: "seen none to 2026"),
        Tampering(
            "update customer_profile set last_seen_at = null where total_orders = 1", "profile",
            words: "to none; should be"),
        Tampering(
            "delete from customer_profile where total_orders = 1", "profile", words: "is not there; should be"
        ),
        Tampering(
            "insert into customer_profile (id, created_at, updated_at) values (\(nobody), now(), now())",
            "profile", words: "should be not there"),
        Tampering(
            "update brand_totals set events = events + 1", "brand totals", words: "the brand has 16 events"),
        Tampering(
            "update brand_totals set profiles = 0", "brand totals", words: "events and 0 profiles"),
        Tampering("delete from brand_totals", "brand totals", words: "the brand has none events"),
    ]
}

extension TestBrand {
    /// The writer's connection, for what must hold the lease.
    var writerDatabase: WriterDatabase {
        WriterDatabase(configuration: configuration, reactor: TestServers.reactor, generation: 1)
    }

    /// A re-fold as a plan or applied, by the brand's settings or with another country.
    func refold(country: String? = nil, isApplied: Bool = false) async throws -> RefoldReport {
        var settings = settings
        if let country { settings.country = country }
        let refold = Refold(settings: settings)
        guard isApplied else {
            return try await database.transaction(.repeatableRead) { try await refold.plan(in: $0) }
        }
        let writer = writerDatabase
        let report = try await writer.transaction { try await refold.apply(in: $0) }
        await writer.close()
        return report
    }

    /// Something in every table: a person on a cookie who signs out, a device of nobody, an order with two
    /// versions, a guest's order, consent, a `never`, a held pair, a test event.
    func fillForRefold() async throws {
        try await write([
            .sample(
                "1", .identify, [.email: "ann@shop.com", .cookieID: "c1"],
                properties: #"{"consent": {"email": {"news": true}}}"#),
            .sample("2", .pageView, [.cookieID: "c1"], occurredAt: "2026-01-31T10:01:00Z"),
            .sample("3", .signOut, [.cookieID: "c1"], occurredAt: "2026-01-31T10:02:00Z"),
            .sample("4", .pageView, [.cookieID: "c1", .deviceID: "d0"], occurredAt: "2026-01-31T10:03:00Z"),
            .sample("5", .pageView, [.deviceID: "d1"]),
        ])
        try await write([
            .sample(
                "6", .purchase, [.email: "ann@shop.com", .phone: "+12025550123"],
                properties: #"{"orderId": "o", "version": 1, "total": "10.00"}"#),
            .sample(
                "7", .purchase, [.phone: "+12025550123"],
                properties: #"{"orderId": "o", "version": 2, "total": "20.00", "items": [{"price": "20"}]}"#,
                occurredAt: "2026-02-01T10:00:00Z"),
            .sample("8", .purchase, [:], properties: #"{"total": "7.50", "currency": "EUR"}"#),
            .sample("r", .refund, [:], properties: #"{"orderId": "p", "amount": "2", "refundId": "r"}"#),
            .sample("t", .pageView, [.email: "test@shop.com"], isTest: true),
            .sample("9", .pageView, [.email: "bob@shop.com"]),
        ])
        try await database.run(
            """
            insert into identity_decision (kind, left_ids, right_ids, by_limit, actor, reason)
            select 'never', array[a.id], array[b.id], false, 'test', 'test'
            from customer_identifier a, customer_identifier b
            where a.value = 'ann@shop.com' and b.value = 'bob@shop.com'
            """)
        try await database.run(
            """
            insert into identity_never select least(a.id, b.id), greatest(a.id, b.id)
            from customer_identifier a, customer_identifier b
            where a.value = 'ann@shop.com' and b.value = 'bob@shop.com'
            """)
        for number in 1...4 {
            try await write([
                .sample("e\(number)", .pageView, [.email: "e\(number)@b.com", .phone: "+12025550199"])
            ])
        }
        try await write([.sample("f", .pageView, [.email: "e4@b.com"])])
        let writer = writerDatabase
        try await writer.transaction { _ = try await ReviewQueue.refresh(in: $0) }
        await writer.close()
    }

    /// How many questions wait.
    func pending() async throws -> Int {
        try await database.run("select id from manual_merge_queue where status = 'pending'").count
    }

    /// Every row of every table that a re-fold may change, without times of writing and an order's own id.
    func stored() async throws -> [String: [String]] {
        var stored: [String: [String]] = [:]
        let tables = Set(TenantSchema.written).union(TenantSchema.appended).subtracting(["operation"])
        for table in tables.sorted() {
            let rows = try await database.run(
                """
                select (to_jsonb(t) - array['updated_at', case \(table)
                    when 'customer_order' then 'id' when 'customer_profile' then 'created_at' else '' end]
                    - case \(table) when 'customer_order' then 'created_at' else '' end)::text as row
                from \(identifier: table) t order by 1
                """)
            stored[table] = try rows.decode(String.self)
        }
        return stored
    }
}
