// Captures of a section's own regular expression. httpd stores captures in the request's environment, mixed with those
// of other sections, earlier paths and the originating request: so the expressions are matched again here.
#pragma once

#include "httpd/config/httpd.hpp"
#include "mtls_authz/decide/gate.hpp"

namespace mtls::httpd {

// Binds each capture of the rule to the innermost section around `cmd` that has such a group; warns if there is none,
// or if the expression is not anchored.
void bind_captures(cmd_parms* cmd, GateRule& rule);

// Matches the patterns that the request's rules name against its path, once per path and merged configuration. A group
// that did not participate, or a capture without a section, has no value.
[[gnu::noinline]] void keep_captures(request_rec* r);

struct DirConfig;
struct GateSection;
// A section of this module in whose regular expression PCRE gave up on the request's path or file: httpd takes that for
// no match, and leaves the section out. Null: none.
const GateSection* find_failed_pattern(const request_rec* r);
// Whether each path below a path of the section has the same captures.
bool has_same_captures_below(const DirConfig& config);

}  // namespace mtls::httpd
