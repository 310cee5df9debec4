#include "remedy.hpp"

#include <algorithm>
#include <ctime>

#include "../policy/policy_text.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/spiffe_id.hpp"
#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/decide/partner_paths.hpp"
#include "mtls_authz/policy/path_fault.hpp"
#include "mtls_authz/rules/method_set.hpp"
#include "mtls_authz/rules/selector.hpp"
#include "mtls_authz/trust/ca_directory.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"
#include "rule_remedy.hpp"

namespace mtls::tool {

bool can_be_pasted(const std::string& word) { return is_writable(word) && escape_hidden(word) == word; }

std::string partner_in(const LogLine& log_line) {
    const std::string partner = log_line.get("partner"), names = partner.empty() ? log_line.get("claimed") : partner;
    return names.substr(0, names.find(','));
}

std::string place_in_detail(const LogLine& log_line, std::string_view begin) {
    const std::string detail = log_line.get("detail");
    return detail.starts_with(begin) ? detail.substr(begin.size(), detail.find(": ") - begin.size()) : "";
}

namespace {

// The most specific name in the line, where its selector fits that text alone.
std::string selector_of(const LogLine& log_line) {
    const std::string san = log_line.get("san"), subject = log_line.get("subject");
    for (const std::string& selector : {san.substr(0, san.find(',')), "subject:" + subject}) {
        std::string word = config_quote(selector);
        const bool is_whole = Selector::parse(selector).ok() && !selector.ends_with("...");
        if (is_whole && fault_of_literal(selector).empty() && can_be_pasted(word)) return word;
    }
    return "SELECTOR...";
}

std::string block_of(const LogLine& log_line, const Suspect& suspect, const Policy* policy) {
    std::string name = partner_in(log_line);
    if (name.empty()) name = suspect.partner;
    const Partner* const found = policy != nullptr ? policy->find(name) : nullptr;
    return "<MTLSPartner " + (name.empty() ? "NAME" : name) + ">" +
           (found != nullptr ? " at " + found->where.str() : "");
}

// FILE:LINE of the MTLSSuspend line: from the denial, otherwise from the policy of now; "" if neither has it.
std::string suspension_of(const LogLine& log_line, const Places& places) {
    std::string said = place_in_detail(log_line, "MTLSSuspend at ");
    if (!said.empty()) return said;
    const std::string name = partner_in(log_line);
    const Suspension* const suspension = places.refusals != nullptr ? places.refusals->suspends(name) : nullptr;
    if (suspension != nullptr) return suspension->where.str();
    const Partner* const partner = places.policy != nullptr ? places.policy->find(name) : nullptr;
    return partner != nullptr && partner->suspended ? partner->suspended->str() : "";
}

// A refusal that is taken out of a revocation file.
constexpr const char* kLeaveComment = "; leave a comment in a revocation file that would be empty";

constexpr const char* kNewPartner = "a new file of the policy, once the partner has confirmed its CA";

// Where the front itself is refused by a line. The suspension of another client, which sends the front's header, is
// none of the front's.
Edit edit_of_front(const LogLine& log_line) {
    const std::string detail = log_line.get("detail"), of_front = " is a header of the front ";
    const std::size_t at = detail.find(of_front);
    if (at == std::string::npos) return {};
    std::string rest = detail.substr(at + of_front.size());
    const std::string name = rest.substr(0, rest.find(','));
    for (const std::string& refused :
         {std::string(", but the front itself"), ", but the connection's own certificate (" + name + ")"}) {
        const std::string suspended = name + refused + " is refused: suspended, MTLSSuspend at ";
        if (!rest.starts_with(suspended)) continue;
        rest.erase(0, suspended.size());
        return {rest.substr(0, rest.find(": ")) + kLeaveComment, "no MTLSSuspend for " + name};
    }
    return {};
}

// A word of a command, in quotes where it needs them.
std::string shell_word(const std::string& text) {
    const auto plain = [](char c) {
        return is_alnum(c) || std::string_view("/._-:").find(c) != std::string_view::npos;
    };
    return !text.empty() && std::all_of(text.begin(), text.end(), plain) ? text : shell_quoted(text);
}

// The file of the line that refuses the certificate, if it is none of the policy's own.
std::string revocation_file_of(const LogLine& log_line, const Places& places) {
    const Policy* const policy = places.policy.get();
    const std::string revoked = place_in_detail(log_line, "MTLSRevoke at ");
    const std::string place = log_line.reason == "suspended" ? suspension_of(log_line, places) : revoked;
    if (policy == nullptr || place.empty()) return {};
    const Partner* const partner = policy->find(partner_in(log_line));
    const auto own = policy->revocations().all();
    const bool is_own =
        (partner != nullptr && partner->suspended && partner->suspended->str() == place) ||
        std::any_of(own.begin(), own.end(), [&](const RevocationLine& r) { return r.where.str() == place; });
    return is_own ? "" : place.substr(0, place.rfind(':'));
}

// Whether another certificate may help.
bool is_about_certificate(const LogLine& log_line) {
    static constexpr std::string_view kWords[] = {"malformed-certificate", "expired", "not-yet-valid", "revoked"};
    return is_handshake(log_line) ||
           std::find(std::begin(kWords), std::end(kWords), log_line.reason) != std::end(kWords);
}

constexpr const char* kAllCas =
    "the handshake lets in the CAs of all partners there, and other rules on SSL_CLIENT_* believe them; for this one "
    "alone, add its CA to SSLCACertificateFile";

constexpr const char* kSuggest = "mtls-authz suggest CERT.pem --name NAME --anchor CA.pem";

// A trust anchor of the partner that has the CA which issued the certificate, at another time: "" if there is none.
std::string untimely_anchor(const LogLine& log_line, const Places& places) {
    const Partner* const partner = places.policy != nullptr ? places.policy->find(partner_in(log_line)) : nullptr;
    const auto key = from_hex(log_line.get("issuer_spki"), false);
    if (partner == nullptr || !key) return {};
    for (const Anchor& anchor : partner->anchors->anchors) {
        const std::string objection = anchor.window.objection(std::time(nullptr));
        if (!objection.empty() && has_ca(anchor, *key))
            return "MTLSTrustAnchor at " + anchor.where.str() + " has this CA, and " + objection;
    }
    return {};
}

// Of wrong-issuer and not-verified.
Edit edit_of_path(const LogLine& log_line, const std::string& block, bool is_nameless, const Places& places) {
    const std::string detail = log_line.get("detail");
    if (detail.find(kNoSvid) != std::string::npos)
        return {block + ", where its bundle is the one of the trust domain that the certificate names",
                "MTLSTrustAnchor bundle:FILE trust-domain=NAME",
                {}};
    if (detail.find(kAnchorOfOthers) != std::string::npos)
        return {
            {}, {}, "the CA is that of others, who could make this partner's certificates if it were its anchor, too"};
    switch (path_fault_in(detail)) {
        case HandshakeRefusal::kExpired:
            return {
                block, "MTLSTrustAnchor or MTLSIntermediate with the new certificate of the CA that detail= names", {}};
        case HandshakeRefusal::kUnknownCa:
            return {block,
                    "MTLSTrustAnchor or MTLSIntermediate with the older certificate of that CA, beside the new one",
                    {}};
        case HandshakeRefusal::kWrongPurpose:
            return {{},
                    {},
                    "where the certificate was made for servers alone, MTLSPurpose serverAuth until=DATE lets in all "
                    "such certificates of the partner; better it gets one for clients"};
        case HandshakeRefusal::kOther:
            break;
        default:
            return {};
    }
    if (!detail.empty()) return {};  // more anchors do not mend it
    if (std::string untimely = untimely_anchor(log_line, places); !untimely.empty())
        return {{}, {}, untimely + ": a later until=, or an earlier from=, lets in all that it issued"};
    if (is_nameless) return {kNewPartner, kSuggest, {}};
    return {block + ", once the partner has confirmed its new CA",
            log_line.reason == "wrong-issuer" ? "MTLSTrustAnchor NEW-CA.pem" : "MTLSTrustAnchor CA.pem",
            {}};
}

}  // namespace

Edit edit_for(const LogLine& log_line, const Suspect& suspect, const Places& places) {
    const Policy* const policy = places.policy.get();
    const std::string block = block_of(log_line, suspect, policy), claimed = log_line.get("claimed");
    const bool is_nameless = partner_in(log_line).empty() && suspect.partner.empty();
    const std::string_view word = log_line.reason;
    if (is_negated_requirement(log_line.get("directive"))) return {};  // with an edit, it would refuse the client
    const bool is_by_path = word == "wrong-issuer" || word == "not-verified";
    if (log_line.kind == LogLine::Kind::kMisdirected)
        return {"the virtual host " + log_line.get("vhost"), "MTLSClientCA On", kAllCas};
    if (is_handshake(log_line)) {
        const std::string host = "the virtual host " + log_line.get("vhost");
        const std::size_t depth = log_line.sentence.rfind(kVerifyDepth);
        if (word == "too-deep" && depth != std::string::npos) return {host, log_line.sentence.substr(depth)};
        if (log_line.sentence.ends_with(kWithClientCa)) return {host, "MTLSClientCA On", kAllCas};
        if (word == "unknown-ca" && log_line.sentence.ends_with(kSentAlone))
            return {block + ", with MTLSClientCA On in the virtual host",
                    "MTLSIntermediate ISSUER.pem where its issuer is an intermediate (better, the client sends it), or "
                    "MTLSTrustAnchor ISSUER.pem where it is a new CA that the partner has confirmed"};
        if (log_line.sentence.starts_with(kNoPolicyInForce))
            return {"the policy files; the errors since the start name file and line", "a policy that can be read"};
        if (word == "unknown-ca" && is_nameless) return {kNewPartner, kSuggest};
        if (word == "unknown-ca")
            return {block + ", once the partner has confirmed its new CA; with MTLSClientCA On in the virtual host",
                    "MTLSTrustAnchor CA.pem"};
        if (word == "crl-unavailable")
            return {"SSLCARevocationFile or SSLCARevocationPath of " + host + ", before a restart",
                    "a current CRL of the CA that issued " + log_line.get("at")};
        // The sentence says so where that would let it in.
        if (word == "wrong-purpose" && log_line.sentence.find(kMadeForServers) != std::string::npos)
            return {block, "MTLSPurpose serverAuth until=DATE",
                    "it lets in all certificates of the partner that were made for servers alone; better it gets one "
                    "for clients"};
        return {};
    }
    if (word == "no-certificate")
        return {
            "the virtual host " + log_line.get("vhost") + "; where it is there, the client has to send a certificate",
            "SSLVerifyClient optional"};
    if (is_by_path) return edit_of_path(log_line, block, is_nameless, places);
    if (word == "revocation-stale" || word == "revocation-unknown")
        return {"MTLSCRLFile (mtls-authz fetch with --dry-run says whether it can be had)",
                "a current CRL of the issuer that detail= names"};
    if (word == "front-not-trusted") return edit_of_front(log_line);
    if (word == "unknown-partner")
        return {block, "MTLSIdentity " + selector_of(log_line),
                "all that this partner may do, the certificate may do then"};
    if (word == "ambiguous")
        return {"the MTLSIdentity lines of " + claimed, "one selector more, so that only one of them fits"};
    if (word == "suspended") {
        const std::string where = suspension_of(log_line, places);
        return {(where.empty() ? block + ", or in the revocation file" : where) + kLeaveComment,
                "no MTLSSuspend for " + claimed};
    }
    if (word == "outside-contract") {
        const bool is_early = log_line.get("detail").starts_with("begins ");
        return {block, std::string("MTLSValid ") + (is_early ? "from" : "until") + "=DATE, in the line that is there"};
    }
    if (word == "wrong-network")
        return {block + ", once the partner has confirmed its new address", "MTLSNetwork CIDR"};
    const std::string revoked = place_in_detail(log_line, "MTLSRevoke at ");
    if (word == "revoked" && !revoked.empty()) return {revoked + kLeaveComment, "no MTLSRevoke that fits it"};
    if (word == "not-allowed" || word == "method-not-granted") return edit_of_rule(log_line, block, places);
    return {};
}

std::string command_for(const LogLine& log_line, const Edit& edit, const WhyOptions& options, const Places& places) {
    if (log_line.get("sha256").empty() || (edit.line.empty() && !is_about_certificate(log_line))) return {};
    const bool is_live = places.is_live;
    std::string out = "mtls-authz explain";
    for (const std::string& file : options.policy) out += " --policy " + shell_word(file);
    const std::string refuses = is_live ? "" : revocation_file_of(log_line, places);
    if (!refuses.empty()) out += " --revocations " + shell_word(refuses);
    if (is_live) {
        const std::string host = log_line.get("vhost");
        out += options.socket.empty() ? " --live" : " --socket " + shell_word(options.socket);
        if (!host.empty()) out += " --host " + shell_word(host);
    } else if (options.policy.empty()) {
        out += " --policy 'POLICY/*.conf'";
    }
    if (options.root != ".") out += " --root " + shell_word(options.root);
    out += " --cert CERT.pem";
    const std::string client = log_line.get("client");
    if (!client.empty() && !is_handshake(log_line)) out += " --from " + shell_word(client);
    if (log_line.path.starts_with('/'))
        out += " --method " + shell_word(log_line.method) + " --path " + shell_word(log_line.path);
    return out;
}

}  // namespace mtls::tool
