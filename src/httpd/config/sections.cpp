#include "httpd/config/sections.hpp"

#include <algorithm>
#include <iterator>

#include "httpd/config/config_tree.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::httpd {

DirConfig& section_config(cmd_parms* cmd) {
    void* config = ap_get_module_config(cmd->context, &mtls_authz_module);
    if (config == nullptr) {
        config = pool_new<DirConfig>(cmd->pool);
        ap_set_module_config(cmd->context, &mtls_authz_module, config);
    }
    return *static_cast<DirConfig*>(config);
}

namespace {

// End of the character class that begins at `open`: a leading `]` is a member of the class, and `[:alpha:]` may contain
// brackets too.
std::size_t end_of_class(std::string_view regex, std::size_t open) {
    std::size_t i = open + 1;
    if (i < regex.size() && regex[i] == '^') ++i;
    if (i < regex.size() && regex[i] == ']') ++i;
    for (; i < regex.size() && regex[i] != ']'; ++i) {
        if (regex[i] == '\\') ++i;
        const std::size_t end = regex.substr(i).starts_with("[:") ? regex.find(":]", i) : std::string_view::npos;
        if (end != std::string_view::npos) i = end + 1;
    }
    return i;
}

// Whether the expression has alternatives outside of all groups; true if uncertain.
bool has_alternatives(std::string_view regex) {
    for (const std::string_view unclear : {"(?#", "\\Q", "#"}) {
        if (regex.find(unclear) != std::string_view::npos) return regex.find('|') != std::string_view::npos;
    }
    int depth = 0;
    for (std::size_t i = 0; i < regex.size(); ++i) {
        const char c = regex[i];
        if (c == '\\') {
            ++i;
        } else if (c == '[') {
            i = end_of_class(regex, i);
        } else if (c == '|' && depth == 0) {
            return true;
        }
        depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    }
    return false;
}

// The text before the first character with a special meaning in a regular expression.
std::string regex_literal_prefix(std::string_view regex) {
    if (!regex.starts_with('^') || has_alternatives(regex) || has_regex_options()) return {};
    std::string out;
    std::size_t at = 1;
    for (; at < regex.size(); ++at) {
        const bool is_escaped = regex[at] == '\\';
        if (is_escaped && (++at == regex.size() || is_alnum(regex[at]))) return out;  // a class, not a character
        if (!is_escaped && kRegexMarks.find(regex[at]) != kRegexMarks.npos) break;
        out += regex[at];
    }
    // A quantifier makes the character before it optional.
    const bool is_optional = at < regex.size() && std::string_view("*?{").find(regex[at]) != std::string_view::npos;
    if (is_optional && !out.empty()) out.pop_back();
    return out;
}

std::string wildcard_literal_prefix(std::string_view path) {
    return std::string(path.substr(0, std::min(path.find_first_of("*?["), path.size())));
}

// The section of the directive `cmd`, skipping <RequireAll>, <Limit> and the like; null at server level.
const ap_directive_t* enclosing_section(const cmd_parms* cmd) {
    const auto is_part = [](std::string_view name) {
        return starts_nocase(name, "<Require") || starts_nocase(name, "<Limit");
    };
    const ap_directive_t* parent = cmd->directive->parent;
    while (parent != nullptr && is_part(parent->directive)) parent = parent->parent;
    return parent;
}

// The Location or Directory around a <Files> or <If>. Left at kServer where it is written as an expression.
void find_holder(const ap_directive_t& node, apr_pool_t* pool, GateSection& section) {
    using Kind = GateSection::Kind;
    for (const ap_directive_t* outer = node.parent; outer != nullptr; outer = outer->parent) {
        const bool is_location = equal_nocase(outer->directive, "<Location");
        if (!is_location && !equal_nocase(outer->directive, "<Directory")) continue;
        const char* args = outer->args;
        std::string_view path = ap_getword_conf(pool, &args);
        if (!path.starts_with('/')) return;
        if (path.ends_with('>')) path.remove_suffix(1);
        section.holder = is_location ? Kind::kLocation : Kind::kDirectory;
        section.holder_prefix = wildcard_literal_prefix(path);
        section.is_holder_literal = section.holder_prefix.size() == path.size();
        return;
    }
}

constexpr std::string_view kAuthorization[] = {"Require", "<Require", "<Limit", "Auth",      "Satisfy",
                                               "Allow",   "Deny",     "Order",  "SSLRequire"};

// Of httpd's own requirements, those that do not look at the path. file-owner and the like look at the file.
constexpr std::string_view kPathless[] = {
    "all",        "ip",         "host",           "forward-dns", "local",       "method",     "user",
    "group",      "valid-user", "dbm-group",      "dbd-group",   "dbd-login",   "dbd-logout", "ldap-user",
    "ldap-group", "ldap-dn",    "ldap-attribute", "ldap-filter", "ldap-search", "ssl",        "ssl-verify-client"};

// Whether a requirement may answer otherwise for another path: those of other modules may.
bool is_by_path(const std::string& name) {
    const auto& defined = state().path_providers;
    const bool is_own =
        name.starts_with("mtls-") || std::find(std::begin(kPathless), std::end(kPathless), name) != std::end(kPathless);
    return !is_own || std::find(defined.begin(), defined.end(), name) != defined.end();
}

// Whether a line of authorization may answer otherwise for another path.
bool may_depend_on_path(const ap_directive_t& d) {
    const std::string_view args = d.args != nullptr ? d.args : "";
    const bool reads_variable = args.find("%{") != std::string_view::npos;
    if (equal_nocase(d.directive, "Allow") || equal_nocase(d.directive, "Deny")) {
        return args.find("env=") != std::string_view::npos;
    }
    if (equal_nocase(d.directive, "SSLRequire")) return reads_variable;
    if (!equal_nocase(d.directive, "Require")) return false;
    const auto words = config_words(args);
    const std::size_t first = !words.empty() && equal_nocase(words[0], "not") ? 1 : 0;
    return reads_variable || (words.size() > first && is_by_path(words[first]));
}

// `by_path`: set if some line may depend on the path.
std::string authorization_text(const ap_directive_t* node, bool& by_path) {
    std::string out;
    for (; node != nullptr; node = node->next) {
        const std::string_view name = node->directive;
        const bool decides = std::any_of(std::begin(kAuthorization), std::end(kAuthorization),
                                         [name](std::string_view start) { return starts_nocase(name, start); });
        if (!decides) continue;
        by_path = by_path || may_depend_on_path(*node);
        out += lower(name) + ' ' + (node->args != nullptr ? node->args : "") + '\n';
        if (node->first_child != nullptr) out += authorization_text(node->first_child, by_path) + ">\n";
    }
    return out;
}

// httpd creates the configuration of a virtual host at the module's first directive there; Require is mod_authz_core's.
ServerConfig& made_server_config(cmd_parms* cmd) {
    ap_conf_vector_t* const all = cmd->server->module_config;
    if (ap_get_module_config(all, &mtls_authz_module) == nullptr) {
        ap_set_module_config(all, &mtls_authz_module, create_server_config(cmd->pool, cmd->server));
    }
    return server_config(cmd->server);
}

}  // namespace

