#include "httpd/decide/policy_checks.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "httpd/config/config.hpp"
#include "httpd/config/config_tree.hpp"
#include "httpd/decide/front.hpp"
#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::httpd {

namespace {

// "there is no partner 'acmee' (did you mean 'acme'?)"; empty if the policy has the name.
std::string fault_of_name(const Policy& policy, bool is_group, const std::string& name) {
    if (is_group ? policy.has_group(name) : policy.find(name) != nullptr) return {};
    std::set<std::string_view> defined;
    if (policy.partners().size() <= 1000) {
        for (const Partner& partner : policy.partners()) {
            if (!is_group) defined.insert(partner.name);
            for (const GroupMembership& membership : partner.groups) {
                if (is_group) defined.insert(membership.names.begin(), membership.names.end());
            }
        }
    }
    const std::vector<std::string_view> names(defined.begin(), defined.end());
    return std::string("there is no ") + (is_group ? "group" : "partner") + " " + in_quotes(name) +
           did_you_mean(name, names);
}

void check_section_names(const Policy& policy, const GateSection& section, std::vector<Diagnostic>& findings) {
    const auto check = [&](const GateRule& rule, bool deny) {
        const bool group = rule.kind == GateRule::Kind::kGroup;
        for (const NameReference& name : rule.names) {
            const std::string fault = name.capture.empty() ? fault_of_name(policy, group, name.literal) : "";
            if (fault.empty()) continue;
            const bool denies_all = deny && !group;
            const char* const effect = denies_all ? ": it denies everybody until there is one"
                                       : deny     ? ": it denies nobody until there is one"
                                                  : ": it lets nobody in until there is one";
            findings.push_back(
                {denies_all ? Diagnostic::Severity::kError : Diagnostic::Severity::kWarning, rule.where,
                 (deny ? "MTLSDeny: " : "MTLSAllow: ") + fault + effect + "; mend the name, or take the line out"});
        }
    };
    if (section.config->allow != nullptr) {
        for (const GateRule& rule : *section.config->allow) check(rule, false);
    }
    if (section.config->deny != nullptr) {
        for (const GateRule& rule : *section.config->deny->rules) check(rule, true);
    }
}

bool names(const GateRule& rule, std::string_view name) {
    return std::any_of(rule.names.begin(), rule.names.end(),
                       [name](const NameReference& reference) { return reference.literal == name; });
}

// Whether a rule may allow this front as a partner.
bool may_name(const GateRule& rule, const Partner& front) {
    switch (rule.kind) {
        case GateRule::Kind::kNone:
            return false;
        case GateRule::Kind::kAnyPartner:
            return true;
        case GateRule::Kind::kByGrant:
            return !front.grants.empty();
        case GateRule::Kind::kPartner:
            return names(rule, front.name);
        case GateRule::Kind::kGroup:
            return std::any_of(front.groups.begin(), front.groups.end(), [&rule](const GroupMembership& membership) {
                return std::any_of(membership.names.begin(), membership.names.end(),
                                   [&rule](const Text& group) { return names(rule, group); });
            });
    }
    return true;
}

bool is_denied_always(const DirConfig& gate, const Partner& front) {
    const auto denies = [&front](const GateRule& rule) {
        const bool has_it = rule.kind == GateRule::Kind::kAnyPartner ||
                            (rule.kind == GateRule::Kind::kPartner && names(rule, front.name));
        return has_it && rule.methods.is_all();
    };
    for (const DenyChain* chain = gate.deny; chain != nullptr; chain = chain->outer) {
        if (std::any_of(chain->rules->begin(), chain->rules->end(), denies)) return true;
    }
    return false;
}

bool may_allow(const DirConfig& gate, const Partner& front) {
    return gate.allow != nullptr && !is_denied_always(gate, front) &&
           std::any_of(gate.allow->begin(), gate.allow->end(),
                       [&front](const GateRule& rule) { return may_name(rule, front); });
}

void warn(std::vector<Diagnostic>& findings, const Where& where, std::string message) {
    findings.push_back({Diagnostic::Severity::kWarning, where, std::move(message)});
}

// Warns where the PROXY protocol is spoken: network= is compared with the address that the TCP connection comes from,
// not with the client's that the protocol names.
void check_network_of(const Partner& front, std::vector<Diagnostic>& findings) {
    const bool has_protocol = is_any_directive([](const ap_directive_t& d) {
        return equal_nocase(d.directive, "RemoteIPProxyProtocol") && d.args != nullptr &&
               equal_nocase(trim(d.args), "on");
    });
    if (!has_protocol) return;
    warn(findings, front.front()->where,
         "MTLSFront of " + std::string(front.name) +
             " with network=, beside RemoteIPProxyProtocol On: a TCP balancer that connects from there counts as the "
             "front, and with it each of its clients; let the front connect with a certificate, or take the balancer's "
             "address out of network=");
}

// Such a gate would grant a request without forwarded certificate as the front's own.
void check_gates_of(const Partner& front, std::vector<Diagnostic>& findings) {
    if (!front.front()->networks.empty()) return check_network_of(front, findings);
    for (const GateSection* section : state().sections) {
        const DirConfig& gate = *section->config;
        const bool is_closed_to_it = gate.fronts != nullptr && gate.fronts->names.empty();
        if (is_closed_to_it || !may_allow(gate, front)) continue;
        warn(findings, section->where,
             section->title() + " lets in the front " + std::string(front.name) +
                 " for itself: so every client passes that sends it no certificate, or has it drop the header "
                 "(Connection); name the partners that may pass, or add MTLSDeny partner " +
                 std::string(front.name));
    }
}

// mod_ssl's CAs for one virtual host, to be compared with anchors. Many partners may share an anchor: each certificate
// is compared once.
class HandshakeCas {
public:
    explicit HandshakeCas(const ServerCas& cas) {
        for (const X509Ptr& ca : cas.certificates)
            by_name_.emplace(read_name(*X509_get_subject_name(ca.get())).canonical, Ca{spki_sha256(*ca), ca.get()});
    }
    // Whether the handshake accepts certificates of this CA: mod_ssl has it, or the CA that issued it.
    bool know(const AnchorCertificate& anchor) {
        const auto [known, is_new] = known_.try_emplace(std::string(anchor.sha256));
        if (is_new) known->second = have(anchor) || have_issued(anchor);
        return known->second;
    }

private:
    struct Ca {
        std::string key;
        X509* certificate;
    };

