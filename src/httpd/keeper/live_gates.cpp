#include "httpd/keeper/live_gates.hpp"

#include <algorithm>
#include <iterator>
#include <set>

#include "httpd/config/config_tree.hpp"
#include "httpd/decide/front.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"

namespace mtls::httpd {

namespace {

using Match = MappedSection::Match;

template <class T>
std::vector<T> items_of(const apr_array_header_t* array) {
    if (array == nullptr || array->nelts == 0) return {};
    const void* const elements = array->elts;
    const auto* const first = static_cast<const T*>(elements);
    return {first, first + array->nelts};
}

std::string text_of(const char* text) { return text != nullptr ? text : ""; }

const core_dir_config& core_of(const ap_conf_vector_t* section) {
    return *static_cast<const core_dir_config*>(ap_get_core_module_config(section));
}

bool authorizes(const DirConfig& config) {
    const auto authenticates = [](const GateSection* section) { return section != nullptr && section->authenticates; };
    return config.has_provider || authenticates(config.section) || authenticates(config.authorizer);
}

// The sections of one virtual host, in httpd's merge order: server, <Directory>, <Files>, <Location>, <If>.
class SectionList {
public:
    explicit SectionList(const server_rec* s) : server_(s) {
        const auto& core = *static_cast<const core_server_config*>(ap_get_core_module_config(s->module_config));
        add(s->lookup_defaults, Match::kAlways);
        for (const ap_conf_vector_t* section : items_of<ap_conf_vector_t*>(core.sec_dir)) {
            const core_dir_config& own = core_of(section);
            add(section, own.r == nullptr && own.d_is_fnmatch == 0 ? Match::kDirectory : Match::kUnknown);
        }
        while (!files_.empty()) add_all(files_);
        const std::size_t before_locations = sections_.size();
        for (const ap_conf_vector_t* section : items_of<ap_conf_vector_t*>(core.sec_url)) {
            const core_dir_config& own = core_of(section);
            add(section,
                own.r != nullptr        ? Match::kRegex
                : own.d_is_fnmatch != 0 ? Match::kWildcard
                                        : Match::kPrefix,
                true);
        }
        while (!ifs_.empty() || !files_.empty()) add_all(ifs_.empty() ? files_ : ifs_);
        add_others(before_locations);
    }

    std::vector<MappedSection> take() { return std::move(sections_); }

private:
    // A section inside another one, with what the outer one matches.
    struct Nested {
        const ap_conf_vector_t* section;
        Match around;
        std::string path_around;
    };

    void add_all(std::vector<Nested>& waiting) {
        for (const Nested& nested : std::exchange(waiting, {})) {
            MappedSection out;
            out.around = nested.around;
            out.path_around = nested.path_around;
            add(nested.section, std::move(out));
        }
    }

    void add(const ap_conf_vector_t* section, Match match, bool is_location = false) {
        MappedSection out;
        out.match = match;
        out.is_location = is_location;
        add(section, std::move(out));
    }

    void add(const ap_conf_vector_t* section, MappedSection out) {
        const core_dir_config& core = core_of(section);
        out.path = text_of(core.d);
        const bool is_nested = out.match == Match::kUnknown && out.around != Match::kAlways;
        const Match around = is_nested ? out.around : out.match;
        const std::string& path_around = is_nested ? out.path_around : out.path;
        for (auto* nested : items_of<ap_conf_vector_t*>(core.sec_file)) files_.push_back({nested, around, path_around});
        for (auto* nested : items_of<ap_conf_vector_t*>(core.sec_if)) ifs_.push_back({nested, around, path_around});
        const auto* const config = static_cast<const DirConfig*>(ap_get_module_config(section, &mtls_authz_module));
        if (config == nullptr) return;
        seen_.insert(config);
        if (describe(*config, out)) sections_.push_back(std::move(out));
    }

    // Whether the section has any access settings.
    static bool describe(const DirConfig& config, MappedSection& out) {
        out.mode = config.mode;
        out.authorizes = authorizes(config);
        if (config.allow != nullptr) out.allow = *config.allow;
        for (const DenyChain* chain = config.deny; chain != nullptr; chain = chain->outer) {
            out.deny.insert(out.deny.end(), chain->rules->begin(), chain->rules->end());
        }
        const GateSection* const section = config.section != nullptr ? config.section : config.authorizer;
        if (section != nullptr) {
            using SectionKind = GateSection::Kind;
            out.is_directory =
                section->kind == SectionKind::kDirectory || section->kind == SectionKind::kDirectoryMatch;
            out.title = section->title();
            out.where = section->where;
        }
        if (out.match == Match::kUnknown && section != nullptr) out.path = section->literal_prefix;
        return out.mode || out.authorizes || out.allow || !out.deny.empty();
    }

    // Sections that other modules store, such as <Proxy>: merged before the locations.
    void add_others(std::size_t at) {
        for (const GateSection* section : state().sections) {
            if (!section->applies_in(server_) || section->kind == GateSection::Kind::kServer ||
                seen_.contains(section->config))
                continue;
            MappedSection out;
            if (describe(*section->config, out))
                sections_.insert(sections_.begin() + static_cast<std::ptrdiff_t>(at), std::move(out));
        }
    }