const ap_regex_t* compile_section(apr_pool_t* pool, const char* text, bool is_of_files) {
#ifdef CASE_BLIND_FILESYSTEM
    const int flags = is_of_files ? AP_REG_EXTENDED | AP_REG_ICASE : AP_REG_EXTENDED;
#else
    const int flags = AP_REG_EXTENDED;
    static_cast<void>(is_of_files);
#endif
    return ap_pregcomp(pool, text, flags);
}

GateSection& make_section(cmd_parms* cmd, const DirConfig& config) {
    GateSection& section = *pool_new<GateSection>(cmd->pool);
    section.where = place_of(cmd->directive);
    section.server = cmd->server;
    section.config = &config;
    section.path = cmd->path != nullptr ? cmd->path : "";
    const ap_directive_t* const parent = enclosing_section(cmd);
    std::string_view kind = parent != nullptr ? parent->directive : "";
    const std::string_view args = parent != nullptr && parent->args != nullptr ? parent->args : "";
    section.is_regex = parent != nullptr && is_regex_section(*parent);
    using Kind = GateSection::Kind;
    if (cmd->path == nullptr) {
        section.kind = Kind::kServer;
    } else if (equal_nocase(kind, "<Location")) {
        section.kind = section.is_regex ? Kind::kLocationMatch : Kind::kLocation;
    } else if (equal_nocase(kind, "<LocationMatch")) {
        section.kind = Kind::kLocationMatch;
    } else if (equal_nocase(kind, "<Directory")) {
        section.kind = section.is_regex ? Kind::kDirectoryMatch : Kind::kDirectory;
    } else if (equal_nocase(kind, "<DirectoryMatch")) {
        section.kind = Kind::kDirectoryMatch;
    } else {
        section.other = std::string(kind) + " " + std::string(trim(args));
        section.kind = starts_nocase(kind, "<Files")                                ? Kind::kFiles
                       : starts_nocase(kind, "<If") || starts_nocase(kind, "<Else") ? Kind::kIf
                                                                                    : Kind::kOther;
        if (parent != nullptr) find_holder(*parent, cmd->temp_pool, section);
    }
    const bool is_of_files = section.kind == Kind::kDirectoryMatch || section.kind == Kind::kFiles;
    if (section.is_regex) section.regex = compile_section(cmd->pool, section.path.c_str(), is_of_files);
    section.literal_prefix =
        section.is_regex ? regex_literal_prefix(section.path) : wildcard_literal_prefix(section.path);
    return section;
}

GateSection& section_of(cmd_parms* cmd, DirConfig& config) {
    if (config.section != nullptr) return *config.section;
    GateSection& section = make_section(cmd, config);
    config.section = &section;
    state().sections.push_back(&section);
    if (section.kind == GateSection::Kind::kIf) state().has_conditional_sections = true;
    made_server_config(cmd).sections.push_back(&section);
    return section;
}

void note_path_requirements() {
    State& s = state();
    for_every_directive([&s](const ap_directive_t& d) {
        // <AuthzProviderAlias PROVIDER NAME ...> and AuthnzFcgiDefineProvider TYPE NAME ... may take any name.
        const bool defines =
            equal_nocase(d.directive, "<AuthzProviderAlias") || equal_nocase(d.directive, "AuthnzFcgiDefineProvider");
        const auto words = config_words(defines && d.args != nullptr ? d.args : "");
        if (words.size() > 1) s.path_providers.push_back(words[1].substr(0, words[1].find('>')));
    });
    s.requires_by_path = is_any_directive(may_depend_on_path);
}

GateSection& authorizing_section(cmd_parms* cmd, DirConfig& config) {
    GateSection& section = section_of(cmd, config);
    const ap_directive_t* const node = enclosing_section(cmd);
    if (node != nullptr && section.authorization.empty()) {
        section.authorization = authorization_text(node->first_child, section.requires_by_path);
    }
    config.authorizer = &section;
    return section;
}

}  // namespace mtls::httpd
