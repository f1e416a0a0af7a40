#include "CPhoneNumber.h"

#include <dlfcn.h>
#include <phonenumbers/phonenumberutil.h>

#include <climits>
#include <cstdlib>
#include <cstring>
#include <string>

using i18n::phonenumbers::PhoneNumber;
using i18n::phonenumbers::PhoneNumberUtil;

namespace {

/// What follows `.so.` in the name of the file that the library was loaded from; it has no other way to tell.
std::string loadedVersion() {
    Dl_info library;
    char path[PATH_MAX];
    auto address = reinterpret_cast<void *>(&PhoneNumberUtil::GetInstance);
    if (dladdr(address, &library) == 0 || realpath(library.dli_fname, path) == nullptr) return "unknown";
    const char *suffix = std::strstr(path, ".so.");
    return suffix == nullptr ? "unknown" : suffix + std::strlen(".so.");
}

}  // namespace

PhoneNumberOutcome phone_number_normalise(
    const char *number, size_t length, const char *region, char *output) {
    if (length > PHONE_NUMBER_MAXIMUM_LENGTH) return PHONE_NUMBER_UNPARSABLE;
    try {
        const PhoneNumberUtil &util = *PhoneNumberUtil::GetInstance();
        PhoneNumber parsed;
        const auto error = util.Parse(std::string(number, length), region, &parsed);
        if (error != PhoneNumberUtil::NO_PARSING_ERROR) return PHONE_NUMBER_UNPARSABLE;
        // A shop's filler such as "123" parses too; as everybody's number it would tie strangers together.
        if (!util.IsPossibleNumber(parsed)) return PHONE_NUMBER_UNPARSABLE;
        std::string text;
        util.Format(parsed, PhoneNumberUtil::E164, &text);
        if (text.empty() || text.size() >= PHONE_NUMBER_CAPACITY) return PHONE_NUMBER_UNPARSABLE;
        std::memcpy(output, text.c_str(), text.size() + 1);
        return PHONE_NUMBER_NORMALISED;
    } catch (...) {
        return PHONE_NUMBER_FAILED;
    }
}

const char *phone_number_library_version(void) {
    try {
        static const std::string version = loadedVersion();
        return version.c_str();
    } catch (...) {
        return "unknown";
    }
}
