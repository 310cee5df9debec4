// What a section's own regular expression captures of a request. httpd keeps captures in the request's environment,
// beside those of other sections, of earlier paths and of the request that led here: so they are matched again.
#pragma once

#include <string>

#include "httpd.hpp"
#include "mtls_authz/gate.hpp"

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

// Binds each capture of the rule to the innermost section around `cmd` that has such a group; warns where there is
// none, and where the expression is not anchored.
void bind_captures(cmd_parms* cmd, GateRule& rule);

// Matches the patterns that the rules of this request's gate name against its path, once for each path and merged
// configuration. A group that takes no part has no value, and neither has a capture without such a section.
[[gnu::noinline]] void keep_captures(request_rec* r);

struct DirConfig;
// Whether the captures that these rules name are the same below every path that their section covers.
bool has_same_captures_below(const DirConfig& config);

}  // namespace mtls::httpd