    const server_rec* server_;
    std::vector<MappedSection> sections_;
    std::vector<Nested> files_, ifs_;
    std::set<const DirConfig*> seen_;
};

// Whether the directive may map a path to another file or path than DocumentRoot does.
bool remaps(std::string_view name) {
    constexpr std::string_view kStarts[] = {
        "Alias",   "ScriptAlias",     "Redirect", "RewriteRule",      "RewriteMap", "ProxyPass", "UserDir",
        "Virtual", "WSGIScriptAlias", "JkMount",  "FallbackResource", "Lua",        "Action",    "Perl"};
    if (starts_nocase(name, "ProxyPassReverse") || starts_nocase(name, "ProxyPassIn")) return false;
    return std::any_of(std::begin(kStarts), std::end(kStarts),
                       [name](std::string_view start) { return starts_nocase(name, start); });
}

// Modules other than httpd's own that translate paths; directives of httpd's are in remaps().
std::vector<std::string> foreign_translators() {
    constexpr std::string_view kKnown[] = {"core.c",      "http_core.c", "mod_alias.c",     "mod_rewrite.c",
                                           "mod_proxy.c", "mod_http2.c", "mod_userdir.c",   "mod_vhost_alias.c",
                                           "mod_lua.c",   "mod_ssl.c",   "mod_proxy_fcgi.c"};
    std::vector<std::string> out;
    for (const auto& hook : items_of<ap_LINK_translate_name_t>(ap_hook_get_translate_name())) {
        const std::string name = text_of(hook.szName);
        if (std::find(std::begin(kKnown), std::end(kKnown), name) == std::end(kKnown)) out.push_back("module " + name);
    }
    return out;
}

bool is_set(const std::string& word) { return !word.empty() && !equal_nocase(word, "none"); }

// Also reads directives inside the sections of the server.
void read_directives_of(const server_rec* s, MappedHost& out) {
    std::set<std::string> found;
    const auto look = [&](const ap_directive_t& d) {
        const std::string_view args = d.args != nullptr ? d.args : "";
        if (remaps(d.directive)) found.insert(d.directive);
        const bool is_in_section = d.parent != host_of(&d);
        if (!is_in_section || !out.asking_section.empty() || !equal_nocase(d.directive, "SSLVerifyClient")) return;
        if (is_set(std::string(args))) out.asking_section = std::string(d.parent->directive) + " " + d.parent->args;
    };
    for_each_directive(s, look);
    out.remaps.insert(out.remaps.end(), found.begin(), found.end());
}

bool accepts_fronts(const server_rec* s) {
    const auto& all = state().front_sections;
    return std::any_of(all.begin(), all.end(), [s](const GateSection* f) { return accepts_front_in(*f, s); });
}

MappedHost map_host(const server_rec* main_server, const server_rec* s) {
    const ServerConfig& config = server_config(s);
    const auto& core = *static_cast<const core_server_config*>(ap_get_core_module_config(s->module_config));
    MappedHost out;
    out.name = text_of(s->server_hostname);
    for (const auto* names : {s->names, s->wild_names}) {
        for (const char* name : items_of<const char*>(names)) out.aliases.emplace_back(name);
    }
    for (const server_addr_rec* at = s->is_virtual ? s->addrs : nullptr; at != nullptr; at = at->next) {
        out.addresses.push_back(text_of(at->virthost) + ":" + std::to_string(at->host_port));
    }
    out.where = place_of(s);
    out.has_gates = config.has_gates;
    out.merges_slashes = core.merge_slashes != AP_CORE_CONFIG_OFF;
    out.sections = SectionList(s).take();
    out.remaps = foreign_translators();
    out.document_root = text_of(core.ap_document_root);
    read_directives_of(s, out);
    if (s != main_server) read_directives_of(main_server, out);
    out.has_tls = config.has_tls;
    out.asks_for_certificates = is_set(server_setting(s, "SSLVerifyClient"));
    out.accepts_fronts = accepts_fronts(s);
    out.believes_anchors = client_ca_of(s) != ClientCaMode::kOff;
    out.lets_unknown_cas_in = config.lets_unknown_cas_in;
    out.checks_crls = is_set(server_setting(s, "SSLCARevocationCheck"));
    const std::string ocsp = server_setting(s, "SSLOCSPEnable");
    out.asks_ocsp = !ocsp.empty() && !equal_nocase(ocsp, "off");
    out.has_crls = config.cas.crls != nullptr && !config.cas.crls->empty();
    out.verify_depth = verify_depth_of(s);
    out.security_level = config.cas.security_level;
    out.certificates = encode_certificates(config.cas.certificates);
    return out;
}

}  // namespace

GateMap map_gates(server_rec* main_server) {
    GateMap out;
    out.server_root = text_of(ap_server_root);
    out.policy = state().live.policy.policy_source().directives();
    out.knows_regexes = !has_regex_options() && ap_regcomp_get_default_cflags() == AP_REG_DEFAULT;
    for (const SectionPattern& pattern : state().patterns) {
        out.patterns.push_back({pattern.subject == SectionPattern::Subject::kPath, pattern.text});
    }
    for (const server_rec* s = main_server; s != nullptr; s = s->next) out.hosts.push_back(map_host(main_server, s));
    // httpd lists the last <VirtualHost> first, and serves by the first that a name fits.
    std::reverse(out.hosts.begin() + 1, out.hosts.end());
    return out;
}

}  // namespace mtls::httpd
