import CPostgres
import Kernel
import Synchronization

/// Owns one `PGconn`, in non-blocking and pipeline mode from the start.
///
/// Unchecked: libpq lets any thread use a connection, one at a time; there is one owner, and it moves.
struct ConnectionHandle: ~Copyable, @unchecked Sendable {
    private let pointer: OpaquePointer

    /// Connects; blocks until that is done or has failed.
    static func open(_ configuration: PostgresConfiguration) throws(PostgresError) -> ConnectionHandle {
        guard let pointer = connect(configuration) else {
            throw PostgresError(sqlState: "53200", message: "out of memory")
        }
        let handle = ConnectionHandle(pointer: pointer)
        guard PQstatus(pointer) == CONNECTION_OK, PQsetnonblocking(pointer, 1) == 0,
            PQenterPipelineMode(pointer) == 1
        else {
            throw PostgresError(sqlState: "08001", message: handle.message)
        }
        // The default prints notices to standard error.
        PQsetNoticeReceiver(pointer, { _, _ in }, nil)
        return handle
    }

    private init(pointer: OpaquePointer) { self.pointer = pointer }

    deinit { PQfinish(pointer) }

    var descriptor: Int32 { PQsocket(pointer) }
    var message: String { String(cString: PQerrorMessage(pointer)).trimmedLine }
    /// Whether no transaction is open and no statement runs.
    var isIdle: Bool { PQtransactionStatus(pointer) == PQTRANS_IDLE }

    private static func connect(_ configuration: PostgresConfiguration) -> OpaquePointer? {
        let shortestTimeout: Int64 = 2
        let timeout = max(shortestTimeout, configuration.connectTimeout.components.seconds)
        let settings = [
            "host": configuration.host, "port": String(configuration.port), "dbname": configuration.database,
            "user": configuration.user, "password": configuration.password?.reveal(),
            "application_name": configuration.applicationName, "connect_timeout": String(timeout),
            "client_encoding": "UTF8", "gssencmode": "disable", "options": options(configuration),
            // A host that falls silent is noticed within a minute, not after the system's two hours.
            "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3",
            "tcp_user_timeout": "60000",
        ].compactMapValues { $0 }
        return withStrings(settings.map(\.key)) { keywords in
            withStrings(settings.map(\.value)) { PQconnectdbParams(keywords, $0, 0) }
        }
    }

    /// The session's settings as libpq passes them on: spaces and backslashes within a value are escaped.
    private static func options(_ configuration: PostgresConfiguration) -> String {
        let settings = configuration.settings.merging(["TimeZone": "UTC"]) { $1 }
        return settings.sorted { $0.key < $1.key }.map { name, value in
            let escaped = value.replacing("\\", with: "\\\\").replacing(" ", with: "\\ ")
            return "-c \(name)=\(escaped)"
        }.joined(separator: " ")
    }

    private static func withStrings<T>(
        _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> T
    ) -> T {
        let bytes = strings.map(\.utf8CString)
        return bytes.flatMap(\.self).withUnsafeBufferPointer { all in
            var offset = 0
            let pointers = bytes.map { string in
                defer { offset += string.count }
                return all.baseAddress.map { $0 + offset }
            }
            return body(pointers + [nil])
        }
    }
}

// MARK: - Reading and writing

extension ConnectionHandle {
    /// Reads what the socket has; false when the server is gone.
    borrowing func consumeInput() -> Bool { PQconsumeInput(pointer) == 1 }

    /// Whether the next result has not wholly arrived.
    var isBusy: Bool { PQisBusy(pointer) == 1 }

    /// The next result; nil ends a statement's results. Blocks when `isBusy`.
    borrowing func nextResult() -> ServerResult? { PQgetResult(pointer).map(ServerResult.init) }

    /// What is left of what was queued.
    enum Unwritten {
        case nothing, rest, lost
    }

    /// Writes what the socket takes.
    borrowing func flush() -> Unwritten {
        switch PQflush(pointer) {
        case 0: .nothing
        case 1: .rest
        default: .lost
        }
    }
}

// MARK: - The pipeline

extension ConnectionHandle {
    /// Queues one statement with its parameters; false when libpq cannot.
    borrowing func send(_ text: String, _ parameters: Parameters) -> Bool {
        withLayout(of: parameters) { types, values, lengths, formats in
            PQsendQueryParams(
                pointer, text, Int32(parameters.count), types, values, lengths, formats, 1) == 1
        }
    }

    /// Queues the preparation of a statement under a name.
    borrowing func prepare(_ text: String, _ parameters: Parameters, as name: String) -> Bool {
        PQsendPrepare(pointer, name, text, Int32(parameters.count), parameters.types) == 1
    }

