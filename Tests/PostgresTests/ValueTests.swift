import Kernel
import Testing

@testable import Postgres

private enum Colour: String, PostgresElement, PostgresDecodable { case red, green }
private enum Subject {}

@Suite struct ValueTests {
    /// Sends `value` and its array to the server and back.
    private func check<T: PostgresElement & PostgresDecodable & Equatable>(
        _ connection: PostgresConnection, _ values: [T]
    ) async throws {
        for value in values {
            let row = try await connection.run("select \(value), \(value as T?), \(nil as T?)")[0]
            let (plain, optional, missing) = try row.decode((T, T?, T?).self)
            #expect(plain == value && optional == value && missing == nil)
        }
        let sparse = values.flatMap { [$0, nil] }
        let row = try await connection.run("select \(values), \(sparse), \([T]()), \(nil as [T]?)")[0]
        let (array, sparseArray, empty, missing) = try row.decode(([T], [T?], [T], [T]?).self)
        #expect(array == values && sparseArray == sparse && empty.isEmpty && missing == nil)
        let unnested = try await connection.run(
            "select u from unnest(\(sparse)) with ordinality a(u, n) order by n")
        #expect(try unnested.decode(T?.self) == sparse)
    }

    @Test("every type comes back as it went, alone, null, and in arrays with nulls")
    func roundTrips() async throws {
        let connection = try await TestServer.connect()
        try await check(connection, [true, false])
        try await check(connection, [0, 1, -1, Int.max, Int.min])
        try await check(connection, [0, Int64.max, Int64.min])
        try await check(connection, [0, Int32.max, Int32.min])
        try await check(connection, [0, Int16.max, Int16.min])
        try await check(
            connection,
            [0, -0.0, 0.1, .greatestFiniteMagnitude, .leastNonzeroMagnitude, .infinity, -.infinity])
        try await check(
            connection, ["", "a", "é 漢 😀 \u{1}", "'\"\\ {,} NULL null", String(repeating: "x", count: 9999)])
        try await check(connection, [[], [0], Array(0...255)] as [[UInt8]])
        try await check(
            connection, [UUIDv7(high: 0, low: 0), UUIDv7(high: .max, low: .max), UUIDv7(high: 1, low: 2)])
        try await check(connection, [TypedID<Subject>(UUIDv7(high: 3, low: 4))])
        try await check(connection, [Colour.red, .green])
        try await check(connection, try [Slug("acme"), Slug("a-b-c")])
        try await check(
            connection, [Duration.zero, .microseconds(1), .seconds(-90_061), .seconds(86_400 * 400)])
    }

    @Test("instants keep their microseconds, from before Christ to the last that can be counted")
    func timestamps() async throws {
        let connection = try await TestServer.connect()
        let first = Timestamp(microseconds: -210_866_803_200_000_000)
        let last = Timestamp(microseconds: .max)
        try await check(
            connection,
            [
                first, Timestamp(microseconds: -1), Timestamp(microseconds: 0), Timestamp(microseconds: 1),
                last,
            ])
        let text = try await connection.run(
            """
            select \(Timestamp(microseconds: 1_700_000_000_123_456))::text,
                '2026-01-31 10:00+05:30'::timestamptz
            """
        )
        #expect(try text[0].decode(0, as: String.self) == "2023-11-14 22:13:20.123456+00")
        #expect(try text[0].decode(1, as: Timestamp.self) == Timestamp(rfc3339: "2026-01-31T04:30:00Z"))
        let beyond = await sqlState { try await connection.run("select \(Timestamp(microseconds: .min))") }
        #expect(beyond == "22008")
        let odd = try await connection.run(
            "select 'infinity'::timestamptz, '-infinity'::timestamptz, date '2000-01-02'")[0]
        #expect(throws: PostgresDecodingError.self) { try odd.decode(0, as: Timestamp.self) }
        #expect(throws: PostgresDecodingError.self) { try odd.decode(1, as: Timestamp.self) }
        #expect(try odd.decode(2, as: Timestamp.self) == Timestamp(year: 2000, month: 1, day: 2))
    }

