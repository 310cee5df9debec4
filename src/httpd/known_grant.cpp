#include "known_grant.hpp"

#include <algorithm>
#include <ctime>

#include "request.hpp"

namespace mtls::httpd {

GrantKey grant_key(request_rec* r, const DirConfig& config) {
    const RuleTraits traits = traits_of(config);
    const bool forwards = config.forward != nullptr && !config.forward->is_off();
    const bool asks_more = traits.captures || traits.grants || traits.merged || forwards || r->main != nullptr ||
                           r->connection->master != nullptr || r->method_number == M_INVALID;
    if (asks_more || audit_log_for(r, Outcome::kAllow) != nullptr || APLOG_R_IS_LEVEL(r, APLOG_DEBUG)) return {};
    return {state().live.policy.version(),
            &server_config(r->server).cas,
            config.allow,
            config.deny,
            r->method_number,
            config.env.value_or(EnvLevel::kBasic)};
}

const KnownGrant* find_known_grant(request_rec* r, const GrantKey& key) {
    TlsConnection* const tls = tls_of(r->connection);
    if (key.version == 0 || tls == nullptr) return nullptr;
    tls->refresh();
    const KnownGrant& known = tls->known_grant();
    const std::int64_t now = std::time(nullptr);
    const bool same = known.key == key && known.valid_from <= now && now <= known.valid_until;
    return same && !tls->is_sighting_due(now) ? &known : nullptr;
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

}  // namespace

void remember_grant(request_rec* r, const GrantKey& key, const Decision& decision, const Handover& handover,
                    std::size_t partner) {
    if (key.version == 0) return;
    KnownGrant& known = tls_of(r->connection)->known_grant();
    known.key = key;
    known.valid_from = decision.who->valid_from;
    known.valid_until = decision.who->valid_until;
    known.partner = partner;
    // A connection that outlives many policies does not grow with each of them.
    if (same_variables(known.handover.variables, handover.variables)) return;
    known.handover.variables = copied(r->connection->pool, handover.variables);
    known.handover.partner = known.handover.variables[1].value;
}

}  // namespace mtls::httpd
