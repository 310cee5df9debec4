// Records the sections of httpd.conf that have a gate, while their directives are read.
#pragma once

#include <string>

#include "httpd/config/config.hpp"

namespace mtls::httpd {

// The DirConfig of the section of `cmd`, created by its first directive: sections without directives of ours, and the
// server itself, have none, so that httpd has nothing to merge for them.
DirConfig& section_config(cmd_parms* cmd);
inline const char* failure(cmd_parms* cmd, const std::string& message) { return pool_text(cmd->pool, message); }
template <class Body>
const char* guarded_directive(cmd_parms* cmd, Body body) noexcept {
    return guarded(cmd->server, "mtls_authz: the directive could not be read", body);
}
// Error for a gate directive in .htaccess or within <Limit>.
inline const char* context_fault(cmd_parms* cmd) { return ap_check_cmd_context(cmd, NOT_IN_LIMIT | NOT_IN_HTACCESS); }

// A section's regular expression as httpd compiles it; null if it cannot be. `is_of_files`: of <Directory> and <Files>.
const ap_regex_t* compile_section(apr_pool_t* pool, const char* text, bool is_of_files);
// Describes the section of `cmd`, whose settings `config` has.
GateSection& make_section(cmd_parms* cmd, const DirConfig& config);
// The section of `cmd`; recorded on the first call.
GateSection& section_of(cmd_parms* cmd, DirConfig& config);
// The same for a section with Require mtls-* or AuthType MTLS, with or without rules of a gate.
GateSection& authorizing_section(cmd_parms* cmd, DirConfig& config);
// From pre_config: looks in the tree of directives for authorization that depends on the path.
void note_path_requirements();

}  // namespace mtls::httpd
