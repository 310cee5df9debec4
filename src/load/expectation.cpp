#include "mtls_authz/load/expectation.hpp"

#include <array>

#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/session_chain.hpp"
#include "mtls_authz/decide/decision.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "mtls_authz/rules/network.hpp"
#include "mtls_authz/rules/partner_name.hpp"

namespace mtls {

namespace {

constexpr std::array kRefusals = {Reason::kMalformedCertificate, Reason::kNotVerified, Reason::kUnknownPartner,
                                  Reason::kWrongIssuer, Reason::kAmbiguous};
constexpr std::string_view kSyntax =
    "expected CERT is NAME, CERT is-refused [REASON], CERT is-granted METHOD PATH [from ADDRESS] or CERT "
    "is-not-granted METHOD PATH [from ADDRESS]";

Result<Reason> parse_refusal(std::string_view word) {
    std::vector<std::string_view> known;
    for (const Reason reason : kRefusals) {
        if (word_of(reason) == word) return reason;
        known.push_back(word_of(reason));
    }
    return Error{in_quotes(word) + did_you_mean(word, known) + ": expected one of " + joined(known, ", ") +
                 "; dates, revocation and suspension are left out, so that time and emergencies break no policy"};
}

std::string fault_of_request(const std::string& method, const std::string& path) {
    if (!is_known_method(method)) return in_quotes(method) + " is no method that httpd knows; write one, like GET";
    if (!path.starts_with('/') || find_path_fault(path) != PathFault::kNone) {
        return in_quotes(path) + " is no path of a request: expected one like /orders/17, decoded";
    }
    if (path.find('*') != std::string::npos)
        return in_quotes(path) + " holds a wildcard: expected the path of one request";
    return {};
}

}  // namespace

Result<Expectation> Expectation::parse(const Directive& d) {
    const auto words = config_words(d.args);
    const auto wrong = [&d](const std::string& what) { return Error{d.name + ": " + what}; };
    if (words.size() < 2) return wrong(std::string(kSyntax));
    Expectation out;
    out.where = d.where;
    out.file = words[0];
    const std::string& verb = words[1];
    const std::size_t arguments = words.size() - 2;
    if (equal_nocase(verb, "is") && arguments == 1) {
        if (!is_valid_name(words[2])) return wrong(in_quotes(words[2]) + " cannot be a partner's name");
        out.partner = words[2];
        return out;
    }
    if (equal_nocase(verb, "is-refused") && arguments <= 1) {
        out.kind = Kind::kIsRefused;
        if (arguments == 0) return out;
        const auto reason = parse_refusal(words[2]);
        if (!reason) return wrong(reason.error());
        out.reason = reason.value();
        return out;
    }
    const bool granted = equal_nocase(verb, "is-granted");
    const bool has_address = arguments == 4 && equal_nocase(words[4], "from");
    if ((granted || equal_nocase(verb, "is-not-granted")) && (arguments == 2 || has_address)) {
        out.kind = granted ? Kind::kIsGranted : Kind::kIsNotGranted;
        out.method = words[2];
        out.path = words[3];
        const std::string fault = fault_of_request(out.method, out.path);
        if (!fault.empty()) return wrong(fault);
        if (!has_address) return out;
        out.from = words[5];
        if (address_from_text(out.from).empty()) {
            return wrong(in_quotes(out.from) + " is no IP address: expected the client's, like 203.0.113.7");
        }
        return out;
    }
    static constexpr std::string_view kVerbs[] = {"is", "is-refused", "is-granted", "is-not-granted"};
    return wrong(in_quotes(verb) + did_you_mean(verb, kVerbs) + ": " + std::string(kSyntax));
}

std::string Expectation::text() const {
    std::string out = config_quote(file);
    switch (kind) {
        case Kind::kIs:
            out += " is " + partner;
            break;
        case Kind::kIsRefused:
            out += " is-refused" + (reason ? " " + std::string(word_of(*reason)) : "");
            break;
        case Kind::kIsGranted:
            out += " is-granted " + method + " " + config_quote(path);
            break;
        case Kind::kIsNotGranted:
            out += " is-not-granted " + method + " " + config_quote(path);
            break;
    }
    return from.empty() ? out : out + " from " + from;
}

namespace {

// The identification as a clause of a message.
std::string describe(const Identification& who) {
    if (who.partner != nullptr) return "it is " + std::string(who.partner->name) + ", by " + who.identity->where.str();
    std::string out = "it is refused: " + std::string(word_of(who.reason));
    if (!who.detail.empty()) out += " (" + escape_for_reader(who.detail, 300) + ")";
    if (!who.claimed.empty()) {
        out += "; it names " + names_of(who.claimed, ", ");
        if (who.claimed_identity) out += ", by " + who.claimed_identity->where.str();
    }
    return out;
}

std::string describe(const Decision& d) {
    if (d.reason == Reason::kWrongNetwork) return ", but " + d.detail;
    if (d.path == nullptr) return ", and no MTLSGrant that holds for this certificate fits the path";
    const Grant& grant = *d.path->grant;
    return ", and MTLSGrant at " + grant.where.str() +
           (d.granted() ? " grants it" : " fits but for the method (" + grant.methods.text() + ")");
}

// Decides as MTLSAllow by-grant does.
Decision decide_by_grant(const Expectation& e, const Identification& who) {
    const GateRules rules = {GateRule::of(GateRule::Kind::kByGrant)};
    const std::string address = address_from_text(e.from);
    Decision out = decide(
        {&rules}, {.who = &who, .address = address, .is_from_anywhere = e.from.empty(), .line = {e.method, e.path}});
    out.rule = nullptr;
    return out;
}

}  // namespace

ExpectationAnswer check_expectation(const Expectation& e, const Policy& policy, const ServerCas* server) {
    using Kind = Expectation::Kind;
    using State = ExpectationState;
    static const ServerCas kNone;
    const PresentedCertificate& certificate = *e.certificate;
    const Identification who = identify_at_any_time(policy, certificate, server != nullptr ? *server : kNone);
    const std::string expected = "MTLSExpect " + e.text() + ": ";
    const bool by_server = who.reason == Reason::kNotVerified || who.reason == Reason::kWrongIssuer;
    if (server == nullptr && policy.some_trust_mod_ssl() && by_server && who.nearest_ca_key.empty()) {
        return {State::kUndecidable, expected + "not decidable here: it depends on the CAs that mod_ssl is given"};
    }
    const Decision decision = decide_by_grant(e, who);
    bool holds = false;
    std::string found = describe(who);
    switch (e.kind) {
        case Kind::kIs:
            holds = who.partner != nullptr && who.partner->name == e.partner;
            if (policy.find(e.partner) == nullptr) found += "; there is no partner " + in_quotes(e.partner);
            break;
        case Kind::kIsRefused:
            holds = who.partner == nullptr && (!e.reason || *e.reason == who.reason);
            break;
        case Kind::kIsGranted:
            holds = decision.granted();
            if (who.partner != nullptr) found += describe(decision);
            break;
        case Kind::kIsNotGranted:
            holds = !decision.granted();
            if (who.partner != nullptr) found += describe(decision);
            break;
    }
    if (holds) return {};
    return {State::kBroken, expected + "does not hold: with this policy, " + found};
}

Result<std::shared_ptr<const PresentedCertificate>> read_presented(const std::string& pem, const std::string& file) {
    auto certificates = read_certificates(pem, file);
    if (!certificates) return Error{certificates.error()};
    X509& leaf = *certificates.value().front().certificate;
    std::vector<X509*> chain;
    for (std::size_t i = 1; i < certificates.value().size(); ++i) {
        chain.push_back(certificates.value()[i].certificate.get());
    }
    put_path_first(leaf, chain);
    return std::make_shared<const PresentedCertificate>(leaf, useful_helpers(leaf, chain));
}

}  // namespace mtls
