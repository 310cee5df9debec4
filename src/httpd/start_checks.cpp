#include "start_checks.hpp"

#include <grp.h>
#include <unistd.h>

#include <algorithm>

#include "caching.hpp"
#include "config_tree.hpp"
#include "connection.hpp"
#include "dump.hpp"
#include "events.hpp"
#include "mtls_authz/request_path.hpp"
#include "mtls_authz/text.hpp"
#include "overriding.hpp"
#include "request.hpp"

extern "C" {
#include <unixd.h>
}

namespace mtls::httpd {

namespace {

using Kind = GateSection::Kind;
using Findings = std::vector<Diagnostic>;

void warn(Findings& findings, const Where& where, std::string message) {
    findings.push_back({Diagnostic::Severity::kWarning, where, std::move(message)});
}
void fail(Findings& findings, const Where& where, std::string message) {
    findings.push_back({Diagnostic::Severity::kError, where, std::move(message)});
}

bool is_main_server(const server_rec* s) { return !s->is_virtual; }

// Whether a literal Location covers a path: itself, or segment-wise below.
bool covers(const GateSection& section, std::string_view path) {
    std::string_view own = section.path;
    if (own == path || own == "/") return true;
    return is_below(own, path) || (own.ends_with('/') && path.starts_with(own));
}

bool is_literal_location(const GateSection& s) {
    return s.kind == Kind::kLocation && s.literal_prefix.size() == s.path.size();
}

bool is_enforced(const DirConfig& c) { return has_gate(c) && gate_mode(c) == GateMode::kOn; }

std::string rules_text(const DirConfig& c) {
    if (c.mode == GateMode::kOff) return "MTLSAuthz Off";
    if (c.allow == nullptr) return "MTLSAuthz LogOnly";
    std::string out = "MTLSAllow ";
    for (const GateRule& rule : *c.allow) out += (&rule == &c.allow->front() ? "" : " | ") + rule.text();
    return out;
}

// Whether `later`, which replaces what `earlier` said, lets in somebody whom `earlier` kept out.
bool is_wider(const DirConfig& later, const DirConfig& earlier) {
    if (!is_enforced(later)) return true;
    if (later.allow == nullptr || earlier.allow == nullptr) return earlier.allow == nullptr && later.allow != nullptr;
    return !std::all_of(later.allow->begin(), later.allow->end(), [&](const GateRule& rule) {
        return std::any_of(earlier.allow->begin(), earlier.allow->end(),
                           [&](const GateRule& known) { return known.covers(rule); });
    });
}

// httpd merges Locations in order of appearance, not by length: a shorter one that comes later replaces a longer one.
void check_order(const std::vector<const GateSection*>& sections, Findings& findings) {
    for (std::size_t i = 0; i < sections.size(); ++i) {
        const GateSection& early = *sections[i];
        if (!is_literal_location(early) || !is_enforced(*early.config)) continue;
        for (std::size_t j = i + 1; j < sections.size(); ++j) {
            const GateSection& late = *sections[j];
            const bool shorter =
                is_literal_location(late) && late.path.size() < early.path.size() && covers(late, early.path);
            const bool replaces = late.config->allow != nullptr || (late.config->mode && !is_enforced(*late.config));
            if (!shorter || !replaces) continue;
            const std::string what = "this later, shorter section replaces the gate of " + early.title() + " at " +
                                     early.where.str() + " with '" + rules_text(*late.config) +
                                     "': Locations count in order of appearance; put it before that one";
            const bool wider = is_wider(*late.config, *early.config);
            (wider ? fail : warn)(findings, late.where,
                                  what + (wider ? " (an error, since it lets in more than that one)" : ""));
        }
    }
}

void check_names(const Policy& policy, const GateSection& section, Findings& findings) {
    const auto check = [&](const GateRule& rule, bool deny) {
        const bool group = rule.kind == GateRule::Kind::kGroup;
        for (const NameReference& name : rule.names) {
            if (!name.capture.empty()) continue;
            if (group ? policy.has_group(name.literal) : policy.find(name.literal) != nullptr) continue;
            std::vector<std::string_view> known;
            if (policy.partners().size() <= 1000) {
                for (const Partner& partner : policy.partners()) known.push_back(partner.name);
            }
            const std::string what = std::string(deny ? "MTLSDeny" : "MTLSAllow") + ": there is no " +
                                     (group ? "group" : "partner") + " '" + name.literal + "'" +
                                     (group ? "" : did_you_mean(name.literal, known));
            // A denial that names nobody would keep out nobody.
            (deny && !group ? fail : warn)(findings, rule.where, what);
        }
    };
    if (section.config->allow != nullptr) {
        for (const GateRule& rule : *section.config->allow) check(rule, false);
    }
    if (section.config->deny != nullptr) {
        for (const GateRule& rule : *section.config->deny->rules) check(rule, true);
    }
}

void check_section(const GateSection& section, Findings& findings) {
    if (has_gate(*section.config) && gate_mode(*section.config) == GateMode::kLogOnly) {
        warn(findings, section.where,
             "MTLSAuthz LogOnly: " + section.title() +
                 " lets everybody through; it only logs "
                 "what it would deny");
    }
}

// What the directives of other modules around the gates of one server mean for them.
// `asked_elsewhere`: virtual hosts that inherit these sections ask for certificates.
void check_surroundings(const server_rec* s, const std::vector<const GateSection*>& sections, bool asked_elsewhere,
                        Findings& findings) {
    bool asks = asked_elsewhere;
    const auto look = [&](const ap_directive_t& d) {
        const auto words = config_words(d.args != nullptr ? d.args : "");
        if (equal_nocase(d.directive, "SSLVerifyClient") && !words.empty() && !equal_nocase(words[0], "none")) {
            asks = true;
            if (equal_nocase(words[0], "optional_no_ca")) {
                warn(findings, place_of(&d),
                     "SSLVerifyClient optional_no_ca: mod_ssl lets unverified certificates in; the "
                     "gates verify themselves, but other rules on SSL_CLIENT_* would believe them; "
                     "use optional");
            }
        }
        if (equal_nocase(d.directive, "CacheEnable")) {
            warn(findings, place_of(&d),
                 "CacheEnable beside gates: nothing that a gate decided is stored, but what was "
                 "stored before the gate was there is served without asking it; empty the cache");
        }
        const bool local_403 = equal_nocase(d.directive, "ErrorDocument") && words.size() == 2 && words[0] == "403" &&
                               words[1].starts_with('/');
        if (!local_403) return;
        const GateSection* last = nullptr;
        for (const GateSection* section : sections) {
            if (is_literal_location(*section) && covers(*section, words[1])) last = section;
        }
        if (last != nullptr && is_enforced(*last->config)) {
            warn(findings, place_of(&d),
                 "ErrorDocument 403 " + words[1] + " stands behind the gate of " + last->title() + " at " +
                     last->where.str() +
                     ": whoever is denied cannot read it either; move "
                     "it out, or give it a section with MTLSAuthz Off");
        }
    };
    for_each_directive(s, look);
    if (s->is_virtual) {
        const std::string inherited = server_setting(s, "SSLVerifyClient");
        asks = asks || (!inherited.empty() && !equal_nocase(inherited, "none"));
    }
    const bool has_own = !server_config(s).sections.empty();
    if (asks || !has_own) return;
    warn(findings, server_config(s).sections.front()->where,
         "the virtual host '" + std::string(s->server_hostname != nullptr ? s->server_hostname : "-") +
             "' has gates, but never asks for a certificate, so nobody can pass them: add SSLVerifyClient optional");
}

// With MTLSClientCA, whatever else looks at the client's certificate in this server trusts the policy's anchors too;
// with MTLSPurpose serverAuth, it sees certificates of servers.
void check_client_ca(const server_rec* s, const Policy& policy, Findings& findings) {
    const ClientCaMode mode = client_ca_of(s);
    const bool by_anchors = mode != ClientCaMode::kOff;
    if (!by_anchors && !policy.some_waive_purpose()) return;
    const auto look = [&](const ap_directive_t& d) {
        const std::string_view args = d.args != nullptr ? d.args : "";
        const auto is = [&d](const char* name) { return equal_nocase(d.directive, name); };
        if (is("CustomLog") || is("LogFormat") || is("ErrorLogFormat") || is("TransferLog")) return;
        const bool reads = args.find("SSL_CLIENT_") != std::string_view::npos || is("SSLRequire") ||
                           is("SSLUserName") ||
                           (is("Require") && args.find("ssl-verify-client") != std::string_view::npos) ||
                           (is("SSLOptions") && args.find("FakeBasicAuth") != std::string_view::npos);
        if (!reads) return;
        warn(findings, place_of(&d),
             std::string(d.directive) + " looks at the client's certificate by itself: " +
                 (by_anchors ? "with MTLSClientCA it believes the CAs of all partners, who can issue any name"
                             : "with MTLSPurpose serverAuth it sees certificates that were made for servers, too") +
                 "; use Require mtls-partner instead");
    };
    for_each_directive(s, look);
    if (!by_anchors) return;
    const auto check = server_setting_words(s, "SSLCARevocationCheck");
    const bool asks_crls = !check.empty() && !equal_nocase(check.front(), "none");
    if (asks_crls && !equal_nocase(check.back(), "no_crl_for_cert_ok")) {
        warn(findings, {},
             "the virtual host '" + std::string(s->server_hostname != nullptr ? s->server_hostname : "-") +
                 "' has SSLCARevocationCheck " + check.front() +
                 " beside MTLSClientCA: mod_ssl then wants a CRL in SSLCARevocationFile for every client, and refuses "
                 "in the handshake partners whose CRL is in MTLSCRLFile alone: write SSLCARevocationCheck " +
                 check.front() + " no_crl_for_cert_ok");
    }
    if (mode == ClientCaMode::kOn && !policy.cas().announced_names(kMostAnnouncedBytes, apr_time_sec(apr_time_now()))) {
        warn(findings, {},
             "MTLSClientCA On: the names of all trust anchors are more than 16 kB, so none are announced, and clients "
             "choose their certificate by themselves");
    }
}

void check_servers(const server_rec* main_server, const Policy& policy, Findings& findings) {
    std::vector<const GateSection*> inherited;
    bool some_virtual_asks = false;
    for (const server_rec* s = main_server; s != nullptr; s = s->next) {
        if (is_main_server(s)) inherited = server_config(s).sections;
        some_virtual_asks = some_virtual_asks || (s->is_virtual && !server_setting(s, "SSLVerifyClient").empty());
    }
    check_order(inherited, findings);
    for (const server_rec* s = main_server; s != nullptr; s = s->next) {
        check_client_ca(s, policy, findings);
        const auto& own = server_config(s).sections;
        std::vector<const GateSection*> sections = inherited;
        if (s->is_virtual) sections.insert(sections.end(), own.begin(), own.end());
        if (sections.empty()) continue;
        if (s->is_virtual && !own.empty()) check_order(sections, findings);
        check_surroundings(s, sections, is_main_server(s) && some_virtual_asks, findings);
    }
}

bool asks_for_grants(const DirConfig& c) {
    const auto by_grant = [](const GateRule& rule) { return rule.kind == GateRule::Kind::kByGrant; };
    return c.requires_grant || (c.allow != nullptr && std::any_of(c.allow->begin(), c.allow->end(), by_grant));
}

// Whether a gate that asks for grants could stand over a path that this pattern fits.
bool could_ask(const GateSection& section, const PathPattern& path) {
    if (!asks_for_grants(*section.config)) return false;
    if (section.kind != Kind::kLocation && section.kind != Kind::kLocationMatch) return true;
    const std::string_view own = section.literal_prefix;
    const std::string_view granted = path.literal_prefix();
    return own.starts_with(granted) || granted.starts_with(own);
}

// Grants that no gate asks for, and gates that ask for grants where there are none.
void check_grants(const Policy& policy, Findings& findings) {
    const auto& sections = state().sections;
    std::vector<const Grant*> grants;
    for (const Grant& grant : policy.grants()) grants.push_back(&grant);
    for (const Partner& partner : policy.partners()) {
        for (const Grant& grant : partner.grants) grants.push_back(&grant);
    }
    constexpr std::size_t kMostNamed = 10;
    std::size_t idle = 0;
    for (const Grant* grant : grants) {
        for (const PathPattern& path : grant->paths) {
            const bool asked = std::any_of(sections.begin(), sections.end(),
                                           [&](const GateSection* section) { return could_ask(*section, path); });
            if (asked || ++idle > kMostNamed) continue;
            warn(findings, grant->where,
                 "MTLSGrant " + std::string(path.text()) +
                     ": no gate asks for it; put MTLSAllow by-grant into the section over that "
                     "path");
        }
    }
    if (idle > kMostNamed) warn(findings, {}, std::to_string(idle - kMostNamed) + " more grants likewise");
    for (const GateSection* section : sections) {
        if (!grants.empty() || !asks_for_grants(*section->config)) continue;
        warn(
            findings, section->where,
            section->title() + " asks for grants, but the policy has none, so nobody can pass it: add MTLSGrant lines");
    }
}

constexpr int kOldestPatch = 64;

void check_version(Findings& findings) {
    ap_version_t version{};
    ap_get_server_revision(&version);
    const bool old = version.major == 2 && version.minor == 4 && version.patch < kOldestPatch;
    if (old) {
        warn(findings, {},
             "httpd " + std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
                 std::to_string(version.patch) +
                 ": before 2.4.64, unless your distribution has the fix (CVE-2025-23048), a TLS session of one "
                 "virtual host could be resumed at another");
    }
}

void report(const Findings& findings, const server_rec* s) {
    for (const Diagnostic& d : findings) {
        const bool error = d.severity == Diagnostic::Severity::kError;
        ap_log_error(APLOG_MARK, error ? APLOG_EMERG : APLOG_WARNING, 0, s, "mtls_authz: %s", d.str().c_str());
    }
}

// The configuration is read twice at start; the first time only errors are worth a line, unless it is only a test.
bool is_rehearsal() {
    return ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG &&
           ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_NORMAL;
}

// A virtual host without a server-level directive of ours shares the main server's object until here; each needs its
// own, since what mod_ssl trusts differs between them.
void separate_server_configs(server_rec* main_server) {
    const ServerConfig* const shared = &server_config(main_server);
    for (server_rec* s = main_server->next; s != nullptr; s = s->next) {
        if (&server_config(s) == shared) {
            ap_set_module_config(s->module_config, &mtls_authz_module, pool_new<ServerConfig>(s->process->pconf));
        }
        if (!server_config(s).client_ca) server_config(s).client_ca = shared->client_ca;
    }
}

bool authenticates_by_certificate(const ap_directive_t& d) {
    if (!equal_nocase(d.directive, "AuthType") || d.args == nullptr) return false;
    const auto words = config_words(d.args);
    return !words.empty() && equal_nocase(words.front(), "MTLS");
}

bool has_own_gates(const server_rec* s) {
    const auto& sections = server_config(s).sections;
    bool has = std::any_of(sections.begin(), sections.end(), [](const GateSection* section) {
        return has_gate(*section->config) || section->config->has_provider;
    });
    for_each_directive(s, [&has](const ap_directive_t& d) { has = has || authenticates_by_certificate(d); });
    return has;
}

void note_servers_with_gates(server_rec* main_server) {
    const bool inherited = has_own_gates(main_server);
    for (server_rec* s = main_server; s != nullptr; s = s->next) {
        server_config(s).has_gates = inherited || has_own_gates(s);
    }
}

// Who could change the files that decide who is let in.
FileTrust trust_of_server(Findings& findings) {
    FileTrust trust;
    trust.starter = geteuid();
    trust.run_user = trust.starter;
    trust.run_group = getegid();
    trust.fetcher = state().fetch_user;
    if (trust.starter == 0) {
        trust.run_user = ap_unixd_config.user_id;
        trust.run_group = ap_unixd_config.group_id;
        int count = 256;
        trust.more_groups.resize(static_cast<std::size_t>(count));
        const char* const name = ap_unixd_config.user_name;
        const bool named = name != nullptr && name[0] != '#';
        if (!named || getgrouplist(name, trust.run_group, trust.more_groups.data(), &count) < 0) count = 0;
        trust.more_groups.resize(static_cast<std::size_t>(count));
    }
    if (!trust.has_own_user()) {
        warn(findings, {},
             "httpd is not started as root with a User of its own: whoever takes over the server can change the files "
             "that decide who is let in");
    }
    return trust;
}

// HUP or USR1: a server is there, and has to stay.
bool is_restart() {
    return ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_CONFIG && ap_state_query(AP_SQ_CONFIG_GEN) > 1;
}

// Null where it cannot be had. What is thrown is one more error: it must neither end a server that is restarted, nor
// keep one from being stopped.
std::shared_ptr<const Policy> build_policy(State& s, Findings& findings, Findings& reported) {
    try {
        return s.live.policy.start(findings, reported);
    } catch (const std::exception& e) {
        findings.push_back({Diagnostic::Severity::kError, {}, std::string("the policy cannot be built: ") + e.what()});
        return nullptr;
    }
}

bool has_error(const Findings& findings) {
    return std::any_of(findings.begin(), findings.end(),
                       [](const Diagnostic& d) { return d.severity == Diagnostic::Severity::kError; });
}

// Policy files are wrong, httpd.conf is not.
int fail_for_files(State& s) {
    const bool may_go_on = is_restart() || (!s.policy && s.starts_without_policy);
    // `httpd -k` checks the configuration before it signals the server that is there, and never comes to post_config: a
    // server can be stopped whatever the files hold, and restarts with the policy that it has.
    s.must_not_start = !may_go_on && is_rehearsal();
    return may_go_on || s.must_not_start ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

int check_configuration(server_rec* main_server) {
    State& s = state();
    separate_server_configs(main_server);
    note_servers_with_gates(main_server);
    Findings findings;
    s.live.policy.set_trust(trust_of_server(findings));
    if (!is_rehearsal()) {
        if (const int opened = open_board(main_server); opened != OK) return opened;
        s.live.policy.share_between_processes(*s.live.board);
    }
    Findings of_policy;
    Findings of_files;
    s.policy = build_policy(s, of_policy, of_files);
    const bool is_recalled = s.live.policy.recalled();
    bool files_fail = !s.policy || has_error(of_policy);
    // The keeper finds the same with its first look.
    if (is_recalled && s.refresh_seconds > 0) of_policy.clear();
    // Nothing that is wrong with a revocation file or a CRL keeps the server from starting.
    for (Diagnostic& d : of_files) d.severity = Diagnostic::Severity::kWarning;
    findings.insert(findings.end(), of_files.begin(), of_files.end());
    findings.insert(findings.end(), s.gate_warnings.begin(), s.gate_warnings.end());
    if (s.policy) {
        Findings names;
        for (const GateSection* section : s.sections) check_names(*s.policy, *section, names);
        // Which partners there are is up to the files: a server that is there goes on.
        for (Diagnostic& d : names) {
            if (is_restart()) d.severity = Diagnostic::Severity::kWarning;
            of_policy.push_back(std::move(d));
        }
        for (const GateSection* section : s.sections) check_section(*section, findings);
        check_servers(main_server, *s.policy, findings);
        check_grants(*s.policy, findings);
        check_purposes(*s.policy, findings);
        check_fronts(*s.policy, findings);
        check_version(findings);
    }
    check_event_program(findings);
    const bool conf_fails = has_error(findings);
    files_fail = files_fail || has_error(of_policy);
    findings.insert(findings.begin(), of_policy.begin(), of_policy.end());
    const bool is_normal = ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_NORMAL;
    if (!conf_fails && is_normal && (!files_fail || is_recalled)) {
        // Once httpd is in the background, standard error leads nowhere, and the error log is not open yet.
        if (!is_rehearsal()) s.start_findings = std::move(findings);
        return OK;
    }
    report(findings, main_server);
    if (conf_fails) return HTTP_INTERNAL_SERVER_ERROR;
    return files_fail ? fail_for_files(s) : OK;
}

bool same_ca(const X509& a, const X509& b) {
    return X509_NAME_cmp(X509_get_subject_name(&a), X509_get_subject_name(&b)) == 0 && spki_sha256(a) == spki_sha256(b);
}

// Whether the handshake lets certificates of this CA in: it, or the one that issued it, is among mod_ssl's.
bool is_known_to(const ServerCas& cas, X509& anchor) {
    const ErrorQueueGuard errors;
    return std::any_of(cas.certificates.begin(), cas.certificates.end(), [&](const X509Ptr& ca) {
        if (same_ca(*ca, anchor)) return true;
        const bool named = X509_NAME_cmp(X509_get_subject_name(ca.get()), X509_get_issuer_name(&anchor)) == 0;
        return named && X509_verify(&anchor, X509_get0_pubkey(ca.get())) == 1;
    });
}

// Anchors that mod_ssl does not know: their partners' handshakes fail before any gate is asked.
void check_anchors(server_rec* s, Findings& findings) {
    const ServerCas& cas = server_config(s).cas;
    constexpr std::size_t kMostNamed = 10;
    std::size_t unknown = 0;
    for (const Partner& partner : state().policy->partners()) {
        if (!partner.has_own_anchors) continue;
        for (const Anchor& anchor : partner.anchors->anchors) {
            for (const AnchorCertificate& c : anchor.certificates) {
                if (is_known_to(cas, *c.decode()) || ++unknown > kMostNamed) continue;
                warn(findings, anchor.where,
                     "MTLSTrustAnchor " + std::string(anchor.file) + " of " + std::string(partner.name) +
                         ": the virtual host '" + s->server_hostname +
                         "' does not know this CA, so the handshake refuses its certificates: add "
                         "it to SSLCACertificateFile");
            }
        }
    }
    if (unknown > kMostNamed) warn(findings, {}, std::to_string(unknown - kMostNamed) + " more trust anchors likewise");
}

}  // namespace

void check_gate_names(const Policy& policy, std::vector<Diagnostic>& findings) {
    for (const GateSection* section : state().sections) check_names(policy, *section, findings);
    check_fronts(policy, findings);
    for (Diagnostic& d : findings) d.severity = Diagnostic::Severity::kWarning;
}

// One that has ended is warned of when the policy is built.
void check_purposes(const Policy& policy, std::vector<Diagnostic>& findings) {
    const std::int64_t now = apr_time_sec(apr_time_now());
    for (const Partner& partner : policy.partners()) {
        if (!partner.server_purpose || !partner.server_purpose->until) continue;
        const std::int64_t until = *partner.server_purpose->until;
        if (until < now || !state().late.is_late(until, now)) continue;
        warn(findings, partner.where,
             "MTLSPurpose serverAuth of " + std::string(partner.name) + " ends on " + format_time(until) + ", " +
                 distance_text(now, until) + ": by then the partner needs a certificate that was made for clients" +
                 (partner.contact.empty() ? "" : "; contact: " + escape_for_log(partner.contact, 200)));
    }
}

namespace {

int check_after_start(server_rec* main_server) {
    if (state().must_not_start) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, main_server,
                     "mtls_authz: the server does not start, because of the errors that it printed before this line");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (is_rehearsal()) return OK;
    if (!state().policy) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, main_server, "mtls_authz: the policy is refused: %s", kAllClosed);
        state().ledger->refused_since = apr_time_sec(apr_time_now());
        return OK;
    }
    Findings findings = std::exchange(state().start_findings, {});
    const bool main_has_gates = std::any_of(state().sections.begin(), state().sections.end(),
                                            [](const GateSection* g) { return is_main_server(g->server); });
    for (server_rec* s = main_server; s != nullptr; s = s->next) {
        const bool gates = main_has_gates || !server_config(s).sections.empty();
        const std::string verify = server_setting(s, "SSLVerifyClient");
        const bool verifies =
            !verify.empty() && !equal_nocase(verify, "none") && !equal_nocase(verify, "optional_no_ca");
        const bool by_anchors = client_ca_of(s) != ClientCaMode::kOff;
        if (gates && verifies && server_config(s).has_tls && !by_anchors) check_anchors(s, findings);
    }
    report(findings, main_server);
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, main_server,
                 "mtls_authz: generation %s: %" APR_SIZE_T_FMT " partner(s), %" APR_SIZE_T_FMT " gate(s)",
                 std::string(state().policy->generation()).c_str(), state().policy->partners().size(),
                 state().sections.size());
    return OK;
}

