#include "httpd/tell/accounting.hpp"

#include <algorithm>

#include "httpd/config/log.hpp"
#include "httpd/decide/front.hpp"
#include "httpd/tell/audit.hpp"
#include "httpd/tell/error_detail.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/decide/identification.hpp"

namespace mtls::httpd {

namespace {

std::string gate_place(const request_rec* r, const RequestDecision& decision) {
    if (decision.rule != nullptr) return short_place(decision.rule->where);
    const DirConfig& config = dir_config(r);
    return config.section != nullptr ? short_place(config.section->where) : std::string();
}

// Hex SHA-256 of the key that signed, as far as it is known: from the verified path, the sent chain, or the policy.
std::string issuer_spki(const PresentedCertificate& certificate, const Identification* who) {
    if (who != nullptr && !who->description.issuer_spki.empty()) return who->description.issuer_spki;
    std::string key = who != nullptr ? who->nearest_ca_key : "";
    if (!certificate.helpers.empty()) key = spki_sha256(*certificate.helpers.front());
    if (who != nullptr && !who->path.ca_keys.empty()) key = who->path.ca_keys.front();
    return hex(bytes_of(key));
}

// "1.1", "2"
std::string http_version(const request_rec* r) {
    const int major = HTTP_VERSION_MAJOR(r->proto_num);
    const int minor = HTTP_VERSION_MINOR(r->proto_num);
    return std::to_string(major) + (minor != 0 || major < 2 ? "." + std::to_string(minor) : "");
}

// The partner, or the one that the certificate claims.
std::string name_of(const Identification* who) {
    if (who == nullptr) return {};
    return who->partner != nullptr ? std::string(who->partner->name) : names_of(who->claimed);
}

std::string_view digest_of(const RequestDecision& decision) {
    return decision.certificate != nullptr ? std::string_view(decision.certificate->facts.sha256) : std::string_view();
}

// Equal for lines that repeat each other.
std::uint64_t line_key(const RequestDecision& decision, Outcome outcome) {
    std::uint64_t key = mixed(static_cast<std::uint64_t>(outcome), static_cast<std::uint64_t>(decision.reason));
    key = mixed(key, digest_of(decision));
    if (const Identification* const who = decision.who) {
        if (who->partner != nullptr) key = mixed(key, who->partner->key);
        for (const Partner* partner : who->claimed) key = mixed(key, partner->key);
    }
    return key;
}

bool is_logged_in_full(const request_rec* r, const RequestDecision& decision, Outcome outcome, int level) {
    const auto shown = [&] {
        return about(outcome, decision.reason, name_of(decision.who), hex(bytes_of(digest_of(decision))));
    };
    return is_admitted(r->server, line_key(decision, outcome), level, std::ref(shown));
}

void describe_who(const RequestDecision& decision, Account& out) {
    const Identification* const who = decision.who;
    if (who == nullptr) return;
    (decision.granted() ? out.partner : out.claimed) = name_of(who);
    const Partner* const first = who->partner != nullptr ? who->partner
                                 : who->claimed.empty()  ? nullptr
                                                         : who->claimed.front();
    if (!decision.granted() && first != nullptr) out.contact = first->contact;
    const std::optional<Identity>& identity = who->identity ? who->identity : who->claimed_identity;
    if (!identity) return;
    out.rule = short_place(identity->where);
    out.matched = who->description.identity.empty() ? identity->text() : who->description.identity;
}

// What keeps the certificate alive: an account may wait for the end of the request, its decision does not.
std::shared_ptr<const void> owner_of(const RequestDecision& decision) {
    if (decision.handed) return decision.handed;
    return decision.tls->known();
}

// Of a front's client without a certificate, the gate's own detail would be about the front.
std::string detail_of(const request_rec* r, const RequestDecision& decision) {
    const bool is_by_rule = decision.reason == Reason::kNotAllowed || decision.reason == Reason::kMethodNotGranted;
    const Partner* const front = is_by_rule ? front_alone(r, decision) : nullptr;
    return front != nullptr ? "the front " + std::string(front->name) + std::string(kSentNone) : decision.detail;
}

Account account_of(request_rec* r, const RequestDecision& decision, Outcome outcome) {
    Account out;
    out.time = apr_time_now();
    out.outcome = outcome;
    out.reason = decision.reason;
    out.detail = detail_of(r, decision);
    describe_who(decision, out);
    if (decision.via != nullptr) out.via = decision.via->name;
    if (decision.who != nullptr && decision.who->is_purpose_waived) out.purpose = "serverAuth";
    if (decision.path != nullptr) out.grant = short_place(decision.path->grant->where);
    out.gate = gate_place(r, decision);
    out.vhost = vhost_text(r->server, r->connection);
    out.client = r->useragent_ip != nullptr ? r->useragent_ip : "";
    out.http = http_version(r);
    out.method = effective_method(r);
    out.path = r->uri != nullptr ? r->uri : "";
    const bool has_id = apr_table_get(r->subprocess_env, "UNIQUE_ID") != nullptr || r->log_id != nullptr;
    if (has_id || dir_config(r).error_detail.value_or(false)) out.request_id = request_id_of(r);
    if (decision.tls != nullptr) out.tls = decision.tls->facts().version;
    if (decision.tls != nullptr) out.resumed = decision.tls->facts().resumed;
    if (decision.certificate != nullptr) {
        out.certificate = {owner_of(decision), &decision.certificate->text()};
        out.issuer_spki = issuer_spki(*decision.certificate, decision.who);
    }
    if (decision.snapshot) out.generation = decision.snapshot->policy->generation();
    out.duration = decision.duration;
    return out;
}

[[gnu::noinline]] void see(const PresentedCertificate& certificate, const Identification& who, std::size_t number,
                           std::int64_t now) {
    const auto seen = Sighting::of(certificate.facts, who.is_purpose_waived, now);
    Sightings& sightings = state().ledger->sightings;
    if (!sightings.see(number, seen)) return;
    std::vector<CaDigests> digests;
    for (std::size_t i = 0; i < who.intermediates.size(); ++i)
        digests.push_back({certificate.sha256_of(*who.intermediates[i]), who.path.ca_keys[i]});
    if (const auto whole = SeenCertificate::of(*certificate.leaf, who.intermediates, digests))
        sightings.keep(number, seen, *whole);
}

std::size_t number_of(const Partner& partner) { return state().ledger->sightings.number_of(partner.key, partner.name); }

// Records each certificate that a front forwards, and the front's own.
[[gnu::noinline]] std::size_t note_handed(const RequestDecision& d) {
    if (d.front != nullptr && d.tls->claim_sighting(d.now)) {
        see(*d.tls->certificate(), *d.front, number_of(*d.front->partner), d.now);
    }
    if (d.who == nullptr || d.who->partner == nullptr) return DecisionCounters::kNoPartner;
    const std::size_t number = number_of(*d.who->partner);
    const bool is_seen = number < Sightings::kOthers && claim_sighting(d.handed->sighted, d.now);
    if (is_seen) see(*d.certificate, *d.who, number, d.now);
    return number;
}

// Records a connection's certificate at its first decision, then at most once a minute.
std::size_t note_partner(const RequestDecision& d) {
    if (d.handed) return note_handed(d);
    if (d.who == nullptr || d.who->partner == nullptr) return DecisionCounters::kNoPartner;
    const std::size_t number = number_of(*d.who->partner);
    const bool is_due = d.now >= d.tls->sighting_due() && number < Sightings::kOthers;
    if (is_due && d.tls->claim_sighting(d.now)) see(*d.certificate, *d.who, number, d.now);
    return number;
}

void count(std::size_t partner, Outcome outcome, Reason reason, std::int64_t duration) {
    state().ledger->decisions.count(outcome, reason, partner, duration);
}

void count_waiver(const RequestDecision& decision, std::size_t partner) {
    if (!decision.granted() || !decision.who->is_purpose_waived) return;
    ++state().ledger->purposes_waived;
    if (partner <= Sightings::kOthers) ++state().ledger->purposes_waived_of[partner];
}

// Whether the nearest CA that the policy names belongs to none of the claimed partners.
bool is_issuer_unknown(const RequestDecision& decision) {
    const bool is_of_issuer = decision.reason == Reason::kWrongIssuer || decision.reason == Reason::kNotVerified;
    if (!is_of_issuer || decision.who == nullptr || decision.who->claimed.empty()) return false;
    return !has_anchor(decision.who->claimed, decision.who->nearest_ca_key);
}

void note_issuer(const RequestDecision& decision) {
    if (!is_issuer_unknown(decision)) return;
    note_unknown_issuer(decision.certificate->facts, names_of(decision.who->claimed), word_of(decision.reason));
}

void keep_example(const Account& account) {
    Example out;
    out.time = apr_time_sec(account.time);
    out.outcome = account.outcome;
    out.who = account.partner.empty() ? account.claimed : account.partner;
    out.method = account.method;
    out.path = account.path;
    out.client = account.client;
    out.gate = account.gate;
    out.detail = account.detail;
    out.directive = account.directive;
    if (account.certificate != nullptr) {
        out.subject = account.certificate->subject;
        out.sha256 = account.certificate->sha256;
    }
    state().ledger->examples.add(account.reason, out);
}

bool was_denied(const request_rec* r) {
    return r->status == HTTP_FORBIDDEN || r->status == HTTP_UNAUTHORIZED || r->status >= HTTP_INTERNAL_SERVER_ERROR;
}

// Whether a Require mtls-* or AuthType MTLS denied the request, and not only one of several that let it in.
bool is_denied_by_line(const request_rec* r, const RequestState& request) {
    return request.denied_for && request.denied_for->by_line && was_denied(r);
}

void log_provider_denial(request_rec* r, const ProviderFinding& finding, const Account& account) {
    const std::string digest = account.certificate != nullptr ? account.certificate->sha256 : "";
    const auto shown = [&] { return about(account.outcome, account.reason, account.claimed, digest); };
    const int level = level_of(account.outcome, account.reason);
    if (!is_admitted(r->server, finding.line_key, level, std::ref(shown))) return;
    log_account(r, account, level);
    keep_example(account);
}

// Several Require lines may have been evaluated, with others beside them: report the one that explains the response.
void close_provider_account(request_rec* r, const RequestState& request) {
    const DeferredReports& deferred = *request.deferred;
    const bool denied = was_denied(r);
    if ((denied ? deferred.refused : deferred.satisfied) == nullptr) return;
    if (denied && !request.denied_for) return;  // another line let it in, and what answered refused it
    const ProviderFinding& finding = denied ? *deferred.refused : *deferred.satisfied;
    const Outcome outcome = denied ? Outcome::kDeny : Outcome::kAllow;
    count(finding.partner, outcome, finding.reason, finding.duration);
    if (finding.account == nullptr) return;
    Account account = *finding.account;
    account.outcome = outcome;
    account.status = r->status;
    // A 401 asks the client to log in: it is not denied yet.
    if (denied && r->status != HTTP_UNAUTHORIZED) log_provider_denial(r, finding, account);
    if (AuditLog* const audit = audit_log_for(r, outcome)) audit->write(account);
}

void close_accounts(request_rec* r, const RequestState& request) {
    const DeferredReports& deferred = *request.deferred;
    if (Account* const account = deferred.pending) {
        account->status = r->status;
        if (AuditLog* const audit = audit_log_for(r, account->outcome)) audit->write(*account);
    }
    const bool by_gate = request.decided_for != nullptr;
    if (!by_gate || is_denied_by_line(r, request)) close_provider_account(r, request);
}

extern "C" apr_status_t on_end(void* request) {
    auto* const r = static_cast<request_rec*>(request);
    return guarded(r->server, APR_EGENERAL, [&] {
        close_accounts(r, request_state(r));
        return APR_SUCCESS;
    });
}

// A pool's cleanups run in reverse order: httpd's own, which logs the request, is registered after this one and runs
// first.
DeferredReports& deferred(request_rec* r) {
    RequestState& request = request_state(r);
    if (request.deferred == nullptr) {
        request.deferred = pool_new<DeferredReports>(r->pool);
        apr_pool_pre_cleanup_register(r->pool, r, on_end);
    }
    return *request.deferred;
}

// LogOnly is for comparison: its audit line includes the status of the response.
bool waits_for_status(const request_rec* r) {
    return r->main == nullptr && gate_mode(dir_config(r)) == GateMode::kLogOnly && has_gate(dir_config(r));
}

void write_audit(request_rec* r, const Account& account) {
    AuditLog* const audit = audit_log_for(r, account.outcome);
    if (audit == nullptr) return;
    if (waits_for_status(r)) {
        deferred(r).pending = pool_new<Account>(r->pool, account);
    } else {
        audit->write(account);
    }
}

}  // namespace

std::int64_t start_measuring() {
    if (!state().measures_time) return 0;
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    constexpr std::int64_t kBillion = 1'000'000'000;
    return now.tv_sec * kBillion + now.tv_nsec;
}

std::int64_t nanoseconds_since(std::int64_t start) { return start == 0 ? -1 : start_measuring() - start; }

namespace {

[[gnu::noinline]] void report(request_rec* r, const RequestDecision& decision, Outcome outcome, bool is_lookup) {
    const bool is_denial = outcome != Outcome::kAllow && !is_lookup;
    const int level = is_lookup ? APLOG_DEBUG : level_of(outcome, decision.reason);
    const bool has_audit = !is_lookup && audit_log_for(r, outcome) != nullptr;
    if (!has_audit && !is_denial && !APLOG_R_IS_LEVEL(r, level)) return;
    // Count repeated lines before building the account.
    const bool in_full = level == APLOG_DEBUG || is_logged_in_full(r, decision, outcome, level);
    if (!in_full && !has_audit) return;
    const Account account = account_of(r, decision, outcome);
    if (in_full) log_account(r, account, level);
    if (is_denial && in_full) keep_example(account);
    if (is_denial && in_full) note_issuer(decision);
    if (has_audit) write_audit(r, account);
}

}  // namespace

void account_for(request_rec* r, const RequestDecision& decision, Outcome outcome, bool is_lookup) {
    if (!is_lookup) {
        const std::size_t partner = note_partner(decision);
        count(partner, outcome, decision.reason, decision.duration);
        count_waiver(decision, partner);
    }
    // The common case: a grant that no log needs.
    const bool is_wanted =
        outcome != Outcome::kAllow || server_config(r->server).audit != nullptr || APLOG_R_IS_LEVEL(r, APLOG_DEBUG);
    if (is_wanted) report(r, decision, outcome, is_lookup);
}

void account_for_provider(request_rec* r, const RequestDecision& decision, const char* directive, bool grants) {
    const int level = decision.granted() ? APLOG_DEBUG : APLOG_INFO;
    const std::size_t partner = note_partner(decision);
    const DeferredReports* const pending = request_state(r).deferred;
    const bool is_first = pending == nullptr || (decision.granted() ? pending->satisfied : pending->refused) == nullptr;
    const bool explains = grants || !decision.granted();
    const bool counts = r->main == nullptr && is_first && explains;
    const bool is_logged = APLOG_R_IS_LEVEL(r, level);
    if (!counts && !is_logged) return;
    const Outcome outcome = decision.granted() ? Outcome::kAllow : Outcome::kDeny;
    const bool keeps = counts && (!decision.granted() || audit_log_for(r, outcome) != nullptr);
    const Account* account = nullptr;
    if (keeps || is_logged) {
        auto* const built = pool_new<Account>(r->pool, account_of(r, decision, outcome));
        built->directive = directive;
        account = built;
    }
    if (is_logged) {
        const char* const verb = decision.granted() ? "satisfied" : "not satisfied";
        ap_log_rerror(APLOG_MARK, level, 0, r, "mtls_authz: %s", denial_line(*account, verb).c_str());
    }
    if (!counts) return;
    if (grants) count_waiver(decision, partner);
    note_issuer(decision);
    DeferredReports& own = deferred(r);
    (decision.granted() ? own.satisfied : own.refused) =
        pool_new<ProviderFinding>(r->pool, ProviderFinding{decision.reason, partner, decision.duration,
                                                           keeps ? account : nullptr, line_key(decision, outcome)});
}

}  // namespace mtls::httpd
