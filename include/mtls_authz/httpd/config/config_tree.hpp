// httpd's tree of all directives, for findings about directives of other modules.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mtls_authz/httpd/config/httpd.hpp"

namespace mtls::httpd {

// Whether there is such a directive anywhere, virtual hosts included. From pre_config on.
bool is_any_directive(const std::function<bool(const ap_directive_t&)>& is_wanted);

// Whether regular expressions may have options, such as ICASE or EXTENDED.
bool has_regex_options();

// Calls `visit` for each directive that is written for this server, sections inside included; other virtual hosts are
// not.
void for_each_directive(const server_rec* s, const std::function<void(const ap_directive_t&)>& visit);

// The words of the last directive `name` at server level of `s`, or of the main server; empty where there is none.
std::vector<std::string> server_setting_words(const server_rec* s, const char* name);
// The first of them.
std::string server_setting(const server_rec* s, const char* name);

}  // namespace mtls::httpd
