import Foundation
import Kernel

/// A file of purchases of the shape of CDNOW's: a header, columns padded with spaces, CRLF, dates like
/// `19970101`, and rows that are byte-identical and yet different purchases. Seeded, so its totals are known.
struct OrderHistory {
    private(set) var text = " customer_id  date number_of_cds  dollar_value\r\n"
    private(set) var orders = 0
    private(set) var revenue = Money.zero
    private var customers: Set<Int> = []

    var profiles: Int { customers.count }

    /// How the command line is told to read it.
    static func options(source: String = "history") -> [String] {
        [
            "--source", source, "--type", "purchase", "--delimiter", "whitespace",
            "--date-format", "yyyyMMdd", "--map", "loyalty_id=customer_id", "--map", "occurredAt=date",
            "--map", "quantity=number_of_cds", "--map", "total=dollar_value",
        ]
    }

    /// - Parameters:
    ///   - rows: of which each hundredth is a copy of the row before it.
    ///   - customerCount: whose purchases they are; a third of the rows' number when nil.
    init(rows: Int, seed: UInt64, customerCount: Int? = nil) {
        let customerCount = UInt64(customerCount ?? max(1, rows / 3))
        var random = SplitMix64(state: seed)
        var last: (customer: Int, line: String, cents: Int64)?
        for row in 0..<rows {
            if row % 100 == 99, let last {
                add(last)
                continue
            }
            let customer = Int(random.next() % customerCount)
            let date = 19_970_100 + Int(random.next() % 3) * 100 + Int(random.next() % 28) + 1
            let cents = Int64(random.next() % 12_000)
            let total = "\(cents / 100).\(String(format: "%02d", cents % 100))"
            let padding = String(repeating: " ", count: 8 - total.count)
            let line =
                " \(String(format: "%05d", customer)) \(date)  \(random.next() % 9 + 1)\(padding)\(total)\r\n"
            let made = (customer, line, cents)
            add(made)
            last = made
        }
    }

    private mutating func add(_ purchase: (customer: Int, line: String, cents: Int64)) {
        text += purchase.line
        orders += 1
        customers.insert(purchase.customer)
        revenue = revenue + Money(tenThousandths: purchase.cents * 100)
    }

    func write(to path: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }
}

/// Steele, Lea and Flood's SplitMix64: a seed gives the same numbers everywhere.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
