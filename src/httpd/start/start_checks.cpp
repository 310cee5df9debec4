#include "httpd/start/start_checks.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>

#include "httpd/config/config_tree.hpp"
#include "httpd/config/log.hpp"
#include "httpd/config/sections.hpp"
#include "httpd/decide/policy_checks.hpp"
#include "httpd/keeper/database.hpp"
#include "httpd/keeper/events.hpp"
#include "httpd/keeper/live.hpp"
#include "httpd/request/caching.hpp"
#include "httpd/request/overriding.hpp"
#include "httpd/request/request.hpp"
#include "httpd/start/dump.hpp"
#include "httpd/start/forward_checks.hpp"
#include "httpd/start/section_checks.hpp"
#include "httpd/start/status_checks.hpp"
#include "httpd/tell/audit.hpp"
#include "httpd/tls/connection.hpp"
#include "mtls_authz/base/text.hpp"

extern "C" {
#include <unixd.h>
}

namespace mtls::httpd {

namespace {

using Findings = std::vector<Diagnostic>;

constexpr int kOldestPatch = 64;

void check_version(Findings& findings) {
    ap_version_t version{};
    ap_get_server_revision(&version);
    const bool old = version.major == 2 && version.minor == 4 && version.patch < kOldestPatch;
    if (old) {
        findings.push_back(
            {Diagnostic::Severity::kWarning,
             {},
             "httpd " + std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
                 std::to_string(version.patch) +
                 ": before 2.4.64, unless your distribution has the fix (CVE-2025-23048), a TLS session of one "
                 "virtual host could be resumed at another"});
    }
}

// What decides by settings of mod_ssl would read them off the main server.
void check_tree(const server_rec* main_server, Findings& findings) {
    for (const server_rec* s = main_server; s != nullptr; s = s->next) {
        if (is_in_tree(s)) continue;
        findings.push_back({Diagnostic::Severity::kError, place_of(s),
                            "mod_mtls_authz cannot read the settings of this <VirtualHost>, as httpd does not keep it "
                            "among its directives, or keeps two at this place: write it into a file of its own, and "
                            "Include that"});
    }
}

// Intermediates of the policy lengthen paths.
void check_depths(const server_rec* main_server, const Policy& policy, Findings& findings) {
    const auto& partners = policy.partners();
    const auto with = std::find_if(partners.begin(), partners.end(),
                                   [](const Partner& partner) { return !partner.intermediates.empty(); });
    if (with == partners.end()) return;
    for (const server_rec* s = main_server; s != nullptr; s = s->next) {
        if (!serves_tls(s) || client_ca_of(s) == ClientCaMode::kOff || verify_depth_of(s) > 1) continue;
        findings.push_back({Diagnostic::Severity::kWarning, place_of(s),
                            "SSLVerifyDepth of this virtual host is " + std::to_string(verify_depth_of(s)) +
                                ", and paths over an MTLSIntermediate, as " + std::string(with->name) +
                                " has one, are longer: the handshake refuses them (too-deep); write SSLVerifyDepth 5"});
    }
}

void report(const Findings& findings, const server_rec* s) {
    for (const Diagnostic& d : first_of_each_file(findings)) {
        ap_log_error(APLOG_MARK, d.is_error() ? APLOG_EMERG : APLOG_WARNING, 0, s, "mtls_authz: %s", d.str().c_str());
    }
}

// httpd reads the configuration twice at start; the first time only errors are logged, unless it is only a test.
bool is_rehearsal() {
    return ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG &&
           ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_NORMAL;
}

// Until here, a virtual host without a server-level directive of ours shares the main server's object; each needs its
// own, since mod_ssl's CAs differ between them.
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

bool is_asked_by_httpd(const ap_directive_t& d) {
    if (authenticates_by_certificate(d)) return true;
    const auto words =
        equal_nocase(d.directive, "Require") && d.args != nullptr ? config_words(d.args) : std::vector<std::string>();
    return std::any_of(words.begin(), words.end(), [](const auto& word) { return lower(word).starts_with("mtls-"); });
}

// Reports AuthMerging Or, if Require mtls-* or AuthType MTLS is anywhere.
void check_merging(Findings& findings) {
    if (!is_any_directive(is_asked_by_httpd)) return;
    for_every_directive([&findings](const ap_directive_t& d) {
        if (!equal_nocase(d.directive, "AuthMerging") || d.args == nullptr || !equal_nocase(trim(d.args), "Or")) return;
        findings.push_back({Diagnostic::Severity::kWarning, place_of(&d),
                            "AuthMerging Or: a request then passes by the Require lines of any section that covers it, "
                            "also by Require all granted of a <Directory>, and Require mtls-* of these sections "
                            "refuses nobody; write the alternatives into one <RequireAny>, without AuthMerging"});
    });
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

// Calls getgrouplist(), whose groups are of type int on macOS.
template <class Group>
int list_groups(int (*list)(const char*, Group, Group*, int*), const char* user, gid_t first, gid_t* out, int& count) {
    void* const any = out;
    return list(user, static_cast<Group>(first), static_cast<Group*>(any), &count);
}

// The user ID of MTLSFetchUser. A restart after its user was deleted keeps the ID, since without it the CRLs that it
// owns would be unusable, and refuse everybody below their CAs.
std::optional<uid_t> find_fetcher(Findings& findings) {
    const State& s = state();
    if (!s.fetch_user) return std::nullopt;
    // Not ap_uname2id(), which ends the process if there is no such user.
    const passwd* const user = getpwnam(s.fetch_user->c_str());
    KeeperBoard* const board = s.live.board;
    if (user == nullptr) {
        findings.push_back({Diagnostic::Severity::kError, s.fetch_user_at,
                            "MTLSFetchUser: there is no user " + in_quotes(*s.fetch_user, 60) +
                                ": expected the one as whom mtls-authz fetch runs"});
        if (board == nullptr || board->fetcher < 0) return std::nullopt;
        return static_cast<uid_t>(board->fetcher);
    }
    if (board != nullptr) board->fetcher = user->pw_uid;
    return user->pw_uid;
}

// The owners that may change the files which decide access.
FileTrust trust_of_server(Findings& findings) {
    FileTrust trust;
    trust.starter = geteuid();
    trust.run_user = trust.starter;
    trust.run_group = getegid();
    if (trust.starter == 0) {
        trust.run_user = ap_unixd_config.user_id;
        trust.run_group = ap_unixd_config.group_id;
        int count = 256;
        trust.more_groups.resize(static_cast<std::size_t>(count));
        const char* const name = ap_unixd_config.user_name;
        const bool named = name != nullptr && name[0] != '#';
        if (!named || list_groups(getgrouplist, name, trust.run_group, trust.more_groups.data(), count) < 0) count = 0;
        trust.more_groups.resize(static_cast<std::size_t>(count));
    }
    if (!trust.has_own_user()) {
        findings.push_back(
            {Diagnostic::Severity::kWarning,
             {},
             "httpd is not started as root with a User of its own: an attacker in a child can change the files that "
             "decide who is let in"});
    }
    return trust;
}

// Null on failure. An exception becomes an error: it must neither end a server during a restart, nor prevent stopping
// one.
std::shared_ptr<const Policy> build_policy(State& s, Findings& findings, Findings& reported) {
    try {
        return s.live.policy.start(findings, reported);
    } catch (const std::exception& e) {
        findings.push_back({Diagnostic::Severity::kError, {}, std::string("the policy cannot be built: ") + e.what()});
        return nullptr;
    }
}

// Despite faults outside the text of httpd.conf: errors in policy files, or, if `is_policy` is false, a user or folder
// that does not exist.
bool may_go_on(const State& s, bool is_policy) {
    return is_restart() || (is_policy && !s.policy && s.starts_without_policy);
}

// Once httpd is in the background, its standard error is closed, and the error log is not open before post_config: that
// tells then, and ends the start.
bool is_unheard() { return ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_NORMAL && !is_rehearsal() && !is_restart(); }

int tell_later(State& s, Findings findings, bool fails) {
    s.start_findings = std::move(findings);
    s.must_not_start = fails;
    return OK;
}

int fail_for_files(State& s, bool is_policy) {
    // `httpd -k` checks the configuration before it signals the running server, and never runs post_config: a server
    // can be stopped whatever the files hold, and restarts with its current policy.
    if (may_go_on(s, is_policy)) return OK;
    s.must_not_start = is_rehearsal();
    return s.must_not_start ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

int fail_for_memory(State& s, const server_rec* main_server) {
    Findings findings = {{Diagnostic::Severity::kError,
                          {},
                          "no memory and sockets to share between processes: let the server have more of them (ulimit "
                          "-v, -n)"}};
    if (is_unheard()) return tell_later(s, std::move(findings), true);
    report(findings, main_server);
    return HTTP_INTERNAL_SERVER_ERROR;
}

int check_configuration(server_rec* main_server) {
    State& s = state();
    separate_server_configs(main_server);
    note_servers_with_gates(main_server);
    Findings findings;
    if (!is_rehearsal()) {
        if (!open_board(main_server)) return fail_for_memory(s, main_server);
        s.live.policy.share_between_processes(*s.live.board);
    }
    Findings of_names;  // of a user or a folder that is gone: no reason to end a server that runs
    FileTrust trust = trust_of_server(findings);
    trust.fetcher = find_fetcher(of_names);
    if (trust.has_own_user() && trust.fetcher == trust.run_user) {
        findings.push_back(
            {Diagnostic::Severity::kWarning, s.fetch_user_at,
             "MTLSFetchUser " + escape_for_log(*s.fetch_user, 60) +
                 ": httpd runs as this user, so what it owns stays refused: an attacker in a child could "
                 "take refusals back; name a user of its own, like mtls-authz"});
    }
    s.live.policy.set_trust(trust);
    Findings of_policy;
    Findings of_files;
    read_database();
    s.policy = build_policy(s, of_policy, of_files);
    const bool is_recalled = s.live.policy.recalled();
    bool files_fail = !s.policy || has_error(of_policy);
    // The keeper's first poll reports the same, as errors.
    if (is_restart() && s.refresh_seconds > 0) {
        if (is_recalled && s.policy) of_policy.clear();
        std::erase_if(of_files, [](const Diagnostic& d) { return d.is_error(); });
        s.live.policy.report_again();
    }
    // Faults of a revocation file or a CRL never stop the start.
    for (Diagnostic& d : of_files) d.severity = Diagnostic::Severity::kWarning;
    findings.insert(findings.end(), of_files.begin(), of_files.end());
    findings.insert(findings.end(), s.gate_warnings.begin(), s.gate_warnings.end());
    if (s.policy) {
        Findings names;
        check_gate_names(*s.policy, names);
        // Policy files define the partners: a missing one must not end a running server. Such a denial denies all.
        for (Diagnostic& d : names) {
            if (is_restart() || s.starts_without_policy) d.severity = Diagnostic::Severity::kWarning;
            of_policy.push_back(std::move(d));
        }
        check_purposes(*s.policy, findings);
        check_fronts(*s.policy, findings);
        check_forwarding(*s.policy, findings);
        check_depths(main_server, *s.policy, findings);
    }
    check_sections(main_server, s.policy.get(), findings);
    check_merging(findings);
    check_version(findings);
    check_tree(main_server, findings);
    check_event_program(findings);
    check_audit_logs(main_server, of_names);
    check_status_places(findings);
    const bool conf_fails = has_error(findings);
    files_fail = files_fail || has_error(of_policy);
    const bool names_fail = has_error(of_names) && !is_restart();
    findings.insert(findings.begin(), of_policy.begin(), of_policy.end());
    findings.insert(findings.begin(), of_names.begin(), of_names.end());
    const bool files_count = names_fail || (files_fail && !is_recalled);
    if (is_unheard()) {
        const bool fails = conf_fails || (files_count && !may_go_on(s, !names_fail));
        return tell_later(s, std::move(findings), fails);
    }
    const bool is_normal = ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_NORMAL;
    if (!conf_fails && !files_count && is_normal)
        return is_rehearsal() ? OK : tell_later(s, std::move(findings), false);
    report(findings, main_server);
    if (conf_fails) return HTTP_INTERNAL_SERVER_ERROR;
    return files_fail || names_fail ? fail_for_files(s, !names_fail) : OK;
}

int check_after_start(server_rec* main_server) {
    if (state().must_not_start) {
        const Findings findings = std::exchange(state().start_findings, {});
        report(findings, main_server);
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, main_server, "mtls_authz: the server does not start, because of %s",
                     findings.empty() ? "errors that are on standard error (systemd: journalctl -u apache2, or httpd)"
                                      : "these errors");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (is_rehearsal()) return OK;
    if (!state().policy) {
        report(std::exchange(state().start_findings, {}), main_server);
        // What was in force before a restart is on the shelf.
        const bool is_recalled = state().live.policy.recalled();
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, main_server, "mtls_authz: the policy is refused: %s",
                     is_recalled ? "the one from before the restart stays in force" : kAllClosed);
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
        server_config(s).gates_need_cas = gates && verifies && server_config(s).has_tls && !by_anchors;
    }
    check_anchors(main_server, *state().policy, findings);
    report(findings, main_server);
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, main_server,
                 "mtls_authz: generation %s: %" APR_SIZE_T_FMT " partner(s), %" APR_SIZE_T_FMT " gate(s)",
                 std::string(state().policy->generation()).c_str(), state().policy->partners().size(),
                 state().sections.size());
    return OK;
}

// An .htaccess file may set one, too.
bool may_set_action(const ap_directive_t& d) {
    const std::string_view args = d.args != nullptr ? trim(d.args) : "";
    if (equal_nocase(d.directive, "AllowOverride") || equal_nocase(d.directive, "AllowOverrideList")) {
        return !equal_nocase(args, "None");
    }
    return equal_nocase(d.directive, "Action") || equal_nocase(d.directive, "Script");
}

void note_actions() {
    State& s = state();
    s.has_actions = ap_find_linked_module("mod_actions.c") != nullptr && is_any_directive(may_set_action);
    if (!s.has_actions) return;
    for_every_directive([&s](const ap_directive_t& d) {
        const auto words = config_words(may_set_action(d) && d.args != nullptr ? d.args : "");
        if (words.size() > 1 && words[1].starts_with('/')) s.action_programs.push_back(words[1]);
    });
}

void note_subversion() {
    if (!is_any_directive(serves_subversion)) return;
    auto& uris = state().svn_uris;
    uris.emplace_back("/!svn");
    for_every_directive([&uris](const ap_directive_t& d) {
        if (!equal_nocase(d.directive, "SVNSpecialURI")) return;
        for (const std::string& word : config_words(d.args != nullptr ? d.args : "")) {
            const std::size_t first = word.find_first_not_of('/'), last = word.find_last_not_of('/');
            if (first != word.npos) uris.push_back('/' + word.substr(first, last - first + 1));
        }
    });
}

extern "C" int on_pre_config(apr_pool_t* pconf, apr_pool_t*, apr_pool_t*) {
    return guarded(nullptr, HTTP_INTERNAL_SERVER_ERROR, [&] {
        start_reading(pconf);
        hook_caching();
        hook_handlers();
        hook_patterns();
        note_path_requirements();
        note_actions();
        note_subversion();
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
    attempt(s, [&] { dump_policy(pconf); });
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
