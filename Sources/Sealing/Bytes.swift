import COpenSSL

/// Whether two byte strings are equal, in a time that depends on their lengths alone.
///
/// Comparing secrets with `==` tells an attacker how many leading bytes were right.
public func constantTimeEquals(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
}

/// Unpredictable bytes for keys, salts and nonces.
public enum RandomBytes {
    /// `count` bytes from OpenSSL's generator; stops the process when the machine has no randomness to give.
    public static func make(_ count: Int) -> [UInt8] {
        filled(count) { check(RAND_priv_bytes($0.baseAddress, Int32($0.count))) }
    }
}

/// Calls `body` with the bytes of `sequence`, copying them only when they are not contiguous.
func withBytes<Result>(
    of sequence: some Sequence<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Result
) -> Result {
    sequence.withContiguousStorageIfAvailable(body) ?? Array(sequence).withUnsafeBufferPointer(body)
}

/// `count` bytes that `body` writes.
func filled(_ count: Int, _ body: (UnsafeMutableBufferPointer<UInt8>) -> Void) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        buffer.initialize(repeating: 0)
        body(UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
        initialized = count
    }
}

/// An OpenSSL object that was asked for. It is missing only when memory is, and then nothing can go on.
func acquired(_ object: OpaquePointer?) -> OpaquePointer {
    guard let object else { preconditionFailure("OpenSSL could not make an object") }
    return object
}

/// Stops the process unless OpenSSL reports success, for calls that fail only when memory is exhausted or
/// the library is broken: going on would seal, sign or hash wrongly.
func check(_ result: Int32, line: UInt = #line, file: StaticString = #file) {
    precondition(result == 1, "an OpenSSL call failed", file: file, line: line)
}
