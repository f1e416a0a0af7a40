import CPhoneNumber
import Testing

@Suite struct PhoneNumberTests {
    private func normalised(_ number: String, _ region: String) -> String? {
        var number = number
        return number.withUTF8 { bytes in
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PHONE_NUMBER_CAPACITY)) { output in
                bytes.withMemoryRebound(to: CChar.self) { bytes in
                    let outcome = phone_number_normalise(
                        bytes.baseAddress, bytes.count, region, output.baseAddress)
                    guard outcome == PHONE_NUMBER_NORMALISED, let text = output.baseAddress else {
                        return nil
                    }
                    return String(cString: text)
                }
            }
        }
    }

    @Test(
        "one number written in the ways of its country is one number",
        arguments: ["+91 98765 43210", "098765 43210", "9876543210", "(+91) 98765-43210", "0091 9876543210"])
    func oneNumber(text: String) {
        #expect(normalised(text, "IN") == "+919876543210")
    }

    @Test("a number is read as one of the region, unless it names its country")
    func regions() {
        #expect(normalised("020 7946 0018", "GB") == "+442079460018")
        #expect(normalised("+44 20 7946 0018", "IN") == "+442079460018")
    }

    @Test(
        "what is no number is unparsable and harms nothing",
        arguments: ["", "hello", "+", "1", "\0", String(repeating: "9", count: 100_000), "+999 123456", "é"])
    func unparsable(text: String) {
        #expect(normalised(text, "IN") == nil)
    }

    @Test("without a known region only numbers that name their country are read")
    func unknownRegion() {
        #expect(normalised("098765 43210", "??") == nil)
        #expect(normalised("+919876543210", "??") == "+919876543210")
    }

    @Test("the library tells its version")
    func version() {
        #expect(String(cString: phone_number_library_version()).first?.isNumber == true)
    }
}
