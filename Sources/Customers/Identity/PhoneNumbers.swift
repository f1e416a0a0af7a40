import CPhoneNumber

/// Phone numbers as Google's libphonenumber reads them.
enum PhoneNumbers {
    /// The number in E.164 (`+919876543210`); nil when it cannot be read as one.
    ///
    /// - Parameter country: ISO 3166-1 alpha-2, for numbers without a country code.
    static func e164(_ text: String, country: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: PHONE_NUMBER_CAPACITY) { output in
            guard let start = output.baseAddress else { return nil }
            let outcome = phone_number_normalise(text, text.utf8.count, country, start)
            return outcome == PHONE_NUMBER_NORMALISED ? String(cString: start) : nil
        }
    }
}
