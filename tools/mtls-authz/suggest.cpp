#include <algorithm>
#include <ctime>
#include <iostream>

#include "commands.hpp"
#include "facts_json.hpp"
#include "input.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/der.hpp"
#include "mtls_authz/certificate/public_ca.hpp"
#include "mtls_authz/certificate/spiffe_id.hpp"
#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/rules/partner_name.hpp"
#include "policy_text.hpp"
#include "terminal.hpp"

namespace mtls::tool {

namespace {

struct Choice {
    std::string selector;
    std::string cost;  // its cost and risk
};

// Whether the selector parses without warning and matches this certificate.
bool is_usable(const std::string& selector, const CertificateFacts& facts) {
    const auto parsed = Selector::parse(selector);
    return parsed.ok() && parsed.value().warnings.empty() &&
           parsed.value().selector().test(facts, nullptr, Repeats::kMustBeSingle) == Answer::kYes;
}

// Ordered from fields that survive renewal to those that never do.
std::vector<Choice> choices_for(const CertificateFacts& facts) {
    std::vector<Choice> out;
    const auto offer = [&](const std::string& selector, const char* cost) {
        if (is_writable(selector) && is_usable(selector, facts)) out.push_back({selector, cost});
    };
    for (const std::string& uri : facts.uri) offer("URI:" + uri, "stays at renewal; says exactly which service it is");
    for (const std::string& name : facts.dns)
        offer("DNS:" + name, "stays at renewal, as long as the host keeps its name");
    for (const NameAttribute& attribute : facts.subject.attributes) {
        constexpr const char* kOrganizationIdentifier = "2.5.4.97";
        if (attribute.oid == kOrganizationIdentifier) {
            offer("organizationIdentifier:" + attribute.text,
                  "registered, and stays; every certificate of that organization fits");
        }
    }
    offer("subject:" + facts.subject.text(), "the whole name: breaks when any part of it changes");
    for (const std::string& address : facts.email) offer("email:" + address, "belongs to a person, who may leave");
    for (const std::string& upn : facts.upn)
        offer("UPN:" + upn, "belongs to an account, which may be given to somebody else");
    for (const NameAttribute& attribute : facts.subject.attributes) {
        if (oid_name(attribute.oid) == "CN") {
            offer("CN:" + attribute.text, "says little by itself: only the trust anchor makes it theirs");
        }
    }
    offer("spki-sha256:" + hex(bytes_of(facts.spki_sha256)), "stays at renewal if the key does; breaks with a new key");
    offer("sha256:" + hex(bytes_of(facts.sha256)), "this certificate alone: breaks at its renewal");
    return out;
}

// Why the certificate, or a CA sent with it, is from a public CA; "" if none is.
std::string why_public(const PresentedCertificate& certificate) {
    PublicCas cas;
    std::string why = cas.why(*certificate.leaf);
    for (const X509Ptr& helper : certificate.helpers) {
        if (why.empty()) why = cas.why(*helper);
    }
    return why;
}

// MTLSPurpose lines for server certificates, and for client certificates whose CA will issue only those.
std::string purpose_lines(const PresentedCertificate& certificate) {
    const CertificateFacts& facts = certificate.facts;
    if (is_for_servers_alone(facts)) {
        return "    # It was made for servers alone: without this line the handshake refuses it.\n    MTLSPurpose "
               "serverAuth\n";
    }
    const std::string why = why_public(certificate);
    if (why.empty()) return {};
    return "    # A public CA's, since " + shown(why) + ". Its successor, due before " + format_time(facts.not_after) +
           ", may be\n    # made for servers alone, as " + kPublicCasStop +
           ":\n    # then the handshake refuses it without this line.\n    #MTLSPurpose serverAuth until=DATE\n";
}

// A partner name from the organization, else the common name.
std::string name_for(const CertificateFacts& facts) {
    std::string source;
    for (const char* const type : {"CN", "O"}) {
        for (const NameAttribute& attribute : facts.subject.attributes) {
            if (oid_name(attribute.oid) == type) source = attribute.text;
        }
    }
    const std::string out = partner_name_of(source);
    return out.empty() ? "partner" : out;
}

// The trust domain if the certificate is an X509-SVID; else "".
std::string svid_domain_of(const CertificateFacts& facts) {
    if (facts.uri.size() != 1) return {};
    const std::string domain(trust_domain_of(facts.uri.front()));
    return !domain.empty() && svid_fault(facts, domain).empty() ? domain : std::string();
}

std::string anchor_lines(const CertificateFacts& facts, const std::string& anchor) {
    const std::string domain = svid_domain_of(facts);
    if (!anchor.empty()) {
        const bool is_bundle = anchor.starts_with(kBundlePrefix) && !domain.empty();
        return "    MTLSTrustAnchor " + config_quote(anchor) + (is_bundle ? " trust-domain=" + domain : "") + "\n";
    }
    const std::string better = domain.empty() ? "the file of the CA that issues this partner's certificates"
                                              : "the bundle of its trust domain, bundle:FILE trust-domain=" + domain;
    return "    # Better " + better +
           ": with mod_ssl, any CA that\n    # SSLCACertificateFile names could issue one.\n"
           "    MTLSTrustAnchor mod_ssl\n";
}

}  // namespace

Result<Suggestion> suggestion_for(const std::string& file, const SuggestOptions& options) {
    const auto certificate = read_client(file, {});
    if (!certificate) return Error{certificate.error()};
    const CertificateFacts& facts = certificate.value()->facts;
    if (!facts.malformed.empty()) {
        return Error{"the certificate is malformed, and would be refused: " + shown(facts.malformed)};
    }
    if (!options.name.empty() && !is_valid_name(options.name)) {
        return Error{"--name: '" + shown(options.name) + "' cannot be a partner's name"};
    }
    const auto choices = choices_for(facts);
    if (choices.empty()) return Error{"nothing in the certificate can be matched"};
    Suggestion made;
    made.name = options.name.empty() ? name_for(facts) : options.name;
    std::string& out = made.block;
    out = "# " + shown(facts.subject.text()) + "\n# issued by " + shown(facts.issuer.text()) + "\n# until " +
          format_time(facts.not_after) + ", key " + shown(facts.key.text()) + "\n<MTLSPartner " + made.name + ">\n";
    for (const Choice& choice : choices) {
        out += "    # " + choice.cost + "\n    " + (&choice == &choices.front() ? "" : "#") + "MTLSIdentity " +
               config_quote(choice.selector) + "\n";
    }
    out += anchor_lines(facts, options.anchor);
    out += purpose_lines(*certificate.value());
    out += "</MTLSPartner>\n";

    const PolicyInput input = read_policy_text(out, options.root);
    if (!input.policy) {
        std::string why;
        for (const Diagnostic& finding : input.findings) why += finding.message + "\n";
        return Error{why};
    }
    if (options.anchor.empty()) return made;
    const Identification who = identify_at_any_time(*input.policy, *certificate.value(), {});
    if (who.partner != nullptr) return made;
    made.objection = "this policy would refuse the certificate: " + std::string(word_of(who.reason)) + " " +
                     shown(who.detail) + "\n  is " + options.anchor +
                     " the CA that issued it, and are intermediates missing?";
    return made;
}

int suggest(const SuggestOptions& options) {
    int status = kFine;
    for (const std::string& file : options.certificates) {
        const auto made = suggestion_for(file, options);
        if (made && options.json) {
            const std::string& objection = made.value().objection;
            const Json out = {{"file", file},
                              {"partner", made.value().name},
                              {"block", made.value().block},
                              {"objection", objection.empty() ? Json(nullptr) : Json(objection)}};
            std::cout << one_line(out) << '\n';
            if (!objection.empty()) status = std::max(status, kErrorsFound);
            continue;
        }
        if (!made) {
            status = std::max(status, complain(made.error()));
            continue;
        }
        std::cout << made.value().block;
        if (made.value().objection.empty()) continue;
        std::cerr << "mtls-authz: " << made.value().objection << "\n";
        status = std::max(status, kErrorsFound);
    }
    return status;
}

}  // namespace mtls::tool
