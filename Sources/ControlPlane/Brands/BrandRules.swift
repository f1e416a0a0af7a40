import Contract
import Foundation
import Kernel

/// A brand that may be made: every field of the draft checked and in its stored form.
struct BrandSpecification: Sendable, Equatable {
    let slug: Slug
    let name: String
    let domain: String?
    let industry: String?
    let country: String
    let timeZone: String
    let currency: Currency
    let plan: String

    /// Checks a draft; whether its plan exists and its slug is free, the database knows.
    ///
    /// - Throws: `Fault.invalid` with the first field that is wrong and what was expected.
    init(_ draft: BrandDraft) throws(Fault) {
        slug = try Slug(draft.slug)
        name = try FieldRules.text(draft.name ?? draft.slug, field: "name", doing: Self.doing)
        domain = try draft.domain.map { text throws(Fault) in
            try FieldRules.domain(text, field: "domain", doing: Self.doing)
        }
        industry = try draft.industry.map { text throws(Fault) in
            try FieldRules.industry(text, doing: Self.doing)
        }
        country = try FieldRules.country(draft.country ?? "US", doing: Self.doing)
        timeZone = try Self.timeZone(draft.timeZone ?? "UTC", doing: Self.doing)
        currency = try FieldRules.currency(draft.currency ?? "USD", doing: Self.doing)
        plan = draft.plan ?? "free"
    }

    static let doing = "create the brand"

    /// The zones are those of the machine's time zone database, which PostgreSQL reads as well.
    static func timeZone(_ name: String, doing: String) throws(Fault) -> String {
        let fault = Fault(
            .invalid, doing: doing, "expected the name of a time zone, such as Europe/Berlin",
            field: "timeZone")
        guard name.utf8.count <= 64, name.first?.isUppercase == true,
            name.utf8.allSatisfy({ $0.isASCIILetterOrDigit || "/_+-".utf8.contains($0) }),
            let file = FileHandle(forReadingAtPath: "/usr/share/zoneinfo/\(name)")
        else { throw fault }
        defer { try? file.close() }
        // Each compiled zone begins so (RFC 8536, section 3.1); directories and tables do not.
        guard (try? file.read(upToCount: 4)) == Data("TZif".utf8) else { throw fault }
        return name
    }
}
