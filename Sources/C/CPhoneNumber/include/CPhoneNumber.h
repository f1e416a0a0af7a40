#ifndef CPHONENUMBER_H
#define CPHONENUMBER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /// The longest text that is looked at, in bytes: the library's time grows with the square of the length,
    /// to a minute for 100,000 digits.
    PHONE_NUMBER_MAXIMUM_LENGTH = 250,
    /// Room for the longest number that the library writes as E.164, and its final zero.
    PHONE_NUMBER_CAPACITY = 32
};

/// What became of a text that may be a phone number.
typedef enum {
    /// It is one; the E.164 form was written.
    PHONE_NUMBER_NORMALISED,
    /// It cannot be read as one, or no number of its country has its length; nothing was written.
    PHONE_NUMBER_UNPARSABLE,
    /// The library failed, by want of memory; nothing was written.
    PHONE_NUMBER_FAILED
} PhoneNumberOutcome;

/// Writes the `length` bytes at `number` to `output` in E.164 (`+919876543210`), ending with a zero.
///
/// A number without a country code is read as one of `region` (ISO 3166-1, upper case, such as `IN`).
/// `output` has room for `PHONE_NUMBER_CAPACITY` bytes. May be called from any thread.
PhoneNumberOutcome phone_number_normalise(
    const char *number, size_t length, const char *region, char *output);

/// The version of the library that is loaded, such as `8.12`: other versions know other numbering plans.
const char *phone_number_library_version(void);

#ifdef __cplusplus
}
#endif

#endif
