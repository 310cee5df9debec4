// Regular expressions of sections, for rules that name a capture.
#pragma once

#include <string>

#include "httpd/config/httpd.hpp"

namespace mtls::httpd {

// A section with a regular expression, and what the core or mod_proxy matches it against.
struct SectionPattern {
    enum class Subject { kPath, kFile, kFileName, kProxied };
    const ap_directive_t* section = nullptr;
    Subject subject = Subject::kPath;
    std::string text;
    const ap_regex_t* regex = nullptr;
    const apr_array_header_t* groups = nullptr;  // "MATCH_NAME" by group number; null for a group without name
    bool is_same_below = false;                  // every path below a matching path has the same captures

    bool captures(const std::string& name) const;
};

}  // namespace mtls::httpd
