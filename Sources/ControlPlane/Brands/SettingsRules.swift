import Contract
import Kernel

extension FieldRules {
    /// One of `Industry`, in either case.
    static func industry(_ text: String, doing: String) throws(Fault) -> String {
        guard let industry = Industry(rawValue: text.lowercased()) else {
            let names = Industry.allCases.map(\.rawValue).joined(separator: ", ")
            throw Fault(.invalid, doing: doing, "expected one of \(names)", field: "industry")
        }
        return industry.rawValue
    }

    /// An assigned code of ISO 3166-1 alpha-2, in either case.
    static func country(_ text: String, doing: String) throws(Fault) -> String {
        let code = text.uppercased()
        guard Codes.countries.contains(code) else {
            throw Fault(
                .invalid, doing: doing, "expected an ISO 3166 code of two letters, such as US",
                field: "country")
        }
        return code
    }

    /// An active code of ISO 4217, in either case.
    static func currency(_ text: String, doing: String) throws(Fault) -> Currency {
        guard let currency = Currency(text), Codes.currencies.contains(currency.code) else {
            throw Fault(
                .invalid, doing: doing, "expected an ISO 4217 code of three letters, such as USD",
                field: "currency")
        }
        return currency
    }

    /// E.164, from what people write with spaces, hyphens, dots and brackets.
    static func phone(_ text: String, field: String, doing: String) throws(Fault) -> String {
        let digits = text.filter { !" -.()".contains($0) }
        guard digits.first == "+", (8...16).contains(digits.utf8.count), digits.dropFirst().first != "0",
            digits.utf8.dropFirst().allSatisfy({ (0x30...0x39).contains($0) })
        else {
            throw Fault(
                .invalid, doing: doing, "expected a number with its country code, such as +14155550100",
                field: field)
        }
        return digits
    }

    /// What a browser sends as `Origin`: scheme, host, and a port that is not the scheme's own. Somebody on
    /// the way could change pages that come by http, unless they come from the same machine.
    static func origin(_ text: String, field: String, doing: String) throws(Fault) -> String {
        let fault = Fault(
            .invalid, doing: doing, "expected an origin such as https://shop.example.com, without a path",
            field: field)
        let parts = text.lowercased().split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "https" || parts[0] == "http" else { throw fault }
        let authority = parts[1].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let host = authority.first, isHost(String(host)) else { throw fault }
        let isHere = host == "localhost" || host.hasSuffix(".localhost") || host == "127.0.0.1"
        guard parts[0] == "https" || isHere else {
            throw Fault(
                .invalid, doing: doing, "expected https; only localhost may be reached by http", field: field)
        }
        guard authority.count == 2 else { return "\(parts[0])://\(host)" }
        guard let port = Int(authority[1]), (1...65535).contains(port), "\(port)" == authority[1] else {
            throw fault
        }
        let own = parts[0] == "https" ? 443 : 80
        return "\(parts[0])://\(host)" + (port == own ? "" : ":\(port)")
    }
}

extension BrandSettings {
    /// The fewest days that raw events are kept.
    static let fewestRetentionDays = 30
    /// The most origins that a brand has.
    static let mostOrigins = 20

    /// The same after `change`, each field checked and in its stored form.
    ///
    /// - Throws: `Fault.invalid` with the field that is wrong.
    func applying(_ change: BrandChange, doing: String) throws(Fault) -> BrandSettings {
        func kept(
            _ text: String?, _ now: String?, _ rule: (String) throws(Fault) -> String
        ) throws(Fault) -> String? {
            guard let text else { return now }
            return text.isEmpty ? nil : try rule(text)
        }
        var new = self
        if let name = change.name { new.name = try FieldRules.text(name, field: "name", doing: doing) }
        new.domain = try kept(change.domain, domain) { text throws(Fault) in
            try FieldRules.domain(text, field: "domain", doing: doing)
        }
        new.industry = try kept(change.industry, industry) { text throws(Fault) in
            try FieldRules.industry(text, doing: doing)
        }
        if let country = change.country { new.country = try FieldRules.country(country, doing: doing) }
        if let zone = change.timeZone { new.timeZone = try BrandSpecification.timeZone(zone, doing: doing) }
        if let code = change.currency { new.currency = try FieldRules.currency(code, doing: doing).code }
        new.contactEmail = try kept(change.contactEmail, contactEmail) { text throws(Fault) in
            try FieldRules.email(text, field: "contactEmail", doing: doing)
        }
        new.contactPhone = try kept(change.contactPhone, contactPhone) { text throws(Fault) in
            try FieldRules.phone(text, field: "contactPhone", doing: doing)
        }
        if let days = change.retentionDays { new.retentionDays = days == 0 ? nil : days }
        if let changed = change.features { new.features = try features(after: changed, doing: doing) }
        if let origins = change.origins { new.origins = try Self.origins(origins, doing: doing) }
        return new
    }

