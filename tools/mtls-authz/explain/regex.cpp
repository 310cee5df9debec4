
#define PCRE2_CODE_UNIT_WIDTH 8
#include "regex.hpp"

#include <pcre2.h>

#include <string_view>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::tool {

namespace {

using MatchData = std::unique_ptr<pcre2_match_data, FreeWith<pcre2_match_data_free>>;

const auto* bytes_of_text(const std::string& text) {
    const void* const bytes = text.data();
    return static_cast<PCRE2_SPTR>(bytes);
}

int match(const void* code, const std::string& subject, pcre2_match_data* data) {
    return pcre2_match(static_cast<const pcre2_code*>(code), bytes_of_text(subject), subject.size(), 0, 0, data,
                       nullptr);
}

MatchData data_for(const void* code) {
    return MatchData(pcre2_match_data_create_from_pattern(static_cast<const pcre2_code*>(code), nullptr));
}

}  // namespace

// The options of AP_REG_DEFAULT, and duplicate group names, as ap_regcomp() sets them.
SectionRegex::SectionRegex(const std::string& text) {
    int error = 0;
    PCRE2_SIZE at = 0;
    constexpr std::uint32_t kOptions = PCRE2_DUPNAMES | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY;
    pcre2_code* const code = pcre2_compile(bytes_of_text(text), PCRE2_ZERO_TERMINATED, kOptions, &error, &at, nullptr);
    if (code != nullptr) code_ = {code, [](void* c) { pcre2_code_free(static_cast<pcre2_code*>(c)); }};
}

std::optional<bool> SectionRegex::covers(const std::string& subject) const {
    if (code_ == nullptr) return std::nullopt;
    const MatchData data = data_for(code_.get());
    const int found = data != nullptr ? match(code_.get(), subject, data.get()) : PCRE2_ERROR_NOMEMORY;
    if (found >= 0) return true;
    return found == PCRE2_ERROR_NOMATCH ? std::optional(false) : std::nullopt;
}

std::string SectionRegex::group(const std::string& subject, const std::string& name) const {
    if (code_ == nullptr) return {};
    const auto* const code = static_cast<const pcre2_code*>(code_.get());
    const MatchData data = data_for(code);
    if (data == nullptr || match(code, subject, data.get()) < 0) return {};
    std::uint32_t count = 0, size = 0;
    PCRE2_SPTR names = nullptr;
    pcre2_pattern_info(code, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(code, PCRE2_INFO_NAMETABLE, &names);
    const PCRE2_SIZE* const found = pcre2_get_ovector_pointer(data.get());
    std::size_t last = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        const PCRE2_SPTR entry = names + std::size_t{i} * size;
        const auto number = static_cast<std::size_t>(entry[0] << 8 | entry[1]);
        const void* const text = entry + 2;
        const bool takes_part = number < pcre2_get_ovector_count(data.get()) && found[2 * number] != PCRE2_UNSET;
        if (takes_part && number > last && equal_nocase(static_cast<const char*>(text), name)) last = number;
    }
    return last == 0 ? std::string() : subject.substr(found[2 * last], found[2 * last + 1] - found[2 * last]);
}

}  // namespace mtls::tool
