// Reads mod_ssl's FakeBasicAuth files: the user is the subject, `/C=US/O=Acme/CN=api` or RFC 2253, the password is
// "password".
#include "import.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::tool {

Imported read_passwd(std::string_view text) {
    Imported out;
    std::size_t number = 0;
    for (const std::string_view whole : split(text, '\n')) {
        ++number;
        const std::string_view line = trim(whole);
        if (line.empty() || line.front() == '#') continue;
        // The password has no colon; the name may have some.
        const std::string_view user = line.substr(0, line.rfind(':'));
        if (user.find('=') == std::string_view::npos) {
            out.reject(number, "'" + std::string(user) + "' is no subject: a user with a password of its own");
            continue;
        }
        ImportedEntry entry;
        entry.line = number;
        entry.selectors = {"subject:" + std::string(user)};
        const std::string fault = fault_of_literal(entry.selectors.front());
        if (!fault.empty()) {
            out.reject(number, fault);
            continue;
        }
        out.entries.push_back(std::move(entry));
    }
    return out;
}

}  // namespace mtls::tool
