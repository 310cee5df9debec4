// The sections of httpd.conf that hold a gate, noted while their directives are read.
#pragma once

#include <string>

#include "mtls_authz/httpd/config/config.hpp"

namespace mtls::httpd {

// What the section of `cmd` says, from its first directive on: the module has none for other sections, neither for the
// server itself, so that httpd has nothing to merge there.
DirConfig& written(cmd_parms* cmd);
inline const char* failure(cmd_parms* cmd, const std::string& message) { return pool_text(cmd->pool, message); }
template <class Body>
const char* guarded_directive(cmd_parms* cmd, Body body) noexcept {
    return guarded(cmd->server, "mtls_authz: the directive could not be read", body);
}
// Of gates: neither in .htaccess nor within <Limit>.
inline const char* context_fault(cmd_parms* cmd) { return ap_check_cmd_context(cmd, NOT_IN_LIMIT | NOT_IN_HTACCESS); }

// The section that the directive of `cmd` stands in; noted when it is asked for first.
GateSection& section_of(cmd_parms* cmd, DirConfig& config);
// The same of one that says something about authorization, with or without rules of a gate.
GateSection& authorizing_section(cmd_parms* cmd, DirConfig& config);

}  // namespace mtls::httpd
