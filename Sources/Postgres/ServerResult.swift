import CPostgres

/// Owns one `PGresult`.
///
/// Unchecked: libpq never changes a result once it is handed out ("Behavior in Threaded Programs" in its
/// manual), the pointer is fixed, and only `deinit`, which runs once, frees it.
final class ServerResult: @unchecked Sendable {
    /// What a result is, apart from its content.
    enum Kind {
        case rows, failure, skipped, sync, copyIn, copyOut, other
    }

    private let pointer: OpaquePointer

    /// Takes over `pointer`.
    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    deinit { PQclear(pointer) }

    var kind: Kind {
        switch PQresultStatus(pointer) {
        case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: .rows
        case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE: .failure
        case PGRES_PIPELINE_ABORTED: .skipped
        case PGRES_PIPELINE_SYNC: .sync
        case PGRES_COPY_IN: .copyIn
        case PGRES_COPY_OUT: .copyOut
        default: .other
        }
    }

    var rowCount: Int { Int(PQntuples(pointer)) }
    var columnCount: Int { Int(PQnfields(pointer)) }
    var tag: String { String(cString: PQcmdStatus(pointer)) }
    var affected: Int { Int(String(cString: PQcmdTuples(pointer))) ?? 0 }

    func columnName(_ column: Int) -> String {
        PQfname(pointer, Int32(column)).map { String(cString: $0) } ?? ""
    }
    func columnType(_ column: Int) -> PostgresType { PostgresType(rawValue: PQftype(pointer, Int32(column))) }
    func isNull(_ row: Int, _ column: Int) -> Bool { PQgetisnull(pointer, Int32(row), Int32(column)) == 1 }

    /// Lends the bytes of a value to `body`.
    func withValue<T>(_ row: Int, _ column: Int, _ body: (RawSpan) throws -> T) rethrows -> T {
        let length = Int(PQgetlength(pointer, Int32(row), Int32(column)))
        let start = PQgetvalue(pointer, Int32(row), Int32(column))
        return try body(UnsafeRawBufferPointer(start: start, count: length).bytes)
    }

    /// Whether it is an error with which the connection ends. libpq's own, without a severity, is one too.
    var isFatal: Bool { kind == .failure && ["FATAL", "PANIC", nil].contains(field("V")) }

    /// The error that this result is; one without a SQLSTATE was made by libpq when it lost the server.
    var error: PostgresError {
        PostgresError(
            sqlState: field("C") ?? "08006",
            message: field("M") ?? String(cString: PQresultErrorMessage(pointer)).trimmedLine,
            detail: field("D"), hint: field("H"), constraint: field("n"),
            place: (field("t"), field("c")))
    }

    /// A field of an error by its letter in the protocol; libpq names them with macros that Swift cannot see.
    private func field(_ letter: Unicode.Scalar) -> String? {
        PQresultErrorField(pointer, Int32(letter.value)).map { String(cString: $0) }
    }
}

extension String {
    /// libpq's messages as one line, without the line ends that it adds.
    var trimmedLine: String {
        split(whereSeparator: \.isNewline).joined(separator: "; ")
    }
}
