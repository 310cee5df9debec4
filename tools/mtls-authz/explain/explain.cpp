#include <algorithm>
#include <ctime>
#include <iostream>

#include "../commands.hpp"
#include "../input.hpp"
#include "../terminal.hpp"
#include "explanation.hpp"
#include "explanation_json.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "mtls_authz/decide/decision.hpp"

namespace mtls::tool {

namespace {

Result<ServerCas> read_server_cas(const std::vector<std::string>& files) {
    ServerCas out;
    for (const std::string& file : files) {
        const auto content = read_input(file);
        if (!content) return Error{file + ": " + content.error()};
        auto certificates = decode_certificates(content.value());
        if (!certificates) return Error{file + ": " + certificates.error()};
        for (X509Ptr& certificate : certificates.value()) out.certificates.push_back(std::move(certificate));
    }
    return out;
}

// Checks of the server that this answer does not include.
std::vector<std::string> not_asked(const ExplainOptions& options, const Policy& policy, const Identification& who) {
    std::vector<std::string> out;
    out.emplace_back(options.path.empty() ? "gates of httpd.conf (--path asks as MTLSAllow by-grant does)"
                                          : "gates of httpd.conf (by-grant was asked)");
    if (auto other = other_spelling_of(options.path); !other.empty()) out.push_back(std::move(other));
    if (options.revocations.empty()) out.emplace_back("revocation files (--revocations)");
    if (options.crls.empty() && policy.crl_files().empty()) out.emplace_back("CRLs (--crl)");
    if (!policy.front_keys().empty()) out.emplace_back(kFrontsNotAsked);
    const bool is_by_server = who.partner != nullptr && who.partner->anchors->uses_mod_ssl &&
                              who.nearest_ca_key.empty() && !who.path.ca_keys.empty();
    if (is_by_server && options.crls.empty()) out.emplace_back("mod_ssl's CRLs (SSLCARevocationFile; --crl)");
    const bool has_networks = who.partner != nullptr && !who.partner->networks.empty();
    if (options.from.empty() && has_networks) out.emplace_back("the client's address (--from)");
    return out;
}

// Why the answer is not the server's, where CAs of mod_ssl that are not at hand may let the certificate in; "" if it
// is.
std::string doubt_about_cas(const ExplainOptions& options, const Identification& who) {
    const Partner* const partner = options.server_cas.empty() ? partner_by_unseen_cas(who) : nullptr;
    if (partner == nullptr) return {};
    return std::string(partner->name) +
           " trusts mod_ssl's CAs: give those of SSLCACertificateFile with --server-ca FILE";
}

// Why the answer is not the server's; "" if it is. httpd.conf may name CRLs that these files do not.
std::string doubt_about_crls(const ExplainOptions& options, const Policy& policy, Reason reason) {
    if (reason != Reason::kRevocationUnknown || !options.crls.empty() || !policy.crl_files().empty()) return {};
    return "MTLSCRL required counts for it, and these files name no MTLSCRLFile: give the server's with --crl FILE";
}

void print(const Explanation& explanation, const std::string& doubt, const std::vector<std::string>& left,
           bool by_grant) {
    const bool granted = explanation.reason == Reason::kGranted;
    if (!doubt.empty()) {
        std::cout << coloured("not known", Colour::kDoubt) << ": " << doubt;
    } else {
        std::cout << coloured(granted ? "allow" : "deny", granted ? Colour::kGood : Colour::kBad) << ": "
                  << word_of(explanation.reason)
                  << (explanation.detail.empty() ? "" : " (" + shown(explanation.detail) + ")");
    }
    if (granted)
        std::cout << (by_grant ? " by MTLSAllow by-grant; other gates were not asked" : "; gates were not asked");
    if (!explanation.at.empty()) std::cout << "; at " << explanation.at;
    std::cout << '\n';
    for (const std::string& step : explanation.steps) std::cout << "  " << step << '\n';
    for (const std::string& hint : explanation.hints) std::cout << "  - " << hint << '\n';
    if (!granted && doubt.empty()) std::cout << advice_for(explanation.reason, explanation.detail) << '\n';
    std::cout << "not asked: " << joined(left, ", ") << '\n';
}

}  // namespace

Result<std::int64_t> check_question(const ExplainOptions& options) {
    if (!options.method.empty() && !is_known_method(options.method)) {
        return Error{"--method: '" + shown(options.method) + "' is no method that httpd knows; write GET, POST, ..."};
    }
    if (!options.path.empty() && !options.path.starts_with('/'))
        return Error{"--path: expected a path like /orders/17"};
    if (!options.from.empty() && address_from_text(options.from).empty())
        return Error{"--from: '" + shown(options.from) + "' is no IP address: expected one like 203.0.113.7"};
    if (options.at.empty()) return std::int64_t{std::time(nullptr)};
    const auto at = parse_date(options.at, DateEdge::kFrom);
    if (!at) return Error{"--at: " + at.error()};
    return at.value();
}

int explain(const ExplainOptions& options) {
    if (options.live) return explain_live(options);
    const auto asked_at = check_question(options);
    if (!asked_at) return complain(asked_at.error());
    const std::int64_t now = asked_at.value();
    const PolicyInput input = read_policy(options.policy, options.root);
    if (!input.policy) {
        print_findings(std::cerr, input.findings);
        return complain("the policy has errors; mtls-authz check lists them");
    }
    const auto certificate = read_client(options.certificate, options.intermediates);
    if (!certificate) return complain(certificate.error());
    auto server = read_server_cas(options.server_cas);
    if (!server) return complain(server.error());
    server.value().security_level = options.security_level;
    const Policy& policy = *input.policy;
    const Refusing refusing = read_refusing(policy, options.revocations, options.crls, server.value().certificates);
    print_findings(std::cerr, refusing.findings);
    if (refusing.unreadable) return complain("what refuses cannot be read, so the answer would not be the server's");
    Explanation explanation =
        explain_request(policy, *certificate.value(), {server.value(), *refusing.refusals, *refusing.crls, now},
                        options.method, options.path, options.from);
    if (!options.at.empty()) explanation.at = format_time(now);
    const auto left = not_asked(options, policy, explanation.who);
    std::string doubt = doubt_about_crls(options, policy, explanation.reason);
    if (doubt.empty()) doubt = doubt_about_cas(options, explanation.who);
    if (options.json) {
        Json out = explanation_json(policy, explanation, left);
        if (!doubt.empty()) set_unknown(out, doubt);
        std::cout << one_line(out) << '\n';
    } else {
        print(explanation, doubt, left, !options.path.empty());
    }
    if (!doubt.empty()) return kNotDone;
    return explanation.reason == Reason::kGranted ? kFine : kDenied;
}

}  // namespace mtls::tool