    bool have(const AnchorCertificate& anchor) const {
        const auto [first, last] = by_name_.equal_range(anchor.subject.view());
        return std::any_of(first, last, [&](const auto& ca) { return anchor.spki_sha256 == ca.second.key; });
    }
    bool have_issued(const AnchorCertificate& anchor) const {
        const ErrorQueueGuard errors;
        const auto [first, last] = by_name_.equal_range(anchor.issuer.view());
        return std::any_of(first, last, [&](const auto& ca) {
            return X509_verify(anchor.decode().get(), X509_get0_pubkey(ca.second.certificate)) == 1;
        });
    }

    std::multimap<std::string, Ca, std::less<>> by_name_;
    std::map<std::string, bool> known_;  // by digest
};

// Which gates of a virtual host accept a front, as far as the sections show.
enum class FrontedGates { kNone, kSome, kAll };

FrontedGates fronted_gates(const server_rec* s) {
    const auto accepts = [s](const GateSection* f) { return accepts_front_in(*f, s); };
    const auto& fronts = state().front_sections;
    if (std::none_of(fronts.begin(), fronts.end(), accepts)) return FrontedGates::kNone;
    const auto is_fronted = [&](const GateSection* gate) {
        return std::any_of(fronts.begin(), fronts.end(), [&](const GateSection* f) {
            if (!accepts(f)) return false;
            const bool are_locations = f->kind == GateSection::Kind::kLocation && gate->kind == f->kind;
            return f->config == gate->config || f->kind == GateSection::Kind::kServer ||
                   (are_locations && f->is_literal() && covers(f->path, gate->path));
        });
    };
    const bool all = std::all_of(fronts.begin(), fronts.end(),
                                 [&](const GateSection* f) { return !f->applies_in(s) || accepts(f); }) &&
                     std::all_of(state().sections.begin(), state().sections.end(),
                                 [&](const GateSection* gate) { return !gate->applies_in(s) || is_fronted(gate); });
    return all ? FrontedGates::kAll : FrontedGates::kSome;
}

void check_anchors_at(const server_rec* s, const Policy& policy, std::vector<Diagnostic>& findings) {
    HandshakeCas cas(server_config(s).cas);
    const FrontedGates fronted = fronted_gates(s);
    constexpr std::size_t kMostNamed = 10;
    std::size_t unknown = 0;
    for (const Partner& partner : policy.partners()) {
        const bool may_be_fronted = fronted != FrontedGates::kNone && partner.front() == nullptr;
        if (!partner.has_own_anchors || (may_be_fronted && fronted == FrontedGates::kAll)) continue;
        for (const Anchor& anchor : partner.anchors->anchors) {
            for (const AnchorCertificate& c : anchor.certificates) {
                if (cas.know(c) || ++unknown > kMostNamed) continue;
                warn(findings, anchor.where,
                     "MTLSTrustAnchor " + std::string(anchor.file) + " of " + std::string(partner.name) +
                         ": the virtual host '" + host_name(s) +
                         "' does not know this CA, so the handshake refuses its certificates: " +
                         (may_be_fronted ? "unless they come through a front (MTLSAcceptFront) alone, " : "") +
                         "add it to SSLCACertificateFile, or set MTLSClientCA On");
            }
        }
    }
    if (unknown > kMostNamed) warn(findings, {}, std::to_string(unknown - kMostNamed) + " more trust anchors likewise");
}

}  // namespace

