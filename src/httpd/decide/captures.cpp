#include "httpd/decide/captures.hpp"

#include <algorithm>

#include "httpd/config/config.hpp"
#include "httpd/config/config_tree.hpp"
#include "httpd/config/sections.hpp"
#include "httpd/decide/request_state.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/rules/capture_scope.hpp"

namespace mtls::httpd {

namespace {

constexpr std::string_view kProxyPrefix = "proxy:";

using Subject = SectionPattern::Subject;

struct SectionWord {
    const char* directive;
    Subject subject;
    bool is_always_regex;
};
constexpr SectionWord kSections[] = {{"<Location", Subject::kPath, false},    {"<LocationMatch", Subject::kPath, true},
                                     {"<Directory", Subject::kFile, false},   {"<DirectoryMatch", Subject::kFile, true},
                                     {"<Files", Subject::kFileName, false},   {"<FilesMatch", Subject::kFileName, true},
                                     {"<ProxyMatch", Subject::kProxied, true}};

// The regular expression of a section, or null if it has none.
const char* expression_of(apr_pool_t* pool, const ap_directive_t& section, const SectionWord& word) {
    const char* const end = section.args != nullptr ? ap_strrchr_c(section.args, '>') : nullptr;
    if (end == nullptr) return nullptr;
    const char* args = apr_pstrmemdup(pool, section.args, static_cast<apr_size_t>(end - section.args));
    const char* first = ap_getword_conf(pool, &args);
    if (word.subject == Subject::kProxied && starts_nocase(first, kProxyPrefix)) first += kProxyPrefix.size();
    if (word.is_always_regex) return first;
    return std::string_view(first) == "~" ? ap_getword_conf(pool, &args) : nullptr;
}

std::optional<SectionPattern> read_pattern(apr_pool_t* pool, const ap_directive_t& section) {
    const auto* const word = std::find_if(std::begin(kSections), std::end(kSections), [&section](const SectionWord& w) {
        return equal_nocase(section.directive, w.directive);
    });
    const char* const text = word != std::end(kSections) ? expression_of(pool, section, *word) : nullptr;
    if (text == nullptr) return std::nullopt;
    const bool is_file = word->subject == Subject::kFile || word->subject == Subject::kFileName;
    const ap_regex_t* const regex = compile_section(pool, text, is_file);
    if (regex == nullptr) return std::nullopt;
    constexpr int kMostGuessed = 8;
    apr_array_header_t* const groups = apr_array_make(pool, kMostGuessed, sizeof(char*));
    ap_regname(regex, groups, AP_REG_MATCH, 1);
    const bool is_whole_path = word->subject == Subject::kPath || word->subject == Subject::kFile;
    const bool is_same_below = is_whole_path && !has_regex_options() && captures_the_same_below(text);
    return SectionPattern{&section, word->subject, text, regex, groups, is_same_below};
}

// The pattern's number, counted from 1; 0 if the section has no regular expression.
unsigned number_of(apr_pool_t* pool, const ap_directive_t& section) {
    std::vector<SectionPattern>& patterns = state().patterns;
    auto at =
        std::find_if(patterns.begin(), patterns.end(), [&](const SectionPattern& p) { return p.section == &section; });
    if (at == patterns.end()) {
        auto pattern = read_pattern(pool, section);
        if (!pattern) return 0;
        at = patterns.insert(at, std::move(*pattern));
    }
    return static_cast<unsigned>(at - patterns.begin()) + 1;
}

unsigned pattern_with(const cmd_parms* cmd, const std::string& capture) {
    for (const ap_directive_t* up = cmd->directive->parent; up != nullptr; up = up->parent) {
        const unsigned number = number_of(cmd->pool, *up);
        if (number != 0 && state().patterns[number - 1].captures(capture)) return number;
    }
    return 0;
}

// "(?i)^/x" without its options.
std::string_view without_options(std::string_view regex) {
    const std::size_t end = regex.starts_with("(?") ? regex.find_first_not_of("imsxnU-", 2) : std::string_view::npos;
    return end != std::string_view::npos && regex[end] == ')' ? regex.substr(end + 1) : regex;
}

// Whether each alternative starts with ^.
bool is_anchored(std::string_view regex) {
    regex = without_options(regex);
    int depth = 0;
    bool in_class = false;
    bool begins = true;
    for (std::size_t i = 0; i < regex.size(); ++i) {
        const char c = regex[i];
        if (begins && c != '^') return false;
        begins = false;
        if (c == '\\') {
            ++i;
        } else if (in_class) {
            in_class = c != ']';
        } else if (c == '[') {
            in_class = true;
            const std::size_t first = i + (regex.substr(i + 1, 1) == "^" ? 2 : 1);
            if (regex.substr(first, 1) == "]") i = first;  // a leading `]` is a member of the class
        } else if (c == '(' || c == ')') {
            depth += c == '(' ? 1 : -1;
        } else if (c == '|' && depth == 0) {
            begins = true;
        }
    }
    return !begins;
}

const char* subject_of(const request_rec* r, Subject subject) {
    const char* const file = r->filename;
    switch (subject) {
        case Subject::kPath:
            return r->uri;
        case Subject::kFile:
            return file;
        case Subject::kFileName: {
            const char* const slash = file != nullptr ? ap_strrchr_c(file, '/') : nullptr;
            return slash != nullptr ? slash + 1 : file;
        }
        case Subject::kProxied:
            return file != nullptr && std::string_view(file).starts_with(kProxyPrefix) ? file + kProxyPrefix.size()
                                                                                       : nullptr;
    }
    return nullptr;
}

Subject subject_of(const GateSection& section) {
    using Kind = GateSection::Kind;
    if (section.kind == Kind::kLocationMatch) return Subject::kPath;
    if (section.kind == Kind::kDirectoryMatch) return Subject::kFile;
    return section.kind == Kind::kFiles ? Subject::kFileName : Subject::kProxied;
}

std::string_view value_of(request_rec* r, const SectionPattern& pattern, const std::string& name) {
    const char* const subject = subject_of(r, pattern.subject);
    if (subject == nullptr) return {};
    const auto count = static_cast<apr_size_t>(pattern.groups->nelts);
    auto* const found = static_cast<ap_regmatch_t*>(apr_palloc(r->pool, count * sizeof(ap_regmatch_t)));
    if (ap_regexec(pattern.regex, subject, count, found, 0) != 0) return {};
    std::string_view value;
    for (apr_size_t i = 0; i < count; ++i) {
        const char* const group = APR_ARRAY_IDX(pattern.groups, static_cast<int>(i), const char*);
        if (group == nullptr || found[i].rm_so < 0 || !equal_nocase(group, name)) continue;
        value = {subject + found[i].rm_so, static_cast<std::size_t>(found[i].rm_eo - found[i].rm_so)};
    }
    return value.empty() ? value : std::string_view(pool_text(r->pool, value), value.size());
}

template <class Visit>
void for_each_capture(const DirConfig& config, Visit visit) {
    const auto visit_rules = [&visit](const GateRules& rules) {
        for (const GateRule& rule : rules) {
            // Names with captures come last.
            for (auto n = rule.names.rbegin(); n != rule.names.rend() && !n->capture.empty(); ++n) visit(*n);
        }
    };
    if (config.allow != nullptr) visit_rules(*config.allow);
    for (const DenyChain* chain = config.deny; chain != nullptr; chain = chain->outer) visit_rules(*chain->rules);
}

void warn(cmd_parms* cmd, const NameReference& name, const std::string& fault) {
    state().gate_warnings.push_back({Diagnostic::Severity::kWarning, place_of(cmd->directive),
                                     std::string(cmd->cmd->name) + ": " + name.text() + " " + fault});
}

}  // namespace

bool SectionPattern::captures(const std::string& name) const {
    for (int i = 0; i < groups->nelts; ++i) {
        const char* const group = APR_ARRAY_IDX(groups, i, const char*);
        if (group != nullptr && equal_nocase(group, name)) return true;
    }
    return false;
}

void bind_captures(cmd_parms* cmd, GateRule& rule) {
    for (NameReference& name : rule.names) {
        if (name.capture.empty()) continue;
        name.pattern = pattern_with(cmd, name.capture);
        if (name.pattern == 0) {
            warn(cmd, name,
                 "is not captured by this section, so it never has a value: put (?<" + lower(name.capture.substr(6)) +
                     ">...) into the section's regular expression");
        } else if (!is_anchored(state().patterns[name.pattern - 1].text)) {
            warn(cmd, name,
                 "comes from a regular expression that is not anchored: begin it with ^, or it fits in the middle of "
                 "any path");
        }
    }
}

void keep_captures(request_rec* r) {
    const DirConfig& config = dir_config(r);
    if (!has_gate(config) || !asks_captures(config)) return;
    RequestState& request = request_state(r);
    if (request.captured_for == r->per_dir_config && request.captured_path == r->uri) return;
    std::size_t count = 0;
    for_each_capture(config, [&count](const NameReference&) { ++count; });
    auto* const out = static_cast<Capture*>(apr_palloc(r->pool, count * sizeof(Capture)));
    std::size_t n = 0;
    for_each_capture(config, [&](const NameReference& name) {
        const std::string_view value =
            name.pattern != 0 ? value_of(r, state().patterns[name.pattern - 1], name.capture) : std::string_view();
        new (&out[n++]) Capture{name.capture, value, name.pattern};
    });
    request.captures = {out, n};
    request.captured_for = r->per_dir_config;
    request.captured_path = r->uri;
}

const GateSection* find_failed_pattern(const request_rec* r) {
    const auto& sections = state().sections;
    const auto found = std::find_if(sections.begin(), sections.end(), [r](const GateSection* section) {
        if (section->regex == nullptr || !section->applies_in(r->server)) return false;
        const char* const subject = subject_of(r, subject_of(*section));
        const int outcome = subject != nullptr ? ap_regexec(section->regex, subject, 0, nullptr, 0) : AP_REG_NOMATCH;
        return outcome != 0 && outcome != AP_REG_NOMATCH;
    });
    return found != sections.end() ? *found : nullptr;
}

bool has_same_captures_below(const DirConfig& config) {
    bool out = true;
    for_each_capture(config, [&out](const NameReference& name) {
        out = out && (name.pattern == 0 || state().patterns[name.pattern - 1].is_same_below);
    });
    return out;
}

}  // namespace mtls::httpd
