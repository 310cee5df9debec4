// Configuration as httpd keeps it: what the directives leave behind, and how sections merge.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/decide/gate.hpp"
#include "mtls_authz/httpd/config/announced_names.hpp"
#include "mtls_authz/httpd/config/httpd.hpp"
#include "mtls_authz/httpd/config/live_state.hpp"
#include "mtls_authz/httpd/config/section_pattern.hpp"
#include "mtls_authz/ledger/ledger.hpp"
#include "mtls_authz/policy/lateness.hpp"
#include "mtls_authz/trust/handshake_path.hpp"

namespace mtls::httpd {

enum class EnvLevel { kBasic, kAll };
// How httpd joins the requirements of sections. kMixed: what was joined by And stands beside an Or, so that one section
// may hold and yet let nobody in.
enum class AuthMerging { kNone, kAnd, kOr, kMixed };
enum class ClientCaMode { kOff, kOn, kQuiet };

struct GateSection;
struct AuditLog;        // tell/audit.hpp
struct AcceptedFronts;  // decide/front.hpp
struct ForwardRule;     // request/forward.hpp

// What some rule asks of a request, beside whose it is.
struct RuleTraits {
    bool methods = false;   // of it, or of its grants
    bool captures = false;  // names from the section's regular expression

    static RuleTraits of(const GateRule& rule);
    RuleTraits operator|(const RuleTraits& other) const {
        return {methods || other.methods, captures || other.captures};
    }
};

// What one section says, or what several say after merging. httpd merges two or three times per request, in worker
// threads: everything behind the pointers is immutable once the configuration is read.
struct DirConfig {
    std::optional<GateMode> mode;
    GateRules* allow = nullptr;
    RuleTraits allow_traits;
    DenyChain* deny = nullptr;
    RuleTraits deny_traits;
    std::optional<bool> remote_user;
    std::optional<EnvLevel> env;
    std::optional<bool> status;              // whether mtls-authz-status answers here
    std::optional<bool> error_detail;        // whether a denial says why
    const ForwardRule* forward = nullptr;    // what is handed to the backend; null: never said
    const AcceptedFronts* fronts = nullptr;  // who may hand certificates on; null: never said, which is nobody
    bool has_provider = false;               // a Require mtls-* stands here or around
    bool requires_grant = false;             // a Require mtls-grant does
    AuthMerging auth_merging = AuthMerging::kNone;
    GateSection* section = nullptr;     // the section that `allow` or `mode` comes from
    GateSection* authorizer = nullptr;  // the last section that has Require mtls-* or AuthType MTLS
};
static_assert(std::is_trivially_copyable_v<DirConfig>);
inline RuleTraits traits_of(const DirConfig& config) { return config.allow_traits | config.deny_traits; }
inline bool asks_captures(const DirConfig& c) { return c.allow_traits.captures || c.deny_traits.captures; }

// One section of the configuration that holds a gate: for the checks at start, and for places below a DAV collection.
struct GateSection {
    enum class Kind { kServer, kLocation, kLocationMatch, kDirectory, kDirectoryMatch, kOther };
    Kind kind = Kind::kOther;
    bool is_regex = false;       // <...Match> and <... ~>
    std::string path;            // as written; a regular expression for the *Match kinds
    std::string literal_prefix;  // what every path that it covers begins with
    std::string authorization;   // its Require lines and what else decides on users, as one text; for Require mtls-*
                                 // and AuthType MTLS alone
    bool authenticates = false;  // it has AuthType MTLS
    Where where;
    const server_rec* server = nullptr;
    const DirConfig* config =
        nullptr;                // of this section alone; nothing of a gate where it has Require mtls-* or AuthType MTLS
    std::string title() const;  // "<Location /orders>"
};

struct ServerConfig {
    ServerCas cas;                             // what mod_ssl was given for this virtual host at start
    OwnStore own;                              // the same, for OpenSSL, where other virtual hosts trust live anchors
    bool has_tls = false;                      // mod_ssl serves it
    bool lets_unknown_cas_in = false;          // SSLVerifyClient optional_no_ca
    bool has_gates = false;                    // own or the main server's: gates, Require mtls-*, AuthType MTLS
    std::vector<const GateSection*> sections;  // gates written in this server
    std::optional<ClientCaMode> client_ca;     // whether the handshake trusts the live anchors too
    AuditLog* audit = nullptr;                 // own, or the main server's
};

// One for each configuration that is read; lives in pconf.
struct State {
    explicit State(const std::string& root);
    ~State();
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    // What requests are decided on; none before start, or where no policy can be had.
    SnapshotReader snapshot() const {
        keep_up();
        return live.policy.current();
    }
    // What is in force counts for this request, whether or not the thread that follows has been there.
    void keep_up() const {
        if (live.policy.is_behind()) live.follow_now();
    }

