#include "httpd/config/config_tree.hpp"

#include <charconv>

#include "mtls_authz/base/text.hpp"

namespace mtls::httpd {

namespace {

bool is_virtual_host(const ap_directive_t& node) { return equal_nocase(node.directive, "<VirtualHost"); }

// By the address of the file's name: httpd makes a new one whenever it opens a file, so a template that is included
// twice has two names.
bool defines(const ap_directive_t& node, const server_rec* s) {
    return s->defn_name != nullptr && s->defn_name == node.filename &&
           s->defn_line_number == static_cast<unsigned>(node.line_num);
}

void walk(const ap_directive_t* node, const std::function<void(const ap_directive_t&)>& visit) {
    for (; node != nullptr; node = node->next) {
        if (is_virtual_host(*node)) continue;
        visit(*node);
        if (node->first_child != nullptr) walk(node->first_child, visit);
    }
}

// The <VirtualHost> of a server; null if there is none, or more than one.
const ap_directive_t* virtual_host_of(const server_rec* s) {
    const ap_directive_t* found = nullptr;
    for (const ap_directive_t* node = ap_conftree; node != nullptr; node = node->next) {
        if (!is_virtual_host(*node) || !defines(*node, s)) continue;
        if (found != nullptr) return nullptr;
        found = node;
    }
    return found;
}

const ap_directive_t* top_of(const server_rec* s) {
    if (!s->is_virtual) return ap_conftree;
    const ap_directive_t* const node = virtual_host_of(s);
    return node != nullptr ? node->first_child : nullptr;
}

std::vector<std::string> last_setting(const ap_directive_t* node, const char* name) {
    std::vector<std::string> words;
    for (; node != nullptr; node = node->next) {
        if (equal_nocase(node->directive, name) && node->args != nullptr) words = config_words(node->args);
    }
    return words;
}

bool is_any_below(const ap_directive_t* node, const std::function<bool(const ap_directive_t&)>& is_wanted) {
    for (; node != nullptr; node = node->next) {
        if (is_wanted(*node) || is_any_below(node->first_child, is_wanted)) return true;
    }
    return false;
}

bool is_section(const ap_directive_t* node, std::string_view kind) { return starts_nocase(node->directive, kind); }

}  // namespace

const ap_directive_t* path_section_of(const ap_directive_t* node) {
    for (node = node->parent; node != nullptr; node = node->parent) {
        for (const std::string_view kind : {"<Location", "<Directory", "<Files", "<Proxy"}) {
            if (is_section(node, kind)) return node;
        }
    }
    return nullptr;
}

const ap_directive_t* host_of(const ap_directive_t* node) {
    while (node != nullptr && !is_section(node, "<VirtualHost")) node = node->parent;
    return node;
}

std::optional<std::string_view> literal_location(const ap_directive_t* section) {
    if (section == nullptr || !equal_nocase(section->directive, "<Location") || section->args == nullptr) {
        return std::nullopt;
    }
    const std::string_view args = section->args;  // `/orders>` or `"/orders">`
    std::string_view path = trim(args.substr(0, args.rfind('>')));
    if (path.size() > 1 && (path.front() == '"' || path.front() == '\'') && path.back() == path.front()) {
        path = path.substr(1, path.size() - 2);
    }
    const bool is_literal = path.starts_with('/') && path.find_first_of("*?[\\") == std::string_view::npos;
    return is_literal ? std::optional(path) : std::nullopt;
}

bool is_any_directive(const std::function<bool(const ap_directive_t&)>& is_wanted) {
    return is_any_below(ap_conftree, is_wanted);
}

void for_every_directive(const std::function<void(const ap_directive_t&)>& visit) {
    is_any_directive([&visit](const ap_directive_t& d) {
        visit(d);
        return false;
    });
}

bool is_regex_section(const ap_directive_t& d) {
    constexpr std::string_view kMatch = "Match";
    const std::string_view name = d.directive, args = d.args != nullptr ? trim(d.args) : "";
    const bool is_match = name.size() > kMatch.size() && equal_nocase(name.substr(name.size() - kMatch.size()), kMatch);
    return name.starts_with('<') && (is_match || args.starts_with('~'));
}

bool has_regex_options() {
    return is_any_directive([](const ap_directive_t& d) { return equal_nocase(d.directive, "RegexDefaultOptions"); });
}

bool is_in_tree(const server_rec* s) {
    return !s->is_virtual || s->defn_name == nullptr || virtual_host_of(s) != nullptr;
}

void for_each_directive(const server_rec* s, const std::function<void(const ap_directive_t&)>& visit) {
    walk(top_of(s), visit);
}

std::vector<std::string> server_setting_words(const server_rec* s, const char* name) {
    auto own = last_setting(top_of(s), name);
    return own.empty() && s->is_virtual ? last_setting(ap_conftree, name) : own;
}

std::string server_setting(const server_rec* s, const char* name) {
    const auto words = server_setting_words(s, name);
    return words.empty() ? "" : words.front();
}

int verify_depth_of(const server_rec* s) {
    int out = 1;
    const std::string depth = server_setting(s, "SSLVerifyDepth");
    std::from_chars(depth.data(), depth.data() + depth.size(), out);
    return out;
}

bool serves_tls(const server_rec* s) {
    const std::string engine = server_setting(s, "SSLEngine");
    return !engine.empty() && !equal_nocase(engine, "off");
}

}  // namespace mtls::httpd
