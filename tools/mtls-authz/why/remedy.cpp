#include "remedy.hpp"

#include <algorithm>

#include "../policy/policy_text.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/spiffe_id.hpp"
#include "mtls_authz/decide/decision.hpp"
#include "mtls_authz/rules/grant.hpp"
#include "mtls_authz/rules/method_set.hpp"
#include "mtls_authz/rules/selector.hpp"
#include "mtls_authz/trust/ca_directory.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"

namespace mtls::tool {

std::string partner_in(const LogLine& log_line) {
    const std::string partner = log_line.get("partner"), names = partner.empty() ? log_line.get("claimed") : partner;
    return names.substr(0, names.find(','));
}

std::string place_in_detail(const LogLine& log_line, std::string_view begin) {
    const std::string detail = log_line.get("detail");
    return detail.starts_with(begin) ? detail.substr(begin.size(), detail.find(": ") - begin.size()) : "";
}

namespace {

// Whether a line of the policy can hold the word, and shows what it says: a denied client wrote it.
bool can_be_pasted(const std::string& word) { return is_writable(word) && escape_hidden(word) == word; }

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

// The path as MTLSGrant takes it, where a grant of it reaches that path alone; of a recursive method, all of its
// folder.
std::string path_of(const LogLine& log_line) {
    if (log_line.get("detail").starts_with(kActsBelow)) {
        const std::string all = log_line.path.substr(0, log_line.path.rfind('/') + 1) + "**";
        return PathPattern::parse(all).ok() && can_be_pasted(config_quote(all)) ? config_quote(all) : "PATH/**";
    }
    const auto path = PathPattern::parse(log_line.path);
    const bool is_literal = path.ok() && !path.value().reaches_below() && !log_line.path.ends_with("...") &&
                            path.value().literal_prefix() == path.value().text();
    std::string word = config_quote(log_line.path);
    return is_literal && can_be_pasted(word) ? word : "PATH";
}

std::string block_of(const LogLine& log_line, const Suspect& suspect, const Policy* policy) {
    std::string name = partner_in(log_line);
    if (name.empty()) name = suspect.partner;
    const Partner* const found = policy != nullptr ? policy->find(name) : nullptr;
    return "<MTLSPartner " + (name.empty() ? "NAME" : name) + ">" +
           (found != nullptr ? " at " + found->where.str() : "");
}

std::string at_gate(const LogLine& log_line) {
    const std::string gate = log_line.get("gate");
    return gate.empty() ? "the gate in httpd.conf" : "the gate at " + gate;
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

// The request's method as MTLSGrant and methods= write it: no line can name one that httpd does not know.
std::string method_of(const LogLine& log_line) {
    const bool is_get = log_line.method.empty() || log_line.method == "HEAD";
    return is_get ? "GET" : is_known_method(log_line.method) ? log_line.method : "write";
}

// Behind an edit with method_of().
std::string note_of_method(const LogLine& log_line) {
    return method_of(log_line) == "write" ? " (write: all methods that write, " + log_line.method + " among them)" : "";
}

// A refusal that is taken out of a revocation file.
constexpr const char* kLeaveComment = "; leave a comment in a revocation file that would be empty";

constexpr const char* kNewPartner = "a new file of the policy, once the partner has confirmed its CA";

// Where the front itself is refused by a line.
Edit edit_for_front(const LogLine& log_line) {
    const std::string detail = log_line.get("detail");
    const std::string of_front = " is a header of the front ", suspended = " is refused: suspended, MTLSSuspend at ";
    const std::size_t name = detail.find(of_front), at = detail.find(suspended);
    if (name == std::string::npos || at == std::string::npos) return {};
    const std::string from_name = detail.substr(name + of_front.size()), place = detail.substr(at + suspended.size());
    return {place.substr(0, place.find(": ")) + kLeaveComment,
            "no MTLSSuspend for " + from_name.substr(0, from_name.find(','))};
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

}  // namespace

Edit edit_for(const LogLine& log_line, const Suspect& suspect, const Places& places) {
    const Policy* const policy = places.policy.get();
    const std::string block = block_of(log_line, suspect, policy), claimed = log_line.get("claimed");
    const auto grant_in = [&](const std::string& place, const char* beside = "") -> Edit {
        if (!known_in_upper_case(log_line.method).empty()) return {};  // no grant of GET lets `get` in
        return {place,
                "MTLSGrant " + method_of(log_line) + " " + path_of(log_line) + beside + note_of_method(log_line)};
    };
    const bool is_nameless = partner_in(log_line).empty() && suspect.partner.empty();
    const std::string with_anchor = "mtls-authz suggest CERT.pem --name NAME --anchor CA.pem";
    const std::string_view word = log_line.reason;
    const bool is_by_rule = word == "not-allowed" || word == "method-not-granted";
    if (is_by_rule && log_line.get("detail").ends_with(kSentNone)) return {};
    if (is_by_rule && log_line.get("detail").ends_with(kInOtherCase)) return {};
    if (is_negated_requirement(log_line.get("directive"))) return {};  // with an edit, it would refuse the client
    const bool is_by_path = word == "wrong-issuer" || word == "not-verified";
    if (is_by_path && log_line.get("detail").ends_with(kUnusableExtension)) return {};
    if (log_line.kind == LogLine::Kind::kMisdirected)
        return {"the virtual host " + log_line.get("vhost"), "MTLSClientCA On"};
    if (is_handshake(log_line)) {
        const std::string host = "the virtual host " + log_line.get("vhost");
        const std::size_t depth = log_line.sentence.rfind(kVerifyDepth);
        if (word == "too-deep" && depth != std::string::npos) return {host, log_line.sentence.substr(depth)};
        if (log_line.sentence.ends_with(kWithClientCa)) return {host, "MTLSClientCA On"};
        if (word == "unknown-ca" && log_line.sentence.ends_with(kSentAlone))
            return {block + ", with MTLSClientCA On in the virtual host",
                    "MTLSIntermediate ISSUER.pem where its issuer is an intermediate (better, the client sends it), or "
                    "MTLSTrustAnchor ISSUER.pem where it is a new CA that the partner has confirmed"};
        if (log_line.sentence.starts_with(kNoPolicyInForce))
            return {"the policy files; the errors since the start name file and line", "a policy that can be read"};
        if (word == "unknown-ca" && is_nameless) return {kNewPartner, with_anchor};
        if (word == "unknown-ca")
            return {block + ", once the partner has confirmed its new CA; with MTLSClientCA On in the virtual host",
                    "MTLSTrustAnchor CA.pem"};
        if (word == "wrong-purpose")
            return {block + ", where it was made for servers alone", "MTLSPurpose serverAuth until=DATE"};
        return {};
    }
    if (word == "no-certificate")
        return {
            "the virtual host " + log_line.get("vhost") + "; where it is there, the client has to send a certificate",
            "SSLVerifyClient optional"};
    if (word == "not-verified" && is_nameless) return {kNewPartner, with_anchor};
    if (word == "not-verified") return {block, "MTLSTrustAnchor CA.pem"};
    if (word == "revocation-stale" || word == "revocation-unknown")
        return {"MTLSCRLFile (mtls-authz fetch with --dry-run says whether it can be had)",
                "a current CRL of the issuer that detail= names"};
    if (word == "front-not-trusted") return edit_for_front(log_line);
    if (word == "unknown-partner") return {block, "MTLSIdentity " + selector_of(log_line)};
    if (word == "wrong-issuer" && log_line.get("detail").find(kNoSvid) != std::string::npos)
        return {block + ", where its bundle is the one of the trust domain that the certificate names",
                "MTLSTrustAnchor bundle:FILE trust-domain=NAME"};
    if (word == "wrong-issuer")
        return {block + ", once the partner has confirmed its new CA", "MTLSTrustAnchor NEW-CA.pem"};
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
    if (word == "not-allowed" && !log_line.get("directive").empty()) {
        const std::string directive = log_line.get("directive");
        if (directive.starts_with("AuthType"))
            return {log_line.get("gate"), claimed + " in a Require line of the section"};
        const auto words = config_words(directive);
        const std::string provider = words.size() > 1 ? words[1] : "";
        if (provider == "mtls-grant") return grant_in(block);
        if (provider == "mtls-group" && words.size() == 3) return {block, "MTLSGroup " + words[2]};
        if (provider == "mtls-group") return {block, "MTLSGroup with one of the names in " + directive};
        if (provider == "mtls-partner") return {log_line.get("gate"), claimed + " in " + directive};
        return {};  // of mtls-identity: a certificate that fits, not a name
    }
    if (word == "not-allowed") {
        const std::string detail = log_line.get("detail");
        if (detail == kDetailDeny) return {at_gate(log_line), "no MTLSDeny for " + claimed};
        if (detail.starts_with(kDetailDeny)) return {at_gate(log_line), "an MTLSDeny of partners that there are"};
        if (detail == kDetailByGrant || detail.starts_with(kActsBelow)) return grant_in(block);
        return {at_gate(log_line), "MTLSAllow partner " + (claimed.empty() ? "NAME" : claimed)};
    }
    // httpd answers it before any access check, so a gate refuses it whatever is granted.
    if (word == "method-not-granted" && log_line.method == "TRACE") return {};
    if (word == "method-not-granted") {
        const std::string place = log_line.get("grant");
        if (!place.empty()) return grant_in(place, ", beside the line that is there");
        return {at_gate(log_line), "methods= with " + method_of(log_line) + note_of_method(log_line)};
    }
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