void check_anchors(const server_rec* main_server, const Policy& policy, std::vector<Diagnostic>& findings) {
    for (const server_rec* s = main_server; s != nullptr; s = s->next) {
        // Without any CA, one warning of the start says all.
        if (server_config(s).gates_need_cas && !server_config(s).cas.certificates.empty())
            check_anchors_at(s, policy, findings);
    }
}

void check_gate_names(const Policy& policy, std::vector<Diagnostic>& findings) {
    for (const GateSection* section : state().sections) check_section_names(policy, *section, findings);
    for (const RequiredName& required : state().required_names) {
        const std::string fault = fault_of_name(policy, required.is_group, required.name);
        if (fault.empty()) continue;
        warn(findings, required.where,
             std::string("Require mtls-") + (required.is_group ? "group: " : "partner: ") + fault +
                 (required.is_refusing && !required.is_group ? ": it refuses every certificate until there is one"
                                                             : ": it never holds until there is one"));
    }
}

// The policy builder warns of waivers that have ended.
void check_purposes(const Policy& policy, std::vector<Diagnostic>& findings) {
    const std::int64_t now = apr_time_sec(apr_time_now());
    for (const Partner& partner : policy.partners()) {
        if (!partner.server_purpose || !partner.server_purpose->until) continue;
        const std::int64_t until = *partner.server_purpose->until;
        if (until < now || !state().late.is_late(until, now)) continue;
        findings.push_back({Diagnostic::Severity::kWarning, partner.where,
                            "MTLSPurpose serverAuth of " + std::string(partner.name) + " ends on " +
                                format_time(until) + ", " + distance_text(now, until) +
                                ": by then the partner needs a certificate that was made for clients" +
                                (partner.contact.empty() ? "" : "; contact: " + escape_for_log(partner.contact, 200))});
    }
}

void check_fronts(const Policy& policy, std::vector<Diagnostic>& findings) {
    std::vector<std::string_view> fronts;
    for (const Partner& partner : policy.partners()) {
        if (partner.front() != nullptr) fronts.push_back(partner.name);
    }
    const auto& accepted = state().accepted_fronts;
    for (const AcceptedFronts* const here : accepted) {
        for (const std::string& name : here->names) {
            if (std::find(fronts.begin(), fronts.end(), name) != fronts.end()) continue;
            warn(
                findings, here->where,
                "MTLSAcceptFront: " +
                    (policy.find(name) != nullptr ? "partner " + name + " has no MTLSFront"
                                                  : "there is no partner '" + name + "'" + did_you_mean(name, fronts)) +
                    ", so nothing is accepted from it");
        }
    }
    for (const std::string_view name : fronts) {
        const Partner& front = *policy.find(name);
        const bool is_accepted = std::any_of(accepted.begin(), accepted.end(), [name](const AcceptedFronts* here) {
            return std::find(here->names.begin(), here->names.end(), name) != here->names.end();
        });
        if (is_accepted) {
            check_gates_of(front, findings);
        } else {
            warn(findings, front.front()->where,
                 "MTLSFront of " + std::string(name) +
                     ": no MTLSAcceptFront names it, so what it hands on counts nowhere");
        }
    }
}

}  // namespace mtls::httpd
