// The configuration in httpd's structures: the values of the directives, and how sections merge.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "httpd/config/announced_names.hpp"
#include "httpd/config/httpd.hpp"
#include "httpd/config/live_state.hpp"
#include "httpd/config/section_pattern.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/decide/gate.hpp"
#include "mtls_authz/ledger/ledger.hpp"
#include "mtls_authz/policy/forwarding.hpp"
#include "mtls_authz/policy/lateness.hpp"
#include "mtls_authz/trust/handshake_path.hpp"

namespace mtls::httpd {

enum class EnvLevel { kBasic, kAll };
// How httpd joins the requirements of sections. kMixed: requirements joined by And are part of an Or, so a section's
// requirements may hold without granting the request.
enum class AuthMerging { kNone, kAnd, kOr, kMixed };
enum class ClientCaMode { kOff, kOn, kQuiet };

struct GateSection;
struct AuditLog;        // tell/audit.hpp
struct PolicyDatabase;  // keeper/database.hpp
struct AcceptedFronts;  // decide/front.hpp
struct ForwardRule;     // request/forward.hpp

// What a rule needs of the request besides the partner.
struct RuleTraits {
    bool methods = false;   // the method, directly or through grants
    bool captures = false;  // captures of the section's regular expression

    static RuleTraits of(const GateRule& rule);
    RuleTraits operator|(const RuleTraits& other) const {
        return {methods || other.methods, captures || other.captures};
    }
};

// The settings of one section, or of several after merging. httpd merges two or three times per request, in worker
// threads: all objects behind the pointers are immutable once the configuration is read.
struct DirConfig {
    std::optional<GateMode> mode;
    GateRules* allow = nullptr;
    RuleTraits allow_traits;
    DenyChain* deny = nullptr;
    RuleTraits deny_traits;
    std::optional<bool> remote_user;
    std::optional<EnvLevel> env;
    std::optional<bool> status;              // MTLSStatus: mtls-authz-status answers here
    std::optional<bool> error_detail;        // MTLSErrorDetail: a denial names the reason
    const ForwardRule* forward = nullptr;    // headers to the backend; null: not set
    const AcceptedFronts* fronts = nullptr;  // accepted fronts; null: not set, which accepts none
    bool has_provider = false;               // this or an outer section has a Require mtls-*
    bool requires_grant = false;             // this or an outer section has a Require mtls-grant
    AuthMerging auth_merging = AuthMerging::kNone;
    GateSection* section = nullptr;     // the section whose directive made this a gate
    GateSection* authorizer = nullptr;  // the last merged section with Require mtls-* or AuthType MTLS
};
static_assert(std::is_trivially_copyable_v<DirConfig>);
inline RuleTraits traits_of(const DirConfig& config) { return config.allow_traits | config.deny_traits; }
inline bool asks_captures(const DirConfig& c) { return c.allow_traits.captures || c.deny_traits.captures; }

// A section of the configuration that has a gate: for the checks at start, and for gates below a DAV collection.
struct GateSection {
    // kFiles: also <FilesMatch>; kIf: also <ElseIf> and <Else>; kOther: <Proxy>, <ProxyMatch>.
    enum class Kind { kServer, kLocation, kLocationMatch, kDirectory, kDirectoryMatch, kFiles, kIf, kOther };
    Kind kind = Kind::kOther;
    bool is_regex = false;              // <...Match> and <... ~>
    std::string path;                   // as written; a regular expression for the *Match kinds
    const ap_regex_t* regex = nullptr;  // of is_regex
    std::string other;                  // of kFiles, kIf, kOther: the line that begins it, as written
    // Of kFiles and kIf: the Location or Directory around them, and its path, or the prefix of a pattern; else kServer.
    Kind holder = Kind::kServer;
    std::string holder_prefix;
    bool is_holder_literal = false;
    std::string literal_prefix;     // common prefix of all paths that it matches
    std::string authorization;      // its Require lines and other authorization settings as one text; only with Require
                                    // mtls-* or AuthType MTLS
    bool authenticates = false;     // it has AuthType MTLS
    bool requires_by_path = false;  // of `authorization`, some line may answer otherwise for another path
    Where where;
    const server_rec* server = nullptr;
    const DirConfig* config =
        nullptr;  // of this section only; without gate settings if it only has Require mtls-* or AuthType MTLS
    std::string title() const;  // "<Location /orders>"
    bool is_literal() const { return literal_prefix == path; }
    // Virtual hosts inherit the sections of the main server.
    bool applies_in(const server_rec* s) const { return server == s || !server->is_virtual; }
};

struct ServerConfig {
    ServerCas cas;                     // mod_ssl's CAs for this virtual host, read at start
    OwnStore own;                      // the same as an OpenSSL store, if other virtual hosts trust live anchors
    bool has_tls = false;              // mod_ssl serves this virtual host
    bool lets_unknown_cas_in = false;  // SSLVerifyClient optional_no_ca
    bool gates_need_cas = false;       // clients of its gates get in by `cas` alone, as there is no MTLSClientCA
    bool has_gates = false;            // of this or the main server: gates, Require mtls-*, AuthType MTLS
    std::vector<const GateSection*> sections;  // gates configured in this server
    std::optional<ClientCaMode> client_ca;     // MTLSClientCA: the handshake also trusts the live anchors
    AuditLog* audit = nullptr;                 // of this or the main server
};

// A name in Require mtls-partner or mtls-group.
struct RequiredName {
    bool is_group;
    bool is_refusing = false;  // behind `not` or in <RequireNone>
    std::string name;
    Where where;
};

// State of one configuration; allocated in pconf.
struct State {
    explicit State(const std::string& root);
    ~State();
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    // The snapshot for a decision; empty before start, or if no policy is available.
    SnapshotReader snapshot() const {
        follow_if_behind();
        return live.policy.current();
    }
    // Ensures that a request uses the current policy, even if the follower thread has not run yet.
    void follow_if_behind() const {
        if (live.policy.is_behind()) live.follow_now();
    }