    private func features(
        after change: [String: Bool?], doing: String
    ) throws(Fault) -> [String: Bool]? {
        var features = features ?? [:]
        for (name, isOn) in change {
            guard BrandFeature(rawValue: name) != nil else {
                let names = BrandFeature.allCases.map(\.rawValue).joined(separator: ", ")
                throw Fault(
                    .invalid, doing: doing, "there is no such feature; there are \(names)",
                    field: "features.\(name.prefix(40))")
            }
            features[name] = isOn
        }
        return features.isEmpty ? nil : features
    }

    private static func origins(_ origins: [String], doing: String) throws(Fault) -> [String]? {
        guard origins.count <= mostOrigins else {
            throw Fault(.invalid, doing: doing, "expected at most \(mostOrigins) origins", field: "origins")
        }
        var kept: [String] = []
        for (index, text) in origins.enumerated() {
            let origin = try FieldRules.origin(text, field: "origins[\(index)]", doing: doing)
            if !kept.contains(origin) { kept.append(origin) }
        }
        return kept.isEmpty ? nil : kept
    }

    /// - Throws: `Fault.invalid` for what is beyond the plan and was not so before.
    func check(
        _ plan: String, _ limits: Plan.Limits, after before: BrandSettings, doing: String
    ) throws(Fault) {
        if let days = retentionDays, days != before.retentionDays {
            let most = limits.retentionDays ?? .max
            guard days >= Self.fewestRetentionDays, days <= most else {
                let upTo = most == .max ? "" : ", and at most the \(most) of the plan '\(plan)'"
                throw Fault(
                    .invalid, doing: doing, "expected at least \(Self.fewestRetentionDays) days\(upTo)",
                    field: "retentionDays")
            }
        }
        guard let allowed = limits.features else { return }
        for (name, isOn) in features ?? [:] where isOn && !allowed.contains(name) {
            guard before.features?[name] != true else { continue }
            throw Fault(
                .invalid, doing: doing, "the plan '\(plan)' has not this feature", field: "features.\(name)")
        }
    }

    /// What of them holds on a plan with these limits: the brand may have been put on a smaller one since.
    func within(_ limits: Plan.Limits) -> BrandSettings {
        var settings = self
        if let most = limits.retentionDays { settings.retentionDays = min(retentionDays ?? most, most) }
        if let allowed = limits.features {
            settings.features = features?.filter { !$0.value || allowed.contains($0.key) }
        }
        return settings
    }

    /// What differs in `other`, for people: each field with both values.
    func differences(to other: BrandSettings) -> [(name: String, before: String, after: String)] {
        func text(_ value: String?) -> String { value ?? "none" }
        func list(_ features: [String: Bool]?) -> String? {
            features?.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value ? "on" : "off")" }
                .joined(separator: ", ")
        }
        let pairs: [(String, String?, String?)] = [
            ("name", name, other.name), ("domain", domain, other.domain),
            ("industry", industry, other.industry), ("country", country, other.country),
            ("time_zone", timeZone, other.timeZone), ("currency", currency, other.currency),
            ("contact_email", contactEmail, other.contactEmail),
            ("contact_phone", contactPhone, other.contactPhone),
            ("retention_days", retentionDays.map(String.init), other.retentionDays.map(String.init)),
            ("features", list(features), list(other.features)),
            (
                "origins", origins?.joined(separator: ", "), other.origins?.joined(separator: ", ")
            ),
        ]
        return pairs.filter { $0.1 != $0.2 }.map { (name: $0.0, before: text($0.1), after: text($0.2)) }
    }
}

/// The codes that are assigned.
private enum Codes {
    static let countries = Set(
        """
        AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT
        BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH
        ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT
        HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS
        LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI
        NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG
        SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG
        UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
        """.split(whereSeparator: \.isWhitespace).map(String.init))

    static let currencies = Set(
        """
        AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD
        CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
        GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT
        LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR
        NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP
        STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XCG
        XOF XPF YER ZAR ZMW ZWG
        """.split(whereSeparator: \.isWhitespace).map(String.init))
}
