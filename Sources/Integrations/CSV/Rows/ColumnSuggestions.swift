import Events

/// What the columns of a file seem to be, by their names and by what is in them.
enum ColumnSuggestions {
    /// A suggestion for each column, in order; no target is suggested twice.
    ///
    /// - Parameters:
    ///   - names: nil where the file has no header.
    ///   - samples: what some rows have in each column.
    static func targets(names: [String]?, samples: [[String]], of kind: ImportKind) -> [String?] {
        var taken: Set<String> = []
        return samples.indices.map { index in
            let byName = names.flatMap {
                $0.indices.contains(index) ? target(called: $0[index], of: kind) : nil
            }
            let suggested = byName ?? (kind.isEvents ? target(holding: samples[index]) : nil)
            guard let target = suggested, taken.insert(target).inserted else { return nil }
            return target
        }
    }

    /// The target of a column of this name.
    private static func target(called name: String, of kind: ImportKind) -> String? {
        let plain = name.lowercased().filter { $0.isLetter || $0.isNumber }
        for (target, names) in known(kind) where names.contains(plain) { return target }
        return ImportTarget(name, of: kind)?.name
    }

    /// The target of a column without a name that says anything, by what is in it.
    private static func target(holding texts: [String]) -> String? {
        let texts = texts.filter { !$0.isEmpty }
        guard !texts.isEmpty, texts.allSatisfy({ isAddress($0) }) else { return nil }
        return IdentifierKind.email.rawValue
    }

    private static func isAddress(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return parts.count == 2 && !parts[0].isEmpty && parts[1].contains(".")
    }

    /// Names as files have them, in lower case and without anything but letters and digits.
    private static func known(_ kind: ImportKind) -> [(target: String, names: Set<String>)] {
        switch kind {
        case .events: identifiers + event + order
        case .profiles: identifiers + event.filter { $0.target != "type" }
        case .products: product
        case .inventory: stock
        }
    }

    private static let identifiers: [(target: String, names: Set<String>)] = [
        ("email", ["email", "emailaddress", "mail", "customeremail", "emailid", "billingemail"]),
        (
            "phone",
            [
                "phone", "phonenumber", "phoneno", "mobile", "mobilenumber", "mobileno", "telephone", "tel",
                "contactnumber", "customerphone", "billingphone", "cell",
            ]
        ),
        ("whatsapp", ["whatsapp", "whatsappnumber", "whatsappno"]),
        (
            "loyalty_id",
            [
                "loyaltyid", "loyaltynumber", "loyaltycard", "customerid", "custid", "memberid",
                "membernumber",
                "customernumber", "clientid",
            ]
        ),
        ("upi_id", ["upi", "upiid", "vpa"]),
        ("device_id", ["deviceid"]), ("cookie_id", ["cookieid"]), ("qr_id", ["qrid"]),
        ("card_last4", ["cardlast4", "last4", "cardlastfour"]),
    ]

    private static let event: [(target: String, names: Set<String>)] = [
        ("eventId", ["eventid"]), ("type", ["eventtype"]), ("channel", ["channel", "saleschannel"]),
        (
            "occurredAt",
            [
                "occurredat", "date", "datetime", "timestamp", "orderdate", "createdat", "purchasedate",
                "transactiondate", "invoicedate", "billdate", "processedat", "paidat", "soldat",
            ]
        ),
    ]

    private static let order: [(target: String, names: Set<String>)] = [
        (
            "properties.orderId",
            [
                "orderid", "ordernumber", "orderno", "order", "invoice", "invoiceid", "invoiceno",
                "invoicenumber", "transactionid", "receiptid", "receiptnumber", "receiptno", "billno",
                "billnumber",
            ]
        ),
        (
            "properties.total",
            [
                "total", "amount", "ordertotal", "totalamount", "totalprice", "grandtotal", "value",
                "dollarvalue",
            ]
        ),
        ("properties.currency", ["currency", "currencycode"]),
        ("properties.quantity", ["quantity", "qty", "units"]),
        ("properties.refunded", ["refunded", "refundedamount"]),
        ("properties.productId", ["productid", "sku", "itemcode", "productcode"]),
    ]

    private static let product: [(target: String, names: Set<String>)] = [
        ("productId", ["productid", "sku", "itemcode", "productcode", "id", "handle", "itemid"]),
        ("name", ["name", "title", "productname", "producttitle", "itemname"]),
        ("description", ["description", "body", "bodyhtml", "details"]),
        ("category", ["category", "producttype", "type", "department", "productcategory"]),
        ("subcategory", ["subcategory", "subtype"]),
        ("price", ["price", "unitprice", "mrp", "saleprice", "variantprice", "listprice"]),
        ("currency", ["currency", "currencycode"]),
        ("active", ["active", "enabled", "published", "isactive"]),
    ]

    private static let stock: [(target: String, names: Set<String>)] = [
        ("productId", ["productid", "sku", "itemcode", "productcode", "itemid"]),
        ("storeId", ["storeid", "store", "storecode", "locationid", "location", "branch", "branchid"]),
        ("storeName", ["storename", "locationname", "branchname"]),
        ("quantity", ["quantity", "qty", "stock", "onhand", "available", "stockonhand", "quantityonhand"]),
        ("reservedQuantity", ["reservedquantity", "reserved", "committed", "allocated"]),
        ("reorderPoint", ["reorderpoint", "reorderlevel", "minstock", "minimumstock"]),
        ("maxStock", ["maxstock", "maximumstock", "maxlevel"]),
    ]
}
