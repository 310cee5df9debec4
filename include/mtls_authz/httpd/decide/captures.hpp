// What a section's own regular expression captures of a request. httpd keeps captures in the request's environment,
// beside those of other sections, of earlier paths and of the request that led here: so they are matched again.
#pragma once

#include "mtls_authz/decide/gate.hpp"
#include "mtls_authz/httpd/config/httpd.hpp"

namespace mtls::httpd {

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
