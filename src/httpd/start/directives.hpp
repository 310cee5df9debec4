// Directive handlers that no other file has.
#pragma once

#include "httpd/config/httpd.hpp"

namespace mtls::httpd {

const char* on_policy_directive(cmd_parms* cmd, void* config, const char* args) noexcept;
const char* on_revocation_file(cmd_parms* cmd, void* config, const char* args) noexcept;
const char* on_policy_database(cmd_parms* cmd, void* config, const char* driver, const char* file) noexcept;
const char* on_policy_start(cmd_parms* cmd, void* config, const char* arg) noexcept;
const char* on_policy_file(cmd_parms* cmd, void* config, const char* args) noexcept;
const char* on_client_ca(cmd_parms* cmd, void* config, const char* arg) noexcept;
const char* on_fetch_user(cmd_parms* cmd, void* config, const char* arg) noexcept;
const char* on_policy_refresh(cmd_parms* cmd, void* config, const char* arg) noexcept;
const char* on_allow(cmd_parms* cmd, void* config, const char* args) noexcept;
const char* on_deny(cmd_parms* cmd, void* config, const char* args) noexcept;
const char* on_authz(cmd_parms* cmd, void* config, const char* arg) noexcept;
const char* on_remote_user(cmd_parms* cmd, void* config, int on) noexcept;
const char* on_status(cmd_parms* cmd, void* config, int on) noexcept;
const char* on_env(cmd_parms* cmd, void* config, const char* arg) noexcept;
const char* on_error_detail(cmd_parms* cmd, void* config, int on) noexcept;
const char* on_accept_front(cmd_parms* cmd, void* config, const char* args) noexcept;
// mod_authz_core's directive, which httpd reads for both modules; allowed in .htaccess.
const char* on_auth_merging(cmd_parms* cmd, void* config, const char* arg) noexcept;
// mod_authn_core's, likewise.
const char* on_auth_type(cmd_parms* cmd, void* config, const char* arg) noexcept;

}  // namespace mtls::httpd
