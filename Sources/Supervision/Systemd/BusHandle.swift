import CSystemd
import Glibc

/// One connection of libsystemd's D-Bus: its socket, what is to be sent, and who waits for which answer.
///
/// It never waits: `process` does what can be done now, and `pollEvents` and `timeLeft` say when to call it
/// again. After an error it is useless; dropping it closes the socket.
struct BusHandle: ~Copyable {
    /// What `process` found.
    enum Event {
        /// The answer to the call that had this cookie.
        case answer(UInt64, Result<[BusValue], BusError>)
        case signal(BusSignal)
        /// The connection is no more.
        case lost(BusError)
    }

    private let bus: OpaquePointer
    private let mailbox = Mailbox()

    /// Begins to connect to systemd's own socket at `path`, or to the system's bus when that is nil.
    init(privateSocket path: String?) throws(BusError) {
        var bus: OpaquePointer?
        var result: Int32
        if let path {
            result = sd_bus_new(&bus)
            if result >= 0 { result = sd_bus_set_address(bus, "unix:path=\(BusHandle.escaped(path))") }
            if result >= 0 { result = sd_bus_start(bus) }
        } else {
            result = sd_bus_open_system(&bus)
        }
        guard result >= 0, let bus else {
            sd_bus_close_unref(bus)
            throw .lost(BusHandle.words(result))
        }
        self.bus = bus
    }

    deinit { sd_bus_close_unref(bus) }

    var descriptor: Int32 { sd_bus_get_fd(bus) }

    /// What poll(2) is to look for.
    var pollEvents: Int32 { max(0, sd_bus_get_events(bus)) }

    /// When `process` must be called at the latest; nil for no such time.
    var timeLeft: Duration? {
        var due: UInt64 = 0
        guard sd_bus_get_timeout(bus, &due) > 0, due != .max else { return nil }
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let elapsed = UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1000
        return .microseconds(due > elapsed ? Int64(clamping: due - elapsed) : 0)
    }

    /// Puts a call into the queue and returns its cookie; its answer, or that none came within `limit`, is an
    /// event of `process`.
    func send(_ call: BusCall, limit: Duration) throws(BusError) -> UInt64 {
        var message: OpaquePointer?
        try check(
            sd_bus_message_new_method_call(
                bus, &message, call.destination, call.path, call.interface, call.method))
        defer { sd_bus_message_unref(message) }
        for argument in call.arguments { try append(argument, to: message) }
        let context = Unmanaged.passUnretained(mailbox).toOpaque()
        let microseconds = UInt64(max(1, limit / .microseconds(1)))
        try check(sd_bus_call_async(bus, nil, message, takeAnswer, context, microseconds))
        var cookie: UInt64 = 0
        try check(sd_bus_message_get_cookie(message, &cookie))
        return cookie
    }

    /// Writes and reads what can be, and returns what came of it.
    func process() -> [Event] {
        var events: [Event] = []
        while true {
            var message: OpaquePointer?
            let result = sd_bus_process(bus, &message)
            events += mailbox.take()
            if let message {
                if let signal = BusHandle.signal(message) { events.append(.signal(signal)) }
                sd_bus_message_unref(message)
            }
            if result < 0 { events.append(.lost(.lost(BusHandle.words(result)))) }
            if result <= 0 { return events }
        }
    }

    private func append(_ argument: BusCall.Argument, to message: OpaquePointer?) throws(BusError) {
        switch argument {
        case .text(let text):
            try check(sd_bus_message_append_basic(message, CChar(bitPattern: UInt8(ascii: "s")), text))
        case .texts(let texts):
            try check(sd_bus_message_open_container(message, CChar(bitPattern: UInt8(ascii: "a")), "s"))
            for text in texts { try append(.text(text), to: message) }
            try check(sd_bus_message_close_container(message))
        case .flag(let flag):
            var value: Int32 = flag ? 1 : 0
            try check(sd_bus_message_append_basic(message, CChar(bitPattern: UInt8(ascii: "b")), &value))
        case .signed(var value):
            try check(sd_bus_message_append_basic(message, CChar(bitPattern: UInt8(ascii: "i")), &value))
        }
    }

    private func check(_ result: Int32) throws(BusError) {
        guard result < 0 else { return }
        throw result == -EINVAL
            ? .refused(name: "org.freedesktop.DBus.Error.InvalidArgs", message: BusHandle.words(result))
            : .lost(BusHandle.words(result))
    }

    private static func words(_ result: Int32) -> String { String(cString: strerror(-result)) }

    /// A path as D-Bus addresses have it: every byte but the harmless ones as `%` and two digits.
    private static func escaped(_ path: String) -> String {
        var address = ""
        for byte in path.utf8 {
            let scalar = Unicode.Scalar(byte)
            let isPlain = scalar.properties.isAlphabetic || "0123456789-_/.".unicodeScalars.contains(scalar)
            if byte < 0x80, isPlain {
                address.unicodeScalars.append(scalar)
            } else {
                address += (byte < 16 ? "%0" : "%") + String(byte, radix: 16)
            }
        }
        return address
    }

