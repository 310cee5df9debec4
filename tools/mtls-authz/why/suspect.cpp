#include "suspect.hpp"

#include <set>

#include "../explain/explanation.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/load/lint.hpp"

namespace mtls::tool {

namespace {

constexpr std::size_t kMostMissesOfLine = 2;

// The names of the certificate, as far as the line has them whole.
CertificateFacts names_in(const LogLine& log_line) {
    CertificateFacts out;
    const std::string subject = log_line.get("subject"), san = log_line.get("san");
    if (const auto name = NamePattern::parse(subject)) out.subject = name.value().name;
    const std::pair<std::string_view, std::vector<std::string>*> kinds[] = {
        {"DNS:", &out.dns}, {"email:", &out.email}, {"URI:", &out.uri}, {"UPN:", &out.upn}};
    for (const std::string_view name : split(san, ',')) {
        for (const auto& [prefix, values] : kinds) {
            if (name.starts_with(prefix) && !name.ends_with("...")) values->emplace_back(name.substr(prefix.size()));
        }
    }
    return out;
}

// The partners that have the key that signed as a trust anchor of their own.
std::set<std::string> owners_of_issuer(const LogLine& log_line, const Policy& policy) {
    const auto key = from_hex(log_line.get("issuer_spki"), false);
    std::set<std::string> out;
    if (!key || key->empty()) return out;
    for (const Partner& partner : policy.partners()) {
        if (partner.has_own_anchors && has_anchor({&partner}, *key)) out.emplace(partner.name);
    }
    return out;
}

}  // namespace

Suspect find_suspect(const LogLine& log_line, const Policy& policy) {
    Suspect out;
    std::set<std::string> near;
    for (const NearMiss& miss : find_near_misses(policy, names_in(log_line), nullptr, kMostMissesOfLine)) {
        near.emplace(miss.partner->name);
        out.signs.push_back(describe(miss));
    }
    const std::set<std::string> owners = owners_of_issuer(log_line, policy);
    if (owners.size() == 1) {
        out.partner = *owners.begin();
        out.signs.push_back("a CA of " + out.partner + " alone issued it");
    } else if (near.size() == 1) {
        out.partner = *near.begin();
    }
    return out;
}

}  // namespace mtls::tool
