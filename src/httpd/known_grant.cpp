#include "known_grant.hpp"

#include <algorithm>
#include <ctime>

#include "nested.hpp"
#include "overriding.hpp"
#include "request.hpp"

namespace mtls::httpd {

namespace {

EnvLevel env_of(const DirConfig& config) { return config.env.value_or(EnvLevel::kBasic); }

bool says_the_same(const DirConfig& config, const GrantKey& key) {
    return key.allow == config.allow && key.deny == config.deny && key.env == env_of(config) &&
           config.forward == nullptr;
}

// No proxy has said that it asks for another client.
bool is_from_connection(const request_rec* r) { return r->useragent_addr == r->connection->client_addr; }

// Where the path fits, this grant suffices, whatever others there are: denials do not ask it.
[[gnu::noinline]] bool fits(const KnownGrant& known, const request_rec* r) noexcept {
    const bool any_path = known.path.text().empty();
    return (any_path || (r->uri != nullptr && known.path.matches(r->uri, known.handover.partner, known.path_fields))) &&
           (!known.asks_address || is_from_connection(r)) && !has_method_override(r);
}

}  // namespace

// What is left out here was asked when the grant was remembered, and follows from the key.
const KnownGrant* find_known_grant(request_rec* r, const DirConfig& config) noexcept {
    const conn_rec* const c = r->connection;
    if (c->master != nullptr || r->main != nullptr) return nullptr;
    TlsConnection* const tls = established_tls(c);
    if (tls == nullptr) return nullptr;
    const KnownGrant& known = tls->known_grant();
    const GrantKey& key = known.key;
    if (key.version != state().version() || key.server != r->server || key.method != r->method_number ||
        (key.config != &config && !says_the_same(config, key)) || key.log != r->log) {
        return nullptr;
    }
    if (known.asks_more && !fits(known, r)) return nullptr;
    const std::int64_t now = std::time(nullptr);
    return known.valid_from <= now && now <= known.valid_until ? &known : nullptr;
}

GrantKey grant_key(request_rec* r, const DirConfig& config) {
    const RuleTraits traits = traits_of(config);
    const bool asks_more = traits.captures || traits.merged || r->main != nullptr || r->connection->master != nullptr ||
                           r->method_number == M_INVALID || acts_on_all_below(r->method_number);
    // These want the whole decision, each time.
    const bool is_wanted_whole =
        config.forward != nullptr || audit_log_for(r, Outcome::kAllow) != nullptr || APLOG_R_IS_LEVEL(r, APLOG_DEBUG);
    if (asks_more || is_wanted_whole) return {};
    return {state().version(), r->server,   r->method_number, r->log, config.is_merged ? nullptr : &config,
            config.allow,      config.deny, env_of(config)};
}

namespace {

bool same_variables(std::span<const Variable> a, std::span<const Variable> b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Variable& x, const Variable& y) {
        return std::string_view(x.name) == y.name && std::string_view(x.value) == y.value;
    });
}

std::span<const Variable> copied(apr_pool_t* pool, std::span<const Variable> variables) {
    auto* const out = static_cast<Variable*>(apr_palloc(pool, variables.size_bytes()));
    for (std::size_t i = 0; i < variables.size(); ++i) {
        out[i] = {apr_pstrdup(pool, variables[i].name), apr_pstrdup(pool, variables[i].value)};
    }
    return {out, variables.size()};
}

void keep_path(KnownGrant& known, const GrantedPath* granted) {
    const PathPattern* const path = granted != nullptr ? granted->path : nullptr;
    const std::string_view text = path != nullptr ? path->text() : "";
    known.path_fields = granted != nullptr ? granted->fields : std::vector<std::string>();
    if (known.path.text() == text) return;
    known.path = {};  // first, since it borrows
    known.path_text = text;
    if (path != nullptr) known.path = path->borrowing(known.path_text);
}

}  // namespace

void remember_grant(request_rec* r, const GrantKey& key, const Decision& decision, const Handover& handover,
                    std::size_t partner) {
    const bool has_networks = !decision.who->partner->networks.empty();
    if (key.version == 0 || decision.who->is_purpose_waived || (has_networks && !is_from_connection(r))) return;
    KnownGrant& known = tls_of(r->connection)->known_grant();
    // What was handed over stays until the connection ends, since requests before may still be logged: so a connection
    // that goes back and forth, or outlives many policies, is remembered so often and no more.
    constexpr int kMostCopies = 32;
    if (!same_variables(known.handover.variables, handover.variables)) {
        if (known.copies == kMostCopies) return;
        ++known.copies;
        known.handover.variables = copied(r->connection->pool, handover.variables);
        known.handover.partner = known.handover.variables[1].value;
    }
    known.key = {};
    keep_path(known, decision.path);
    known.key = key;
    const DirConfig& config = dir_config(r);
    const State& s = state();
    known.asks_address = has_networks;
    known.asks_more = decision.path != nullptr || has_networks || traits_of(config).methods;
    known.is_simple = key.config == &config && !config.has_provider && !config.remote_user.value_or(false) &&
                      !s.has_cache && s.forwarded_keys.empty();
    known.valid_from = decision.who->valid_from;
    // Until the certificate is to be noted as seen again.
    known.valid_until = std::min(decision.who->valid_until, tls_of(r->connection)->sighting_due() - 1);
    known.partner = partner;
}

}  // namespace mtls::httpd
