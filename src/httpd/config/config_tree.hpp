// httpd's tree of all directives, used to check directives of other modules.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "httpd/config/httpd.hpp"

namespace mtls::httpd {

// Whether any directive matches, in any virtual host. Usable from pre_config on.
bool is_any_directive(const std::function<bool(const ap_directive_t&)>& is_wanted);

// Calls `visit` for each directive of all servers, also inside sections.
void for_every_directive(const std::function<void(const ap_directive_t&)>& visit);

// The characters with a special meaning in a regular expression.
constexpr std::string_view kRegexMarks = "\\.[]()*+?{}|$^";

// Whether this is a section with a regular expression: <...Match> or <... ~>.
bool is_regex_section(const ap_directive_t& d);

// Whether RegexDefaultOptions changes how regular expressions match, as ICASE or EXTENDED do.
bool has_regex_options();

// Whether the tree has the <VirtualHost> of this server: what follows finds nothing of its own otherwise.
bool is_in_tree(const server_rec* s);

// Calls `visit` for each directive of this server, also inside sections, but not for those of other virtual hosts.
void for_each_directive(const server_rec* s, const std::function<void(const ap_directive_t&)>& visit);

// The section of a directive that httpd merges by path: <Location>, <Directory>, <Files>, <Proxy> and their *Match.
// Null at server level.
const ap_directive_t* path_section_of(const ap_directive_t* node);
// Its <VirtualHost>; null in the main server.
const ap_directive_t* host_of(const ap_directive_t* node);
// The path of a <Location> that stands for itself; nothing for other sections, wildcards, or null.
std::optional<std::string_view> literal_location(const ap_directive_t* section);

// The arguments of the last directive `name` at server level of `s`, else of the main server; empty if there is none.
std::vector<std::string> server_setting_words(const server_rec* s, const char* name);
// The first argument of it.
std::string server_setting(const server_rec* s, const char* name);
// SSLVerifyDepth.
int verify_depth_of(const server_rec* s);
// SSLEngine.
bool serves_tls(const server_rec* s);

}  // namespace mtls::httpd
