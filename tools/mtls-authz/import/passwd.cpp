// Reads mod_ssl's FakeBasicAuth files: the user is the subject, `/C=US/O=Acme/CN=api` or RFC 2253, the password is
// "password".
#include <apr_md5.h>

#include <map>

#include "../policy/policy_text.hpp"
#include "import.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/distinguished_name.hpp"

namespace mtls::tool {

namespace {

struct User {
    std::size_t line;
    std::string subject;
    bool is_let_in = false;  // its password is the one that mod_ssl sends

    // Equal for names that one selector fits.
    std::string name() const {
        const auto parsed = NamePattern::parse(subject);
        return parsed.ok() ? parsed.value().name.canonical : subject;
    }
};

// Fields end at a colon, as httpd reads them: a subject with one gets in nowhere.
std::vector<User> users_of(std::string_view text, Imported& out) {
    std::vector<User> users;
    std::size_t number = 0;
    for (const std::string_view whole : split(text, '\n')) {
        ++number;
        const std::string_view line = trim(whole);
        if (line.empty() || line.front() == '#') continue;
        const auto fields = split(line, ':');
        const std::string user(fields.front()), hash(fields.size() > 1 ? fields[1] : std::string_view());
        if (user.find('=') == std::string::npos) {
            out.reject(number, "'" + user + "' is no subject: a user with a password of its own");
            continue;
        }
        users.push_back({number, user, apr_password_validate("password", hash.c_str()) == APR_SUCCESS});
    }
    return users;
}

}  // namespace

Imported read_passwd(std::string_view text) {
    Imported out;
    const std::vector<User> users = users_of(text, out);
    std::map<std::string, std::size_t> kept_out;  // the line, by name
    for (const User& user : users)
        if (!user.is_let_in) kept_out.emplace(user.name(), user.line);
    for (const User& user : users) {
        ImportedEntry entry;
        entry.line = user.line;
        entry.selectors = {"subject:" + user.subject};
        const auto other = kept_out.find(user.name());
        std::string fault = fault_of_literal(entry.selectors.front());
        if (!user.is_let_in) {
            fault = "the password of '" + user.subject +
                    "' is not \"password\", which mod_ssl sends: httpd does not let this user in";
        } else if (other != kept_out.end()) {
            fault = "line " + std::to_string(other->second) + " has the same name with another password";
        }
        if (!user.subject.starts_with('/'))
            entry.remarks = {
                "a name of AuthBasicFake: that of FakeBasicAuth is '/C=US/O=Acme', so it finds this nowhere"};
        if (fault.empty()) {
            add_once(out.remarks, kFoldsCase);
            out.entries.push_back(std::move(entry));
        } else {
            out.reject(user.line, fault);
        }
    }
    return out;
}

}  // namespace mtls::tool