    /// Queues a prepared statement with its parameters.
    borrowing func sendPrepared(_ name: String, _ parameters: Parameters) -> Bool {
        withLayout(of: parameters) { _, values, lengths, formats in
            PQsendQueryPrepared(pointer, name, Int32(parameters.count), values, lengths, formats, 1) == 1
        }
    }

    /// Ends a request: an error before it does not reach what comes after it.
    borrowing func sync() -> Bool { PQpipelineSync(pointer) == 1 }

    private typealias Layout = (
        UnsafePointer<UInt32>?, UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?,
        UnsafePointer<Int32>?
    ) -> Bool

    private borrowing func withLayout(of parameters: Parameters, _ body: Layout) -> Bool {
        let lengths = parameters.lengths.map { Int32(truncatingIfNeeded: $0 ?? 0) }
        let formats = [Int32](repeating: 1, count: parameters.count)
        // An empty value is not null, so its pointer must not be: the buffer ends with a byte of its own.
        return (parameters.bytes + [0]).withUnsafeBytes { buffer in
            let start = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            var offset = 0
            let values = parameters.lengths.map { length -> UnsafePointer<CChar>? in
                guard let length, let start else { return nil }
                defer { offset += length }
                return start + offset
            }
            return body(parameters.types, values, lengths, formats)
        }
    }
}

// MARK: - The simple protocol and COPY

extension ConnectionHandle {
    /// What became of bytes offered to a COPY.
    enum CopyStep {
        case taken, wait, ended
    }

    borrowing func leavePipeline() -> Bool { PQexitPipelineMode(pointer) == 1 }
    borrowing func enterPipeline() -> Bool { PQenterPipelineMode(pointer) == 1 }

    /// Sends a text of any number of statements; only outside the pipeline.
    borrowing func sendScript(_ text: String) -> Bool { PQsendQuery(pointer, text) == 1 }

    /// Queues bytes for the server's COPY FROM STDIN; `ended` when the server takes no more.
    borrowing func putCopy(_ bytes: [UInt8]) -> CopyStep {
        let status = bytes.withUnsafeBytes { buffer in
            PQputCopyData(
                pointer, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(buffer.count))
        }
        return status == 1 ? .taken : status == 0 ? .wait : .ended
    }

    /// Ends a COPY FROM STDIN; with a `failure`, the server forgets what it was given.
    borrowing func endCopy(failure: String?) -> CopyStep {
        let status = PQputCopyEnd(pointer, failure)
        return status == 1 ? .taken : status == 0 ? .wait : .ended
    }

    /// The next row of a COPY TO STDOUT in `bytes`.
    borrowing func getCopy(into bytes: inout [UInt8]) -> CopyStep {
        var buffer: UnsafeMutablePointer<CChar>?
        let length = PQgetCopyData(pointer, &buffer, 1)
        guard length > 0, let buffer else { return length == 0 ? .wait : .ended }
        bytes.append(contentsOf: UnsafeRawBufferPointer(start: buffer, count: Int(length)))
        PQfreemem(buffer)
        return .taken
    }
}

// MARK: - Cancellation

/// Owns one `PGcancel`: the address and key with which any thread can cancel what a connection runs.
///
/// Unchecked: it is never changed, and libpq says that `PQcancel` may be called from another thread.
final class CancelHandle: @unchecked Sendable {
    private let pointer: OpaquePointer?

    init(_ pointer: OpaquePointer?) { self.pointer = pointer }

    deinit { PQfreeCancel(pointer) }

    /// Asks the server to cancel; blocks until it has the request. A failure leaves the statement running.
    func cancel() {
        let capacity = 256
        var message = [CChar](repeating: 0, count: capacity)
        PQcancel(pointer, &message, Int32(capacity))
    }
}

extension ConnectionHandle {
    borrowing func cancelHandle() -> CancelHandle { CancelHandle(PQgetCancel(pointer)) }
}

/// Carries a new connection, or why there is none, from the thread that opened it to its actor.
final class OpenedConnection: Sendable {
    private let handle: Mutex<ConnectionHandle?>
    private let failure: PostgresError?

    /// Connects; blocks until that is done or has failed.
    init(_ configuration: PostgresConfiguration) {
        do throws(PostgresError) {
            handle = Mutex(try ConnectionHandle.open(configuration))
            failure = nil
        } catch {
            handle = Mutex(nil)
            failure = error
        }
    }

    /// The connection; only the first call has it.
    func take() throws(PostgresError) -> ConnectionHandle {
        guard let handle = handle.withLock({ $0.take() }) else {
            throw failure ?? .misuse("the connection was taken before")
        }
        return handle
    }
}
