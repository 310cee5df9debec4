#include "httpd/tell/variables.hpp"

#include <algorithm>

#include "httpd/decide/deciding.hpp"
#include "httpd/decide/request_state.hpp"
#include "mtls_authz/decide/identification.hpp"

namespace mtls::httpd {

namespace {

// `start` must be lower case; ASCII case is ignored as in apr_table_get(). Most names differ in the first letter.
inline bool begins(const char* key, const char* start) {
    for (; *start != '\0'; ++key, ++start) {
        const char c = *key >= 'A' && *key <= 'Z' ? static_cast<char>(*key | 0x20) : *key;
        if (c != *start) return false;
    }
    return true;
}

// `key`: from a table, so never null.
inline bool is_ours(const char* key, bool with_redirects) {
    constexpr std::size_t kRedirect = 9;
    if ((*key | 0x20) != 'm' && !with_redirects) return false;
    while (with_redirects && begins(key, "redirect_")) key += kRedirect;
    return begins(key, "mtls_");
}

using Entries = std::span<const apr_table_entry_t>;

inline bool hold_none_of_ours(Entries entries) {
    return std::none_of(entries.begin(), entries.end(),
                        [](const apr_table_entry_t& entry) { return is_ours(entry.key, false); });
}

inline void append(apr_table_t* table, std::span<const Variable> variables) {
    for (const Variable& variable : variables) apr_table_addn(table, variable.name, variable.value);
}

}  // namespace

std::span<const Variable> granted_variables(request_rec* r, const RequestDecision& decision, bool all) {
    const Identification& who = *decision.who;
    const auto copy = [r](std::string_view text) { return pool_text(r->pool, text); };
    constexpr std::size_t kMostOwn = 8;
    const std::size_t room = (kMostOwn + who.variables.size()) * sizeof(Variable);
    const std::string_view own_name = who.partner->name;
    char* const memory = static_cast<char*>(apr_palloc(r->pool, room + own_name.size() + 1));
    auto* const first = reinterpret_cast<Variable*>(memory);
    char* const partner = memory + room;
    *std::copy(own_name.begin(), own_name.end(), partner) = '\0';
    Variable* next = first;
    *next++ = {"MTLS_DECISION", "allow"};
    *next++ = {"MTLS_PARTNER", partner};
    if (decision.via != nullptr) *next++ = {"MTLS_VIA", copy(decision.via->name)};
    if (all) {
        *next++ = {"MTLS_GROUPS", copy(who.description.groups)};
        *next++ = {"MTLS_IDENTITY", copy(who.description.identity)};
        *next++ = {"MTLS_CERT_SHA256", copy(who.description.sha256)};
        *next++ = {"MTLS_CERT_THUMBPRINT", copy(who.description.thumbprint)};
        *next++ = {"MTLS_GENERATION", copy(decision.snapshot->policy->generation())};
    }
    for (const auto& [name, value] : who.variables) *next++ = {copy(name), copy(value)};
    return {first, next};
}

SetVariables set_variables(request_rec* r, std::span<const Variable> variables, bool with_redirects) {
    apr_table_t* const table = r->subprocess_env;
    const apr_array_header_t* const all = apr_table_elts(table);
    // apr_table_unset() moves the following entries up.
    for (int i = 0; i < all->nelts;) {
        const char* const key = reinterpret_cast<const apr_table_entry_t*>(all->elts)[i].key;
        if (is_ours(key, with_redirects)) {
            apr_table_unset(table, key);
        } else {
            ++i;
        }
    }
    const SetVariables out{variables, all->nelts};
    append(table, variables);
    return out;
}

bool are_unchanged(const request_rec* r, const SetVariables& set) noexcept {
    const Entries all = entries_of(r->subprocess_env);
    // Tables only append: entries before `first` were checked when ours were set, and new ones come after ours.
    const auto first = static_cast<std::size_t>(set.first);
    if (first + set.variables.size() > all.size()) return false;
    const apr_table_entry_t* entry = all.data() + first;
    for (const Variable& variable : set.variables) {
        if (entry->key != variable.name || entry->val != variable.value) return false;
        ++entry;
    }
    return hold_none_of_ours(all.subspan(first + set.variables.size()));
}

}  // namespace mtls::httpd
