import Kernel

/// A value that came over D-Bus. Arrays, structures and dictionary entries are lists; a variant is its
/// content.
enum BusValue: Sendable, Equatable {
    /// Text, an object path or a signature.
    case text(String)
    case flag(Bool)
    case signed(Int64)
    case unsigned(UInt64)
    case double(Double)
    case list([BusValue])
    /// A kind that nobody here reads, such as a file descriptor.
    case other

    var text: String? {
        if case .text(let text) = self { text } else { nil }
    }

    var flag: Bool? {
        if case .flag(let flag) = self { flag } else { nil }
    }

    var unsigned: UInt64? {
        switch self {
        case .unsigned(let number): number
        case .signed(let number): UInt64(exactly: number)
        default: nil
        }
    }

    var signed: Int64? {
        switch self {
        case .signed(let number): number
        case .unsigned(let number): Int64(exactly: number)
        default: nil
        }
    }

    var list: [BusValue] {
        if case .list(let values) = self { values } else { [] }
    }

    /// A dictionary with texts for keys; what is no entry of one is left out.
    var dictionary: [String: BusValue] {
        var values: [String: BusValue] = [:]
        for entry in list where entry.list.count == 2 {
            if let key = entry.list[0].text { values[key] = entry.list[1] }
        }
        return values
    }
}

/// One method call: whom it is for, and what it says.
struct BusCall: Sendable {
    /// What can be said.
    enum Argument: Sendable {
        case text(String)
        case texts([String])
        case flag(Bool)
        case signed(Int32)
    }

    var destination = "org.freedesktop.systemd1"
    var path = "/org/freedesktop/systemd1"
    var interface = "org.freedesktop.systemd1.Manager"
    let method: String
    let arguments: [Argument]

    /// A call to systemd itself.
    init(_ method: String, _ arguments: Argument...) {
        self.method = method
        self.arguments = arguments
    }

    /// All properties of the unit: an empty interface stands for all of them.
    static func properties(of unit: String) -> BusCall {
        var call = BusCall("GetAll", .text(""))
        call.interface = "org.freedesktop.DBus.Properties"
        call.path = UnitPath.path(of: unit)
        return call
    }

    /// Asks whether anybody is there.
    static var ping: BusCall {
        var call = BusCall("Ping")
        call.interface = "org.freedesktop.DBus.Peer"
        return call
    }

    /// Asks the bus itself to pass on what systemd says of itself or its units.
    static func match(_ rule: String) -> BusCall {
        var call = BusCall("AddMatch", .text("type='signal',sender='org.freedesktop.systemd1',\(rule)"))
        call.destination = "org.freedesktop.DBus"
        call.path = "/org/freedesktop/DBus"
        call.interface = "org.freedesktop.DBus"
        return call
    }
}

/// Something that was said to all. The body is read of systemd's own signals only: a unit's changes come
/// often and are asked for anew anyway.
struct BusSignal: Sendable {
    let path: String
    let interface: String
    let member: String
    let body: [BusValue]
}

/// Why a call has no answer.
enum BusError: Error {
    /// The other side answered with an error: its D-Bus name and what it says.
    case refused(name: String, message: String)
    /// No answer came in time, or the connection ended before it came.
    case unanswered(String)
    /// There is no connection.
    case lost(String)

    /// The fault that it is for who asked.
    func fault(doing: String) -> Fault {
        switch self {
        case .refused(let name, let message):
            Fault(BusError.code(of: name), doing: doing, "systemd says: \(message)", cause: self)
        case .unanswered(let reason):
            Fault(.unavailable, doing: doing, "systemd has not answered: \(reason)", cause: self)
        case .lost(let reason):
            Fault(.unavailable, doing: doing, "systemd cannot be reached: \(reason)", cause: self)
        }
    }

    private static func code(of name: String) -> Fault.Code {
        switch name {
        case "org.freedesktop.systemd1.NoSuchUnit", "org.freedesktop.systemd1.LoadFailed": .notFound
        case "org.freedesktop.systemd1.UnitMasked": .conflict
        case "org.freedesktop.DBus.Error.AccessDenied",
            "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired":
            .forbidden
        case "org.freedesktop.DBus.Error.InvalidArgs": .invalid
        default: .unavailable
        }
    }
}

/// The object path that systemd gives a unit: every byte but an ASCII letter or digit as `_` and two digits.
enum UnitPath {
    private static let folder = "/org/freedesktop/systemd1/unit/"

    static func path(of unit: String) -> String {
        var path = folder
        for (index, byte) in unit.utf8.enumerated() {
            let isDigit = (0x30...0x39).contains(byte)
            if (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || isDigit && index > 0 {
                path.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16)
                path += digits.count == 1 ? "_0\(digits)" : "_\(digits)"
            }
        }
        return unit.isEmpty ? folder + "_" : path
    }

    /// The unit that has this path; nil for a path of something else.
    static func unit(at path: String) -> String? {
        guard path.hasPrefix(folder), path.utf8.count > folder.utf8.count else { return nil }
        let encoded = Array(path.utf8.dropFirst(folder.utf8.count))
        var bytes: [UInt8] = []
        var index = 0
        while index < encoded.count {
            guard encoded[index] == UInt8(ascii: "_") else {
                bytes.append(encoded[index])
                index += 1
                continue
            }
            guard index + 2 < encoded.count,
                let byte = UInt8(String(decoding: encoded[index + 1...index + 2], as: UTF8.self), radix: 16)
            else { return nil }
            bytes.append(byte)
            index += 3
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