    // Whether fronts are in force, so that their headers are to be taken out of requests.
    bool has_fronts() const {
        keep_up();
        return live.policy.has_fronts();
    }

    std::shared_ptr<const Policy> policy;  // as configured at start; null until check_config
    Live live;
    Ledger* ledger = nullptr;                // never null once requests are served
    bool measures_time = false;              // somebody will read how long decisions took
    int refresh_seconds = 1;                 // MTLSPolicyRefresh
    bool starts_without_policy = false;      // MTLSPolicyStart last-good
    LateRule late;                           // MTLSWarn
    std::vector<std::string> event_command;  // MTLSEventCmd; empty: none
    Where event_command_at;
    std::optional<uid_t> fetch_user;          // MTLSFetchUser
    std::string seen_file;                    // where the keeper writes who was seen; empty: nowhere
    std::vector<std::string> forwarded_keys;  // by header_key(): what MTLSForward sets, and nobody else may
    bool watches_headers = false;             // headers that override the path are taken from requests
    bool watches_trailers = false;            // a filter takes from them what headers may not say
    bool takes_captures = false;              // some rule names what a section's regular expression captured
    std::vector<SectionPattern> patterns;     // that such rules name; NameReference counts them from 1
    bool compares = false;                    // some gate is LogOnly
    bool has_live_anchors = false;            // some virtual host has MTLSClientCA On or Quiet
    bool has_cache = false;                   // some module may store answers
    // mod_cache's filters, where it is loaded; null otherwise.
    const ap_filter_rec_t* cache_save = nullptr;
    const ap_filter_rec_t* cache_save_subrequest = nullptr;
    std::vector<const AcceptedFronts*> accepted_fronts;
    std::vector<const GateSection*> sections;
    std::vector<Diagnostic> gate_warnings;
    std::vector<Diagnostic> start_findings;  // of check_config, until there is an error log
    bool must_not_start = false;             // check_config found errors, and left it to post_config to end the server
    std::string server_root;
    AnnouncedNames announced_names;
};

// The state of the configuration in force; null where there is none, at the end.
extern State* state_in_force;
inline State& state() { return *state_in_force; }
void start_reading(apr_pool_t* pconf);

inline const DirConfig& dir_config(const request_rec* r) {
    static constexpr DirConfig kNothingWritten;
    const void* const written = ap_get_module_config(r->per_dir_config, &mtls_authz_module);
    return written != nullptr ? *static_cast<const DirConfig*>(written) : kNothingWritten;
}
inline ServerConfig& server_config(const server_rec* s) {
    return *static_cast<ServerConfig*>(ap_get_module_config(s->module_config, &mtls_authz_module));
}
inline ClientCaMode client_ca_of(const server_rec* s) {
    return server_config(s).client_ca.value_or(ClientCaMode::kOff);
}

// Whether anything is asked here: rules without MTLSAuthz count as On.
inline bool has_gate(const DirConfig& c) {
    if (c.mode) return *c.mode != GateMode::kOff;
    return c.allow != nullptr || c.deny != nullptr;
}
inline GateMode gate_mode(const DirConfig& c) { return c.mode.value_or(GateMode::kOn); }

// Whether AuthType MTLS applies.
inline bool is_authenticated_here(request_rec* r) {
    const char* const type = ap_auth_type(r);
    return type != nullptr && equal_nocase(type, "MTLS");
}

// "FILE:LINE" with FILE relative to ServerRoot where it lies below.
std::string short_place(const Where& where);
Where place_of(const ap_directive_t* directive);

void* merge_dir_config(apr_pool_t* pool, void* base, void* add) noexcept;
void* create_server_config(apr_pool_t* pool, server_rec* s) noexcept;

}  // namespace mtls::httpd
