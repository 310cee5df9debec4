// A configuration that is only tested, and what httpd says of it.
#pragma once

#include <string>

#include "claims.hpp"
#include "world.hpp"

namespace test {

// A folder with the world's files, never started.
class Draft {
public:
    Httpd httpd;
    Draft() : httpd(httpd_paths()) { world().install(httpd); }

    Httpd::Output check(const std::string& lines) {
        httpd.configure(lines);
        return httpd.run({"-t"});
    }
    void refuses(const std::string& lines, const std::string& message) {
        const auto out = check(lines);
        test::check(out.status != 0, "accepted: " + lines, __FILE__, __LINE__);
        CHECK_CONTAINS(out.text, message);
    }
    void warns(const std::string& lines, const std::string& message) {
        const auto out = check(lines);
        test::check(out.status == 0, out.text, __FILE__, __LINE__);
        CHECK_CONTAINS(out.text, message);
    }
    void is_silent_about(const std::string& lines, const std::string& message) {
        const auto out = check(lines);
        test::check(out.status == 0, out.text, __FILE__, __LINE__);
        test::check(out.text.find(message) == std::string::npos, out.text, __FILE__, __LINE__);
    }
};

inline std::string partner_p(const std::string& lines) {
    return "<MTLSPartner p>\nMTLSIdentity DNS:p.example.org\nMTLSTrustAnchor acme.pem\n" + lines + "\n</MTLSPartner>\n";
}

}  // namespace test
