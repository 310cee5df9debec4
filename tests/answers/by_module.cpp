
#include "by_module.hpp"

#include <cstdio>

#include "mtls_authz/decide/decision.hpp"
#include "mtls_authz/load/policy_builder.hpp"

namespace answers {

std::shared_ptr<const mtls::Policy> read_policy(const std::string& text, const std::string& folder) {
    std::vector<mtls::Diagnostic> errors;
    auto directives = mtls::read_directives(text, "p.conf", errors);
    mtls::DiskFiles disk;
    mtls::PolicyBuilder builder(folder, disk);
    for (const mtls::Directive& d : directives.value()) builder.add(d);
    auto policy = builder.build();
    for (const mtls::Diagnostic& d : builder.diagnostics()) {
        if (!policy) std::fprintf(stderr, "%s\n", d.str().c_str());
    }
    return policy;
}

mtls::Identification identify(const mtls::Policy& policy, const mtls::PresentedCertificate& certificate,
                              std::int64_t now) {
    static const mtls::ServerCas kServer;
    static const mtls::Refusals kRefusals;
    static const mtls::CrlSet kCrls;
    return identify(policy, certificate, {kServer, kRefusals, kCrls, now});
}

plain::Answer decide(const mtls::Identification& who, const plain::Gate& gate, const plain::Request& request) {
    plain::Answer out{std::string(mtls::word_of(who.reason)),
                      who.partner != nullptr ? std::string(who.partner->name.view()) : ""};
    const mtls::GateRules allow = {
        mtls::GateRule::parse_allow(gate.by_grant ? "by-grant" : "group " + gate.allowed_group).value()};
    const mtls::GateRules deny = {mtls::GateRule::parse_deny("group " + gate.denied_group).value()};
    const mtls::DenyChain chain{&deny, nullptr};
    const std::string address = mtls::address_from_text(request.client);
    const mtls::Ask ask = {.who = &who, .address = address, .line = {request.method, request.path}};
    out.reason = mtls::word_of(mtls::decide({&allow, &chain}, ask).reason);
    return out;
}

}  // namespace answers