    @Test("money is exact, from its smallest to its largest amount")
    func money() async throws {
        let connection = try await TestServer.connect()
        let amounts = [
            "0", "0.0001", "-0.0001", "0.5", "1", "-1", "9999.9999", "10000", "10000.0001", "29.33", "14.665",
            "100000000", "-100000000.01", "99999999999999.9999", "-99999999999999.9999",
        ]
        try await check(connection, amounts.map { Money($0)! })
        for text in amounts {
            let row = try await connection.run(
                "select \(Money(text)!)::text, \(text)::numeric, \(Money(text)!) * 1.0000")
            #expect(try Money(row[0].decode(0, as: String.self)) == Money(text))
            #expect(try row[0].decode(1, as: Money.self) == Money(text))
            #expect(try row[0].decode(2, as: Money.self) == Money(text))
        }
        let stored = try await connection.run("select \(Money("12.3")!)::numeric(18,4)::text")
        #expect(try stored[0].decode(String.self) == "12.3000")
        for text in ["0.00001", "1e30", "NaN", "Infinity", "100000000000000"] {
            let row = try await connection.run("select \(text)::numeric")[0]
            #expect(throws: PostgresDecodingError.self) { try row.decode(Money.self) }
        }
    }

    @Test("numeric sums are read as whole numbers where they are, and as the nearest double")
    func numerics() async throws {
        let connection = try await TestServer.connect()
        for number in [0, 7, -7, 10_000, 123_456_789_012, Int.max, Int.min] {
            let row = try await connection.run("select \(number)::numeric")[0]
            #expect(try row.decode(Int.self) == number)
            #expect(try row.decode(Double.self) == Double(number))
        }
        for text in ["0.1", "-123.456", "1e20", "1e-20", "12345678.87654321", "0"] {
            let row = try await connection.run("select \(text)::numeric")[0]
            #expect(try row.decode(Double.self) == Double(text))
        }
        let row = try await connection.run(
            "select 0.5::numeric, 9223372036854775808::numeric, 'NaN'::numeric")[0]
        for column in 0..<3 {
            #expect(throws: PostgresDecodingError.self) { try row.decode(column, as: Int.self) }
        }
        #expect(try row.decode(2, as: Double.self).isNaN)
    }

    @Test("JSON goes in and out as text, and malformed JSON is a data error")
    func json() async throws {
        let connection = try await TestServer.connect()
        let value = JSONB(#"{"a": [1, 2.50, null], "b": "ü"}"#)
        try await check(connection, [value, JSONB("null"), JSONB("\"x\"")])
        let row = try await connection.run("select \(value)->>'b', \(value)::json, \(value)")[0]
        #expect(try row.decode((String, JSONB, String).self) == ("ü", value, value.text))
        for text in ["{", "\"\\u0000\"", ""] {
            do {
                try await connection.run("select \(JSONB(text))")
                Issue.record("'\(text)' was taken")
            } catch let error as PostgresError {
                #expect(error.isDataError)
            }
        }
    }

    @Test("integers of every width, names and enums are read; what does not fit is refused by column")
    func otherColumns() async throws {
        let connection = try await TestServer.connect()
        let row = try await connection.run(
            """
            select 1::int2, 2::int4, 3::int8, 4::oid,
                'n'::name, 'v'::varchar(3), 'c'::char(2), 'q'::"char", 300
            """
        )[0]
        for (column, number) in [1, 2, 3, 4].enumerated() {
            #expect(try row.decode(column, as: Int.self) == number)
        }
        for (column, text) in ["n", "v", "c ", "q"].enumerated() {
            #expect(try row.decode(column + 4, as: String.self) == text)
        }
        #expect(throws: PostgresDecodingError.self) { try row.decode(0, as: String.self) }
        #expect(throws: PostgresDecodingError.self) { try row.decode(8, as: UInt8.self) }
        #expect(throws: PostgresError.self) { try row.decode((Int, Int).self) }
        #expect(throws: PostgresError.self) { try row.decode("missing", as: Int.self) }
        #expect(throws: PostgresError.self) { try row.decode(9, as: Int.self) }
        let null = try await connection.run("select null::int as gone, 'blue' as colour")[0]
        #expect { try null.decode("gone", as: Int.self) } throws: {
            ($0 as? PostgresDecodingError)?.reason == .null && "\($0)".contains("gone")
        }
        #expect(throws: PostgresDecodingError.self) { try null.decode("colour", as: Colour.self) }
    }

