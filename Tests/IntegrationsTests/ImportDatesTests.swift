import Foundation
import Kernel
import Testing

@testable import Integrations

@Suite("The dates of files")
struct ImportDatesTests {
    private func instant(_ text: String, _ format: String? = nil, in zone: String = "UTC") throws -> String? {
        ImportDates(format: format, timeZone: try #require(TimeZone(identifier: zone))).instant(text)?
            .description
    }

    @Test("the usual forms are read without being told")
    func usual() throws {
        let forms = [
            ("19970101", "1997-01-01T00:00:00Z"), ("1997-01-02", "1997-01-02T00:00:00Z"),
            ("1997-01-02 03:04:05", "1997-01-02T03:04:05Z"), ("1997-01-02T03:04:05", "1997-01-02T03:04:05Z"),
            ("1997-01-02 03:04", "1997-01-02T03:04:00Z"), ("1997-01-02T03:04:05Z", "1997-01-02T03:04:05Z"),
            ("1997-01-02T03:04:05.25+01:00", "1997-01-02T02:04:05.250000Z"),
            ("20000229", "2000-02-29T00:00:00Z"),
        ]
        for (text, expected) in forms { #expect(try instant(text) == expected) }
    }

    @Test(
        "an impossible date, or a date with something else in it, is refused",
        arguments: [
            "", "19970230", "19970431", "19971301", "19970001", "19970100", "19000229", "1997-02-30",
            "1997-1-1",
            "1997-01-1x", "97-01-01", "970101", "199701011", "1997-01-01x", "x19970101", "1997-01-01 24:00",
            "1997-01-01 10:60", "1997/01/01", "01.02.1997", "1997-01-01T10:00:00+99:00", "yesterday", "0",
            "-19970101",
            "19970101 ", "١٩٩٧٠١٠١", "1997-02-29T00:00:00Z", "999999-01-01", "99999999999-01-01",
        ])
    func refused(text: String) throws {
        #expect(try instant(text) == nil)
    }

    @Test("a date that names no zone is of the zone that is given, summer time and all")
    func zones() throws {
        #expect(try instant("19970101", in: "Asia/Kolkata") == "1996-12-31T18:30:00Z")
        #expect(try instant("19970101", in: "America/New_York") == "1997-01-01T05:00:00Z")
        #expect(try instant("19970701", in: "America/New_York") == "1997-07-01T04:00:00Z")
        #expect(try instant("1997-01-02T03:04:05Z", in: "Asia/Kolkata") == "1997-01-02T03:04:05Z")
        #expect(try instant("2026-03-29 02:30", in: "Europe/Berlin") == nil, "the clock leaps over it")
        #expect(
            try instant("20181104", in: "America/Sao_Paulo") == "2018-11-04T03:00:00Z",
            "no midnight on that day")
    }

    @Test("a format that is given is the only one, and a value must read back as itself")
    func format() throws {
        #expect(try instant("31.01.2026", "dd.MM.yyyy") == "2026-01-31T00:00:00Z")
        #expect(try instant("31.1.2026", "dd.MM.yyyy") == nil)
        #expect(try instant("31.02.2026", "dd.MM.yyyy") == nil)
        #expect(try instant("20260131", "dd.MM.yyyy") == nil)
        #expect(try instant("2026-01-31T10:00:00Z", "dd.MM.yyyy") == nil)
        #expect(try instant("5 Jan 2026 3:04 PM", "d MMM yyyy h:mm a") == "2026-01-05T15:04:00Z")
        #expect(
            try instant("2026-01-05 15:04 +0530", "yyyy-MM-dd HH:mm xx", in: "UTC") == nil,
            "not in its own zone")
        #expect(try instant("999999999999 1 1", "y M d") == nil)
    }
}