    // Whether the policy names fronts, whose headers must be removed from requests.
    bool has_fronts() const {
        follow_if_behind();
        return live.policy.has_fronts();
    }

    std::shared_ptr<const Policy> policy;  // policy from the start; null until check_config
    Live live;
    Ledger* ledger = nullptr;                // never null while requests are served
    bool measures_time = false;              // MTLSStatus or an audit log needs durations
    int refresh_seconds = 1;                 // MTLSPolicyRefresh
    bool starts_without_policy = false;      // MTLSPolicyStart last-good
    LateRule late;                           // MTLSWarn
    std::vector<std::string> event_command;  // MTLSEventCmd; empty: none
    Where event_command_at;
    std::optional<std::string> fetch_user;  // MTLSFetchUser
    Where fetch_user_at;
    PolicyDatabase* database = nullptr;        // MTLSPolicyDatabase; null: none
    std::string seen_file;                     // sighting file, written by the keeper; empty: none
    HeaderKeys forwarded_keys;                 // of what MTLSForward sets: removed from requests
    bool authenticates = false;                // there is an AuthType MTLS
    bool has_providers = false;                // there is a Require mtls-*
    bool removes_path_headers = false;         // removes path-overriding headers from requests
    bool filters_trailers = false;             // a filter removes forbidden fields from trailers
    bool looked_for_merging = false;           // of trailers: MergeTrailers
    bool uses_captures = false;                // some rule names a capture of a section's regular expression
    std::vector<SectionPattern> patterns;      // named by such rules; NameReference counts them from 1
    bool compares = false;                     // some gate is LogOnly
    bool has_live_anchors = false;             // some virtual host has MTLSClientCA On or Quiet
    bool has_cache = false;                    // some module may cache responses
    bool has_actions = false;                  // mod_actions may choose a program for a file
    std::vector<std::string> action_programs;  // URL paths of such programs, outside of .htaccess
    std::vector<std::string> svn_uris;         // values of SVNSpecialURI, like "/!svn"; empty without `DAV svn`
    bool requires_by_path = false;            // some Require line of some section may answer otherwise for another path
    std::vector<std::string> path_providers;  // names of such lines that a directive defines
    bool has_conditional_sections = false;    // of `sections`, some are <If>, <ElseIf> or <Else>
    // mod_cache's filters; null if it is not loaded.
    const ap_filter_rec_t* cache_save = nullptr;
    const ap_filter_rec_t* cache_save_subrequest = nullptr;
    std::vector<const AcceptedFronts*> accepted_fronts;
    std::vector<RequiredName> required_names;
    std::vector<const GateSection*> sections;
    std::vector<const GateSection*> front_sections;  // those with MTLSAcceptFront
    std::vector<Diagnostic> gate_warnings;
    std::vector<Diagnostic> start_findings;  // of check_config; logged once the error log is open
    bool must_not_start = false;             // check_config found errors that post_config must report as a failed start
    std::string server_root;
    AnnouncedNames announced_names;
};

// The current State; null if there is none, at exit.
extern State* state_in_force;
inline State& state() { return *state_in_force; }
void start_reading(apr_pool_t* pconf);

inline const DirConfig& dir_config(const request_rec* r) {
    static constexpr DirConfig kEmpty;
    const void* const written = ap_get_module_config(r->per_dir_config, &mtls_authz_module);
    return written != nullptr ? *static_cast<const DirConfig*>(written) : kEmpty;
}
inline ServerConfig& server_config(const server_rec* s) {
    return *static_cast<ServerConfig*>(ap_get_module_config(s->module_config, &mtls_authz_module));
}
inline ClientCaMode client_ca_of(const server_rec* s) {
    return server_config(s).client_ca.value_or(ClientCaMode::kOff);
}

// Whether a gate applies: rules without MTLSAuthz count as On.
inline bool has_gate(const DirConfig& c) {
    if (c.mode) return *c.mode != GateMode::kOff;
    return c.allow != nullptr || c.deny != nullptr;
}
inline GateMode gate_mode(const DirConfig& c) { return c.mode.value_or(GateMode::kOn); }
inline bool is_enforced(const DirConfig& c) { return has_gate(c) && gate_mode(c) == GateMode::kOn; }

// Whether AuthType MTLS applies.
inline bool is_authenticated_here(request_rec* r) {
    const char* const type = ap_auth_type(r);
    return type != nullptr && equal_nocase(type, "MTLS");
}

// Whether Require mtls-* or AuthType MTLS takes part in the authorization here.
inline bool authorizes(request_rec* r) { return dir_config(r).has_provider || is_authenticated_here(r); }
// Whether anything of this module decides here.
inline bool is_guarded(request_rec* r) { return has_gate(dir_config(r)) || authorizes(r); }

// HUP or USR1: the server runs already, and must go on.
bool is_restart();

// A path that the configuration has, relative to ServerRoot as in httpd's own directives.
std::string in_server_root(const std::string& path);

// "FILE:LINE"; FILE is relative if it is below ServerRoot.
std::string short_place(const Where& where);
// A position as httpd has it. Of what mod_macro makes, the `Use` line in its file: there, httpd's name of the file is
// `macro 'X' (defined on line 3 of "FILE") used on line 9 of "FILE"`, nested where macros are, and lines are counted
// within the macro.
Where place_in(const char* file, int line);
Where place_of(const ap_directive_t* directive);
// Of a virtual host; the main server has none.
Where place_of(const server_rec* s);

void* merge_dir_config(apr_pool_t* pool, void* base, void* add) noexcept;
void* create_server_config(apr_pool_t* pool, server_rec* s) noexcept;

}  // namespace mtls::httpd
