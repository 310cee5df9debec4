// What sections of httpd.conf hold, and the paths that their regular expressions meet.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <map>
#include <optional>
#include <string>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/decide/gate.hpp"
#include "mtls_authz/rules/capture_scope.hpp"
#include "targets.hpp"

namespace fuzz {

namespace {

using Code = std::unique_ptr<pcre2_code, mtls::FreeWith<pcre2_code_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, mtls::FreeWith<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, mtls::FreeWith<pcre2_match_context_free>>;

PCRE2_SPTR text_of(const std::string& text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

// What each named group captured, by its number; nothing where the expression does not fit, or takes too long.
using Captured = std::map<unsigned, std::string>;
std::optional<Captured> captures_of(const pcre2_code& code, const std::string& subject) {
    const MatchContext limits(pcre2_match_context_create(nullptr));
    pcre2_set_match_limit(limits.get(), 10000);
    const MatchData data(pcre2_match_data_create_from_pattern(&code, nullptr));
    if (pcre2_match(&code, text_of(subject), subject.size(), 0, 0, data.get(), limits.get()) < 0) return std::nullopt;
    std::uint32_t count = 0, size = 0;
    PCRE2_SPTR names = nullptr;
    pcre2_pattern_info(&code, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(&code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(&code, PCRE2_INFO_NAMETABLE, &names);
    const PCRE2_SIZE* const found = pcre2_get_ovector_pointer(data.get());
    Captured out;
    for (std::uint32_t i = 0; i < count; ++i) {
        const PCRE2_SPTR entry = names + std::size_t{i} * size;
        const unsigned number = static_cast<unsigned>(entry[0]) << 8 | entry[1];
        if (found[2 * number] == PCRE2_UNSET || found[2 * number + 1] < found[2 * number]) continue;
        out[number] = subject.substr(found[2 * number], found[2 * number + 1] - found[2 * number]);
    }
    return out;
}

}  // namespace

void capture(std::string_view input) {
    const std::size_t split = input.find('\n');
    if (split == std::string_view::npos) return;
    const std::string regex(input.substr(0, split)), path(input.substr(split + 1));
    if (!mtls::captures_the_same_below(regex)) return;
    require(regex.starts_with('^'));
    int error = 0;
    PCRE2_SIZE at = 0;
    // As ap_regcomp() has them.
    constexpr std::uint32_t kOptions = PCRE2_DUPNAMES | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY;
    const Code code(pcre2_compile(text_of(regex), regex.size(), kOptions, &error, &at, nullptr));
    if (!code) return;
    const auto captured = captures_of(*code, path);
    if (!captured) return;
    for (const char* const below : {"/", "/x", "/x/y"}) {
        const auto there = captures_of(*code, (path.ends_with('/') ? path.substr(0, path.size() - 1) : path) + below);
        require(!there || there == captured);
    }
}

void gate(std::string_view input) {
    for (const bool allow : {true, false}) {
        const auto read = [allow](std::string_view args) {
            return allow ? mtls::GateRule::parse_allow(args) : mtls::GateRule::parse_deny(args);
        };
        const auto rule = read(input);
        if (!rule) {
            require(!rule.error().empty());
            continue;
        }
        // What was understood is understood again from its own text, and lets in the same.
        const auto again = read(rule.value().text());
        require(again.ok() && again.value().text() == rule.value().text());
        require(mtls::cover({again.value()}, rule.value()) && mtls::cover({rule.value()}, again.value()));
        for (const mtls::NameReference& name : rule.value().names) {
            require(name.capture.empty() != name.literal.empty());
            require(name.capture.empty() || name.capture.starts_with("MATCH_"));
        }
    }
}

}  // namespace fuzz
