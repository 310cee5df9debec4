#include "log.hpp"

#include "mtls_authz/text.hpp"

namespace mtls::httpd {

namespace {

constexpr std::size_t kNameLimit = 256;
constexpr std::size_t kPathLimit = 512;

// key=value pairs; what comes from certificates and requests is quoted and escaped.
class Line {
public:
    explicit Line(std::string start) : text_(std::move(start)) {}

    void add(const char* key, std::string_view value) {
        if (!value.empty()) text_ += std::string(" ") + key + "=" + std::string(value);
    }
    void quote(const char* key, std::string_view value, std::size_t limit = kNameLimit) {
        text_ += std::string(" ") + key + "=\"" + escape_for_log(value, limit) + "\"";
    }
    void append(std::string_view text) { text_ += text; }
    const char* c_str() const { return text_.c_str(); }

private:
    std::string text_;
};

std::string partner_list(const Identification& who) {
    std::string out;
    for (const Partner* partner : who.claimed) out += (out.empty() ? "" : ",") + partner->name;
    return out;
}

std::string vhost(const request_rec* r) {
    const server_rec* const s = r->server;
    const std::string name = s->server_hostname != nullptr ? s->server_hostname : "-";
    const unsigned port = s->port != 0 ? s->port : r->connection->local_addr->port;
    return escape_for_log(name, 120) + ":" + std::to_string(port);
}

std::string gate_place(const request_rec* r, const Decision& decision) {
    if (decision.gate_rule != nullptr) return short_place(decision.gate_rule->where);
    const DirConfig& config = dir_config(r);
    return config.section != nullptr ? short_place(config.section->where) : std::string();
}

// The key that signed, as far as it is known: from the verified path, the chain that the client sent, or the policy.
std::string issuer_key(const PresentedCertificate& certificate, const Identification* who) {
    if (who != nullptr && !who->ca_keys.empty()) return who->ca_keys.front();
    if (!certificate.helpers.empty()) return spki_sha256(*certificate.helpers.front());
    return who != nullptr ? who->nearest_ca_key : std::string();
}

void describe_certificate(Line& line, const PresentedCertificate& certificate, const Identification* who) {
    const CertificateFacts& facts = certificate.facts;
    line.quote("subject", facts.subject.text());
    line.quote("san", san_text(facts, kNameLimit));
    line.quote("issuer", facts.issuer.text());
    line.add("issuer_spki", hex(bytes_of(issuer_key(certificate, who))));
    line.add("serial", facts.serial);
    line.add("not_after", format_time(facts.not_after));
    line.add("sha256", hex(bytes_of(facts.sha256)));
}

Line describe(const request_rec* r, const Decision& decision, const char* verb) {
    Line line(std::string("mtls_authz: ") + verb + " " + escape_for_log(effective_method(r), 32) + " \"" +
              escape_for_log(r->uri != nullptr ? r->uri : "", kPathLimit) + "\":");
    const Identification* const who = decision.who.get();
    line.add("reason", word_of(decision.reason));
    if (!decision.detail.empty()) line.quote("detail", decision.detail);
    if (who != nullptr && who->partner != nullptr)
        line.add(decision.granted() ? "partner" : "claimed", who->partner->name);
    if (who != nullptr && who->partner == nullptr) line.add("claimed", partner_list(*who));
    const Identity* const identity = who == nullptr             ? nullptr
                                     : who->identity != nullptr ? who->identity
                                                                : who->claimed_identity;
    if (identity != nullptr) line.add("rule", short_place(identity->where));
    if (decision.grant != nullptr) line.add("grant", short_place(decision.grant->where));
    line.add("gate", gate_place(r, decision));
    line.add("vhost", vhost(r));
    line.add("tls", decision.tls.version);
    if (!decision.tls.version.empty()) line.add("resumed", decision.tls.resumed ? "yes" : "no");
    if (decision.certificate) describe_certificate(line, *decision.certificate, who);
    if (decision.snapshot) line.add("generation", decision.snapshot->policy->generation());
    line.append(": ");
    line.append(text_of(decision.reason).sentence);
    return line;
}

}  // namespace

void log_decision(request_rec* r, const Decision& decision, Outcome outcome, bool is_lookup) {
    int level = APLOG_ERR;
    const char* verb = "denied";
    if (outcome == Outcome::kGranted) {
        level = APLOG_DEBUG;
        verb = "granted";
    } else if (outcome == Outcome::kWouldDeny) {
        level = APLOG_WARNING;
        verb = "would-deny";
    } else if (decision.reason == Reason::kNoCertificate) {
        level = APLOG_INFO;
    }
    if (is_lookup) level = APLOG_DEBUG;
    if (!APLOG_R_IS_LEVEL(r, level)) return;
    ap_log_rerror(APLOG_MARK, level, 0, r, "%s", describe(r, decision, verb).c_str());
}

void log_provider(request_rec* r, const Decision& decision, const char* requirement) {
    const int level = decision.granted() ? APLOG_DEBUG : APLOG_INFO;
    if (!APLOG_R_IS_LEVEL(r, level)) return;
    Line line = describe(r, decision, decision.granted() ? "satisfied" : "not satisfied");
    ap_log_rerror(APLOG_MARK, level, 0, r, "%s (%s)", line.c_str(), requirement);
}

}  // namespace mtls::httpd