extern "C" int on_pre_config(apr_pool_t* pconf, apr_pool_t*, apr_pool_t*) {
    return guarded(nullptr, HTTP_INTERNAL_SERVER_ERROR, [&] {
        start_reading(pconf);
        hook_caching();
        hook_handlers();
        if (is_any_directive(authenticates_by_certificate)) hook_path_overrides();
        return OK;
    });
}
extern "C" int on_check_config(apr_pool_t*, apr_pool_t*, apr_pool_t*, server_rec* s) {
    return guarded(s, HTTP_INTERNAL_SERVER_ERROR, [&] { return check_configuration(s); });
}
extern "C" int on_post_config(apr_pool_t*, apr_pool_t*, apr_pool_t*, server_rec* s) {
    return guarded(s, HTTP_INTERNAL_SERVER_ERROR, [&] { return check_after_start(s); });
}
extern "C" void on_test_config(apr_pool_t* pconf, server_rec* s) {
    guarded(s, DECLINED, [&] {
        dump_policy(pconf);
        return OK;
    });
}

}  // namespace

void register_start_hooks() {
    static const char* const kAfterSsl[] = {"mod_ssl.c", nullptr};
    ap_hook_pre_config(on_pre_config, nullptr, nullptr, APR_HOOK_MIDDLE);
    ap_hook_check_config(on_check_config, nullptr, nullptr, APR_HOOK_MIDDLE);
    ap_hook_post_config(on_post_config, kAfterSsl, nullptr, APR_HOOK_MIDDLE);
    ap_hook_test_config(on_test_config, nullptr, nullptr, APR_HOOK_MIDDLE);
}

}  // namespace mtls::httpd
