// Regular expressions of sections, for rules that name what they capture.
#pragma once

#include <string>

#include "mtls_authz/httpd/config/httpd.hpp"

namespace mtls::httpd {

// A section with a regular expression, as the core and mod_proxy match it.
struct SectionPattern {
    enum class Subject { kPath, kFile, kFileName, kProxied };
    const ap_directive_t* section = nullptr;
    Subject subject = Subject::kPath;
    std::string text;
    const ap_regex_t* regex = nullptr;
    const apr_array_header_t* groups = nullptr;  // "MATCH_NAME" by the group's number; null where it has no name
    bool is_same_below = false;                  // what fits a path captures the same of every path below it

    bool captures(const std::string& name) const;
};

}  // namespace mtls::httpd