    private static func signal(_ message: OpaquePointer) -> BusSignal? {
        guard sd_bus_message_is_signal(message, nil, nil) > 0,
            let path = sd_bus_message_get_path(message),
            let interface = sd_bus_message_get_interface(message),
            let member = sd_bus_message_get_member(message)
        else { return nil }
        let isOfManager = strcmp(interface, "org.freedesktop.systemd1.Manager") == 0
        return BusSignal(
            path: String(cString: path), interface: String(cString: interface),
            member: String(cString: member), body: isOfManager ? BusHandle.values(message) : [])
    }

    /// The answers of one `process`, as the callbacks of libsystemd leave them.
    fileprivate final class Mailbox {
        private var events: [Event] = []

        func take() -> [Event] {
            defer { events = [] }
            return events
        }

        func put(_ message: OpaquePointer) {
            var cookie: UInt64 = 0
            guard sd_bus_message_get_reply_cookie(message, &cookie) >= 0 else { return }
            events.append(.answer(cookie, BusHandle.answer(message)))
        }
    }
}

/// Called by libsystemd, inside `process`, for each answer, and for a call that will have none.
private func takeAnswer(
    _ message: OpaquePointer?, _ context: UnsafeMutableRawPointer?,
    _ error: UnsafeMutablePointer<sd_bus_error>?
) -> Int32 {
    guard let message, let context else { return 1 }
    Unmanaged<BusHandle.Mailbox>.fromOpaque(context).takeUnretainedValue().put(message)
    return 1
}

// MARK: - Reading messages

extension BusHandle {
    fileprivate static func answer(_ message: OpaquePointer) -> Result<[BusValue], BusError> {
        guard let error = sd_bus_message_get_error(message) else { return .success(values(message)) }
        let name = error.pointee.name.map { String(cString: $0) } ?? "unknown"
        let text = error.pointee.message.map { String(cString: $0) } ?? name
        let isSilence = ["NoReply", "Timeout", "TimedOut", "Disconnected"].contains {
            name == "org.freedesktop.DBus.Error.\($0)"
        }
        return .failure(isSilence ? .unanswered(text) : .refused(name: name, message: text))
    }

    /// What is left of the message, or of the container that was entered.
    private static func values(_ message: OpaquePointer) -> [BusValue] {
        var values: [BusValue] = []
        var type: CChar = 0
        var contents: UnsafePointer<CChar>?
        while sd_bus_message_peek_type(message, &type, &contents) > 0 {
            guard let value = value(message, type, contents) else { break }
            values.append(value)
        }
        return values
    }

    /// Nil when the message is broken.
    private static func value(
        _ message: OpaquePointer, _ type: CChar, _ contents: UnsafePointer<CChar>?
    ) -> BusValue? {
        switch UInt8(bitPattern: type) {
        case UInt8(ascii: "s"), UInt8(ascii: "o"), UInt8(ascii: "g"):
            guard let text = basic(message, type, UnsafePointer<CChar>?.none) else { return nil }
            return text.map { .text(String(cString: $0)) } ?? .other
        case UInt8(ascii: "b"): return basic(message, type, Int32(0)).map { .flag($0 != 0) }
        case UInt8(ascii: "y"): return basic(message, type, UInt8(0)).map { .unsigned(UInt64($0)) }
        case UInt8(ascii: "n"): return basic(message, type, Int16(0)).map { .signed(Int64($0)) }
        case UInt8(ascii: "q"): return basic(message, type, UInt16(0)).map { .unsigned(UInt64($0)) }
        case UInt8(ascii: "i"): return basic(message, type, Int32(0)).map { .signed(Int64($0)) }
        case UInt8(ascii: "u"): return basic(message, type, UInt32(0)).map { .unsigned(UInt64($0)) }
        case UInt8(ascii: "x"): return basic(message, type, Int64(0)).map { .signed($0) }
        case UInt8(ascii: "t"): return basic(message, type, UInt64(0)).map { .unsigned($0) }
        case UInt8(ascii: "d"): return basic(message, type, Double(0)).map { .double($0) }
        case UInt8(ascii: "h"): return basic(message, type, Int32(0)).map { _ in .other }
        case let container:
            guard sd_bus_message_enter_container(message, type, contents) > 0 else { return nil }
            let inside = values(message)
            guard sd_bus_message_exit_container(message) >= 0 else { return nil }
            return container == UInt8(ascii: "v") ? inside.first ?? .other : .list(inside)
        }
    }

    private static func basic<Value>(_ message: OpaquePointer, _ type: CChar, _ empty: Value) -> Value? {
        var value = empty
        let result = withUnsafeMutablePointer(to: &value) { sd_bus_message_read_basic(message, type, $0) }
        return result > 0 ? value : nil
    }
}
