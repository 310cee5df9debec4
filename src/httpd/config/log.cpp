#include "httpd/config/log.hpp"

#include <map>

#include "httpd/config/config.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::httpd {

namespace {

const char* verb_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::kAllow:
            return "granted";
        case Outcome::kDeny:
            return "denied";
        case Outcome::kWouldDeny:
            return "would-deny";
    }
    return "denied";
}

}  // namespace

std::string about(Outcome outcome, Reason reason, const std::string& who, const std::string& sha256) {
    std::string out = std::string(verb_of(outcome)) + " reason=" + std::string(word_of(reason));
    if (!who.empty()) out += " claimed=" + who;
    if (!sha256.empty()) out += " sha256=" + sha256;
    return out;
}

int level_of(Outcome outcome, Reason reason) {
    if (outcome == Outcome::kAllow) return APLOG_DEBUG;
    if (outcome == Outcome::kWouldDeny) return APLOG_WARNING;
    return reason == Reason::kNoCertificate ? APLOG_INFO : APLOG_ERR;
}

bool is_admitted(const server_rec* s, std::uint64_t key, int level, const std::function<std::string()>& about) {
    const std::int64_t now = apr_time_sec(apr_time_now());
    LogLimiter& limiter = state().ledger->limiter;
    const auto admitted = limiter.admits_existing(key, now);
    if (admitted ? *admitted : limiter.admits({about(), key, level}, now)) return true;
    // Report dropped lines here too, in case mod_watchdog does not run; at most once a second.
    static std::atomic<std::int64_t> last{0};
    if (last.exchange(now) != now) log_left_out(s);
    return false;
}

void log_account(request_rec* r, const Account& account, int level) {
    if (!APLOG_R_IS_LEVEL(r, level)) return;
    ap_log_rerror(APLOG_MARK, level, 0, r, "mtls_authz: %s", denial_line(account, verb_of(account.outcome)).c_str());
}

void log_left_out(const server_rec* s) {
    for (const LogLimiter::LeftOut& left : state().ledger->limiter.take_left_out(apr_time_sec(apr_time_now()))) {
        ap_log_error(APLOG_MARK, left.level, 0, s, "mtls_authz: left out %u more line(s) since %s: %s", left.count,
                     format_time(left.since).c_str(), escape_for_log(left.about, kMostNameBytes).c_str());
    }
}

std::vector<Diagnostic> first_of_each_file(const std::vector<Diagnostic>& findings) {
    constexpr std::size_t kMost = 20;
    struct More {
        std::size_t count = 0;
        Diagnostic::Severity worst = Diagnostic::Severity::kWarning;
    };
    std::vector<Diagnostic> out;
    std::map<std::string, std::size_t> counts;
    std::map<std::string, More> left_out;
    for (const Diagnostic& d : findings) {
        if (d.where.file.empty() || ++counts[d.where.file] <= kMost) {
            out.push_back(d);
            continue;
        }
        More& more = left_out[d.where.file];
        ++more.count;
        if (d.is_error()) more.worst = d.severity;
    }
    for (const auto& [file, more] : left_out) {
        out.push_back({more.worst, {file, 0}, std::to_string(more.count) + " more like these: mtls-authz check"});
    }
    return out;
}

std::string vhost_text(const server_rec* s, const conn_rec* c) {
    constexpr std::size_t kMostHostBytes = 120;
    const std::string name = host_name(s);
    const unsigned port = s->port != 0 ? s->port : c->local_addr->port;
    return name.substr(0, kMostHostBytes) + ":" + std::to_string(port);
}

void note_unknown_issuer(const CertificateFacts& facts, const std::string& claimed, std::string_view reason) noexcept {
    if (claimed.empty()) return;
    attempt(state().live.server,
            [&] { state().ledger->incidents.add(UnknownIssuer::of(facts, claimed, reason, std::time(nullptr))); });
}

}  // namespace mtls::httpd
