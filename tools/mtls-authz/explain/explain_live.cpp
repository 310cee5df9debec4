#include <algorithm>
#include <iostream>

#include "../commands.hpp"
#include "../input.hpp"
#include "../policy/in_force.hpp"
#include "../terminal.hpp"
#include "explanation.hpp"
#include "explanation_json.hpp"
#include "gate_question.hpp"
#include "mtls_authz/trust/handshake_path.hpp"

namespace mtls::tool {

namespace {

using Kind = GateVerdict::Kind;

// Whether the client is asked for its certificate: "", or why that is uncertain.
std::string doubt_about_asking(const MappedHost& host) {
    if (!host.has_tls || host.asks_for_certificates || host.asking_section.empty()) return {};
    return "this host asks for no certificate (SSLVerifyClient), but " + host.asking_section +
           " does: only httpd can tell whether that applies";
}

// Of elliptic curves, TLS 1.3 has NIST's three, and with OpenSSL 3.2 those of Brainpool (RFC 8734).
bool is_curve_of_tls(const std::string& curve) {
    constexpr unsigned long kWithBrainpool = 0x30200000;
    return curve == "P-256" || curve == "P-384" || curve == "P-521" ||
           (curve.starts_with("brainpool") && OpenSSL_version_num() >= kWithBrainpool);
}

// Whether the handshake at `at` accepts the certificate by mod_ssl's CAs, and by live anchors where this host has
// MTLSClientCA: "", or why that is uncertain.
std::string doubt_about_handshake(const InForce& now, const MappedHost& host, const ServerCas& server,
                                  const PresentedCertificate& client, int purpose, std::int64_t at) {
    constexpr int kNoSsl = 0;  // the index of the callback's own data: there is no SSL*
    if (host.checks_crls) return "mod_ssl asks CRLs of its own in the handshake (SSLCARevocationCheck)";
    if (host.asks_ocsp) return "mod_ssl asks an OCSP responder in the handshake (SSLOCSPEnable)";
    const KeyType& key = client.facts.key;
    if (key.algorithm == "EC" && !is_curve_of_tls(key.curve)) {
        return "TLS 1.3 takes no key of this kind (" + key.text() +
               "), and TLS 1.2 only with SSLOpenSSLConfCmd Groups that name the curve: the client sends no certificate "
               "then, or its handshake fails";
    }
    const ErrorQueueGuard errors;
    const X509StorePtr store(X509_STORE_new());
    const X509StoreCtxPtr ctx(X509_STORE_CTX_new());
    std::vector<X509*> helpers;
    for (const X509Ptr& helper : client.helpers) helpers.push_back(helper.get());
    const BorrowedX509Stack sent = stack_of(helpers);
    if (!store || !ctx) throw std::bad_alloc();
    for (const X509Ptr& ca : server.certificates) X509_STORE_add_cert(store.get(), ca.get());
    if (X509_STORE_CTX_init(ctx.get(), store.get(), client.leaf.get(), sent.get()) != 1) throw std::bad_alloc();
    X509_STORE_CTX_set_default(ctx.get(), "ssl_client");
    X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(ctx.get());
    X509_VERIFY_PARAM_set_purpose(parameters, purpose);
    X509_VERIFY_PARAM_set_auth_level(parameters, server.security_level);
    X509_VERIFY_PARAM_set_time(parameters, at);
    const HandshakeVerdict verdict =
        host.believes_anchors && now.policy != nullptr
            ? verify_handshake(ctx.get(), now.policy->cas(), kNoSsl, MissingCrl::kPasses, at)
            : verify_handshake(ctx.get());
    const int error = X509_STORE_CTX_get_error(ctx.get());
    const int cas = static_cast<int>(verdict.chain.size()) - 1;
    if (verdict.verified != 1 && host.lets_unknown_cas_in && is_of_unknown_ca(error)) return {};
    if (verdict.verified == 1 && cas <= host.verify_depth) return {};
    return "mod_ssl may refuse it in the handshake already: " +
           (verdict.verified != 1 ? X509_verify_cert_error_string(error)
                                  : "its chain has " + std::to_string(cas) + " CAs, and SSLVerifyDepth is " +
                                        std::to_string(host.verify_depth));
}

// Why it is uncertain that the client is let in; "" if it is certain. `by_gate`: a gate has to grant it.
std::string doubt(const InForce& now, const MappedHost& host, const ServerCas& server,
                  const PresentedCertificate& client, const Explanation& explanation, const ExplainOptions& options,
                  std::int64_t at, bool by_gate) {
    const bool is_granted = by_gate && explanation.reason == Reason::kGranted;
    const Partner* const partner = is_granted ? explanation.who.partner : nullptr;
    if (partner != nullptr && !partner->networks.empty() && options.from.empty())
        return "it is let in from " + texts_of(partner->networks) + " alone: say the client's address with --from";
    if (partner != nullptr && partner->anchors->uses_mod_ssl && host.has_crls)
        return "its CA is one of mod_ssl's, whose own CRLs (SSLCARevocationFile) were not asked";
    return doubt_about_handshake(now, host, server, client,
                                 explanation.who.is_purpose_waived ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT,
                                 at);
}

std::vector<std::string> not_asked(const ExplainOptions& options, const MappedHost& host, const Policy* policy) {
    std::vector<std::string> out;
    if (policy != nullptr && !policy->front_keys().empty()) out.emplace_back(kFrontsNotAsked);
    if (options.path.empty()) out.emplace_back("gates (--path)");
    if (auto other = other_spelling_of(options.path); !other.empty()) out.push_back(std::move(other));
    if (options.method == "COPY" || options.method == "MOVE") out.emplace_back("the Destination of " + options.method);
    if (!options.path.empty() && !host.remaps.empty())
        out.push_back("what other path or file becomes of it (" + joined(host.remaps, ", ") + ")");
    if (options.path.ends_with('/')) out.emplace_back("its index (DirectoryIndex)");
    out.emplace_back("what other modules ask, and .htaccess");
    return out;
}

void add_gate_steps(const GateVerdict& verdict, const MappedHost& host, Explanation& explanation) {
    explanation.steps.push_back("virtual host: " + title_of(host) +
                                (host.where.file.empty() ? "" : " at " + host.where.str()));
    if (verdict.kind == Kind::kOpen) explanation.steps.emplace_back("gate: none covers the path");
    if (verdict.kind == Kind::kOpen || verdict.kind == Kind::kUnknown) return;
    if (verdict.section != nullptr)
        explanation.steps.push_back("gate: " + verdict.section->title + " at " + verdict.section->where.str());
    if (verdict.rule != nullptr)
        explanation.steps.push_back("rule: " + verdict.rule->text() + " at " + verdict.rule->where.str());
    if (verdict.path != nullptr) {
        const Grant& grant = *verdict.path->grant;
        explanation.steps.push_back("grant: MTLSGrant " + grant.text() + " at " + grant.where.str());
    }
}

const char* decision_of(Kind kind) {
    return kind == Kind::kUnknown ? "unknown" : kind == Kind::kDeny ? "deny" : "allow";
}

std::string headline(const GateVerdict& verdict) {
    const std::string reason(word_of(verdict.reason));
    const std::string detail = verdict.detail.empty() ? "" : " (" + shown(verdict.detail) + ")";
    switch (verdict.kind) {
        case Kind::kAllow:
            return coloured("allow", Colour::kGood) + ": " + reason;
        case Kind::kDeny:
            return coloured("deny", Colour::kBad) + ": " + reason + detail;
        case Kind::kWouldDeny:
            return coloured("allow", Colour::kDoubt) + ": the gate is LogOnly; it would deny: " + reason + detail;
        case Kind::kOpen:
            return coloured("allow", Colour::kDoubt) + ": no gate covers the path";
        case Kind::kUnknown:
            break;
    }
    return coloured("not known", Colour::kDoubt) + ": " + shown(verdict.why);
}

void print(const InForce& now, const GateVerdict& verdict, const Explanation& explanation,
           const std::vector<std::string>& left) {
    std::cout << headline(verdict) << (explanation.at.empty() ? "" : "; at " + explanation.at) << '\n';
    for (const std::string& step : explanation.steps) std::cout << "  " << step << '\n';
    for (const std::string& hint : explanation.hints) std::cout << "  - " << hint << '\n';
    const bool is_denied = verdict.kind == Kind::kDeny || verdict.kind == Kind::kWouldDeny;
    if (is_denied) std::cout << advice_for(verdict.reason, verdict.detail) << '\n';
    std::cout << "in force: " << now.text() << "; its revocation files and CRLs were asked\n";
    now.print_not_in_force(std::cout);
    std::cout << "not asked: " << joined(left, ", ") << '\n';
}

Json live_json(const InForce& now, const MappedHost& host, const GateVerdict& verdict, Explanation& explanation,
               const std::vector<std::string>& left) {
    static const Policy kNone;
    explanation.reason = verdict.kind == Kind::kAllow ? Reason::kGranted : verdict.reason;
    explanation.detail = verdict.kind == Kind::kUnknown ? verdict.why : verdict.detail;
    Json out = explanation_json(now.policy != nullptr ? *now.policy : kNone, explanation, left);
    out["decision"] = decision_of(verdict.kind);
    if (verdict.kind == Kind::kOpen || verdict.kind == Kind::kUnknown) {
        out["reason"] = nullptr;
        out["advice"] = "";
    }
    out["would_deny"] = verdict.kind == Kind::kWouldDeny;
    out["host"] = title_of(host);
    out["gate"] = verdict.section != nullptr ? Json(verdict.section->where.str()) : Json(nullptr);
    out["gate_rule"] = verdict.rule != nullptr ? Json(verdict.rule->where.str()) : Json(nullptr);
    out["socket"] = now.socket;
    out["not_in_force"] = now.not_in_force;
    out["in_force_since"] = now.since == 0 ? Json(nullptr) : Json(format_time(now.since));
    return out;
}

// Identifies the client as the server would, before any gate.
Explanation identify_client(const InForce& now, const MappedHost& host, const ServerCas& server,
                            const PresentedCertificate& client, std::int64_t at, const std::string& from) {
    Explanation explanation;
    if (now.policy == nullptr) {
        explanation.reason = Reason::kPolicyUnavailable;
    } else {
        explanation = explain_request(*now.policy, client, {server, *now.refusals, *now.crls, at}, "", "", from);
    }
    // Where a section alone asks, doubt_about_asking() says so.
    if (host.has_tls && (host.asks_for_certificates || !host.asking_section.empty())) return explanation;
    explanation.reason = host.has_tls ? Reason::kNoCertificate : Reason::kNoTls;
    explanation.detail = host.has_tls ? "SSLVerifyClient is none here" : "this virtual host serves no TLS";
    return explanation;
}

GateVerdict decide_live(const InForce& now, const MappedHost& host, const ServerCas& server,
                        const PresentedCertificate& client, const Explanation& explanation,
                        const ExplainOptions& options, std::int64_t at) {
    GateVerdict verdict;
    if (options.path.empty()) {
        verdict.kind = explanation.reason == Reason::kGranted ? Kind::kAllow : Kind::kDeny;
        verdict.reason = explanation.reason;
    } else {
        verdict = ask_gates({now.gates, host, now.policy.get(), explanation.who, explanation.reason,
                             options.method.empty() ? "GET" : options.method, path_for(host, options.path)});
    }
    if (verdict.reason == explanation.reason) verdict.detail = explanation.detail;
    if (verdict.kind == Kind::kUnknown) return verdict;
    if (host.merges_slashes && options.path.starts_with("//")) {
        verdict.kind = Kind::kUnknown;
        verdict.why =
            "httpd merges the slashes at the beginning, and may deny (bad-path) what a backend reads as a "
            "host and another path: ask with one slash";
        return verdict;
    }
    std::string why = verdict.kind != Kind::kOpen ? doubt_about_asking(host) : "";
    if (why.empty() && verdict.kind != Kind::kDeny)
        why = doubt(now, host, server, client, explanation, options, at, verdict.kind == Kind::kAllow);
    if (why.empty()) return verdict;
    verdict.kind = Kind::kUnknown;
    verdict.why = std::move(why);
    return verdict;
}

}  // namespace

int explain_live(const ExplainOptions& options) {
    const auto at = check_question(options);
    if (!at) return complain(at.error());
    const auto now = read_in_force(options.socket);
    if (!now) return complain(now.error());
    const auto host = choose_host(now.value().gates, options.host);
    if (!host) return complain(host.error());
    const auto server = server_cas_of(*host.value());
    if (!server) return complain(server.error());
    const auto client = read_client(options.certificate, options.intermediates);
    if (!client) return complain(client.error());
    Explanation explanation =
        identify_client(now.value(), *host.value(), server.value(), *client.value(), at.value(), options.from);
    if (!options.at.empty()) explanation.at = format_time(at.value());
    const GateVerdict verdict =
        decide_live(now.value(), *host.value(), server.value(), *client.value(), explanation, options, at.value());
    add_gate_steps(verdict, *host.value(), explanation);
    const auto left = not_asked(options, *host.value(), now.value().policy.get());
    if (options.json) {
        std::cout << one_line(live_json(now.value(), *host.value(), verdict, explanation, left)) << '\n';
    } else {
        print(now.value(), verdict, explanation, left);
    }
    return verdict.kind == Kind::kDeny ? kDenied : verdict.kind == Kind::kUnknown ? kNotDone : kFine;
}

}  // namespace mtls::tool