    @Test("an enum type of the schema is read as text and written with a cast")
    func enumType() async throws {
        let connection = try await TestServer.connect()
        try await connection.run("create type pg_temp.colour as enum ('red', 'green')")
        let row = try await connection.run("select \(Colour.green)::pg_temp.colour")[0]
        #expect(try row.decode(Colour.self) == .green)
    }
}

@Suite struct SQLTests {
    @Test("fragments add up, and their placeholders are renumbered")
    func composition() {
        let condition: SQL = "b = \(2) or c = \("x")"
        let sql: SQL = "select a from t where a = \(1) and (\(condition))" + " limit \(3)"
        #expect(sql.text == "select a from t where a = $1 and (b = $2 or c = $3) limit $4")
        #expect(sql.parameters.types == [20, 20, 25, 20])
        #expect(sql.isConstant)
        #expect(!("\(sql)".contains("x")))
    }

    @Test("whatever an identifier or a literal holds, it stays one")
    func quoting() async throws {
        let connection = try await TestServer.connect()
        for name in ["plain", "Drop Table", "a\"b", "x\"; drop table t; --", "$1", "ü'\\", "select"] {
            try await connection.run("create temp table \(identifier: name) (\(identifier: name) text)")
            try await connection.run("insert into \(identifier: name) values (\(literal: name))")
            let rows = try await connection.run("select \(identifier: name) from \(identifier: name)")
            #expect(try rows.decode(String.self) == [name])
            #expect(rows.columns == [name])
            try await connection.run("drop table \(identifier: name)")
        }
        #expect(await sqlState { try await connection.run("select \(identifier: "a\0b")") } == "22021")
    }

    @Test("neither errors nor statements show a parameter's value in a log")
    func privacy() async throws {
        let connection = try await TestServer.connect()
        try await connection.run("create temp table t (a text primary key, b int)")
        try await connection.run("insert into t values ('secret-value', 1)")
        let statements: [SQL] = [
            "insert into t values (\("secret-value"), 2)", "select \("secret-value")::int",
            "insert into t select \("secret-value"), 3 returning a::uuid",
        ]
        for sql in statements {
            do {
                try await connection.run(sql)
                Issue.record("the statement was to fail")
            } catch {
                var dumped = ""
                dump(error, to: &dumped)
                dump(sql, to: &dumped)
                #expect(!"\(error) \(sql) \(String(reflecting: error)) \(dumped)".contains("secret-value"))
            }
        }
    }

    @Test("a text with a zero byte is a data error, and too many parameters are refused here")
    func limits() async throws {
        let connection = try await TestServer.connect()
        #expect(await sqlState { try await connection.run("select \("a\0b")") } == "22021")
        let many = (0..<65_536).reduce(into: "select 1" as SQL) { sql, number in sql += ", \(number)" }
        #expect(await sqlState { try await connection.run(many) } == "54023")
        #expect(try await connection.run("select 1").count == 1)
    }

    @Test("errors become faults by what the caller can do about them")
    func faults() {
        func code(_ state: String) -> Fault.Code {
            PostgresError(sqlState: state, message: "").fault(doing: "x").code
        }
        #expect(
            code("08006") == .unavailable && code("57P01") == .unavailable && code("53300") == .unavailable)
        #expect(code("40001") == .unavailable && code("57014") == .unavailable)
        #expect(code("23505") == .conflict && code("23503") == .invalid && code("22P02") == .invalid)
        #expect(code("42P01") == .internal)
        #expect(Fault.database(Fault(.gone, doing: "x", "y"), doing: "z").code == .gone)
    }
}
