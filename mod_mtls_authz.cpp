// mod_mtls_authz: maps TLS client certificates to partners, and grants or denies each request per location.
//
// The table of directives and hooks. Their code is in src/httpd/; the policy and the decision are in the folders beside
// it, which do not include httpd's headers.

#include "httpd/config/config.hpp"
#include "httpd/decide/front.hpp"
#include "httpd/keeper/events.hpp"
#include "httpd/keeper/live.hpp"
#include "httpd/request/forward.hpp"
#include "httpd/request/providers.hpp"
#include "httpd/request/request.hpp"
#include "httpd/start/directives.hpp"
#include "httpd/start/start_checks.hpp"
#include "httpd/tell/audit.hpp"
#include "httpd/tell/error_detail.hpp"
#include "httpd/tell/status.hpp"
#include "httpd/tls/connection.hpp"

using namespace mtls::httpd;

namespace {

constexpr int kPolicy = RSRC_CONF;              // the global server only, as the handlers check; never .htaccess
constexpr int kServer = RSRC_CONF;              // the server or a virtual host
constexpr int kGate = RSRC_CONF | ACCESS_CONF;  // any section; never .htaccess

const command_rec kDirectives[] = {
    // The policy.
    AP_INIT_RAW_ARGS("<MTLSPartner", on_policy_directive, nullptr, kPolicy,
                     "NAME: defines a partner, up to </MTLSPartner>"),
    AP_INIT_RAW_ARGS("MTLSIdentity", on_policy_directive, nullptr, kPolicy,
                     "SELECTOR... [anchor=FILE], or any: which certificates are this partner's"),
    AP_INIT_RAW_ARGS("MTLSTrustAnchor", on_policy_directive, nullptr, kPolicy,
                     "FILE... [from=DATE] [until=DATE], bundle:FILE trust-domain=NAME, or mod_ssl: who may issue them"),
    AP_INIT_RAW_ARGS("MTLSIntermediate", on_policy_directive, nullptr, kPolicy,
                     "FILE...: certificates that clients leave out of their chain"),
    AP_INIT_RAW_ARGS("MTLSGroup", on_policy_directive, nullptr, kPolicy,
                     "NAME... [if SELECTOR...]: groups it belongs to"),
    AP_INIT_RAW_ARGS("MTLSValid", on_policy_directive, nullptr, kPolicy,
                     "[from=DATE] [until=DATE]: the contract's term"),
    AP_INIT_RAW_ARGS("MTLSPurpose", on_policy_directive, nullptr, kPolicy,
                     "clientAuth, or serverAuth [until=DATE]: whether certificates made for servers count, too"),
    AP_INIT_RAW_ARGS("MTLSNetwork", on_policy_directive, nullptr, kPolicy,
                     "CIDR...: where its requests have to come from"),
    AP_INIT_RAW_ARGS("MTLSFront", on_policy_directive, nullptr, kPolicy,
                     "header=NAME format=rfc9440|pem-url|der|xfcc [chain=NAME] [network=CIDR]: hands certificates on"),
    AP_INIT_RAW_ARGS("MTLSAttribute", on_policy_directive, nullptr, kPolicy,
                     "NAME VALUE, or NAME cert:TYPE: handed to the application as MTLS_ATTR_NAME"),
    AP_INIT_RAW_ARGS("MTLSContact", on_policy_directive, nullptr, kPolicy, "TEXT: whom to call about this partner"),
    AP_INIT_RAW_ARGS("MTLSSuspend", on_policy_directive, nullptr, kPolicy,
                     "On, or outside of a partner NAME... [note=TEXT]: known, but refused"),
    AP_INIT_RAW_ARGS("MTLSRevoke", on_policy_directive, nullptr, kPolicy,
                     "SELECTOR... [note=TEXT]: refuses matching certificates, whoever they map to"),
    AP_INIT_RAW_ARGS("MTLSRevocationFile", on_revocation_file, nullptr, kPolicy,
                     "FILE|GLOB...: MTLSRevoke and MTLSSuspend lines, read again while the server runs"),
    AP_INIT_RAW_ARGS("MTLSGrant", on_policy_directive, nullptr, kPolicy,
                     "METHODS PATH... [if SELECTOR...]: what a partner may do behind MTLSAllow by-grant"),
    AP_INIT_RAW_ARGS(
        "MTLSExpect", on_policy_directive, nullptr, kPolicy,
        "CERT is NAME|is-refused [REASON]|is-granted METHOD PATH [from ADDRESS]|is-not-granted METHOD PATH [from "
        "ADDRESS]"),
    AP_INIT_RAW_ARGS("MTLSPolicyFile", on_policy_file, nullptr, kPolicy,
                     "FILE|GLOB...: files with the directives above, read again while the server runs"),
    AP_INIT_TAKE2("MTLSPolicyDatabase", on_policy_database, nullptr, kPolicy,
                  "pgsql|sqlite3|mysql FILE: the same as rows of a database; FILE holds the connection"),
    AP_INIT_RAW_ARGS("MTLSCRLFile", on_policy_directive, nullptr, kPolicy,
                     "FILE|GLOB...: CRLs, PEM or DER, read again while the server runs"),
    AP_INIT_RAW_ARGS("MTLSCRL", on_policy_directive, nullptr, kPolicy,
                     "if-present|required: whether an issuer without a CRL is refused"),
    AP_INIT_RAW_ARGS("MTLSCRLStale", on_policy_directive, nullptr, kPolicy,
                     "deny|allow|grace=HOURS: what a CRL past its nextUpdate is worth"),
    AP_INIT_RAW_ARGS("MTLSShortLived", on_policy_directive, nullptr, kPolicy,
                     "DAYS: how long leaves with noRevAvail may live that need no CRL"),
    AP_INIT_TAKE1("MTLSPolicyStart", on_policy_start, nullptr, kPolicy,
                  "strict|last-good: what a broken policy file means when the server starts"),
    AP_INIT_TAKE1("MTLSFetchUser", on_fetch_user, nullptr, kPolicy,
                  "NAME: the user as whom mtls-authz fetch writes CRLs, revocation files and bundles"),
    AP_INIT_TAKE1("MTLSPolicyRefresh", on_policy_refresh, nullptr, kPolicy,
                  "SECONDS: how often files are looked at; 0 only at a restart"),
    // The handshake.
    AP_INIT_TAKE1("MTLSClientCA", on_client_ca, nullptr, kServer,
                  "On|Quiet|Off: whether the handshake trusts the policy's anchors, and announces their names"),
    // The gate.
    AP_INIT_RAW_ARGS("MTLSAllow", on_allow, nullptr, kGate,
                     "any-partner|by-grant|none|partner NAME...|group NAME... [methods=GET,POST]: who may pass"),
    AP_INIT_RAW_ARGS("MTLSDeny", on_deny, nullptr, kGate,
                     "partner NAME...|group NAME... [methods=GET,POST]: who may not, whatever MTLSAllow says"),
    AP_INIT_TAKE1("MTLSAuthz", on_authz, nullptr, kGate, "On|LogOnly|Off: whether the gate decides"),
    AP_INIT_FLAG("MTLSRemoteUser", on_remote_user, nullptr, kGate, "On|Off: REMOTE_USER becomes the partner's name"),
    AP_INIT_TAKE1("MTLSEnv", on_env, nullptr, kGate, "Basic|All: which MTLS_* variables are set"),
    AP_INIT_FLAG("MTLSErrorDetail", on_error_detail, nullptr, kGate,
                 "On|Off: whether a denied client is told why, about its own certificate"),
    AP_INIT_RAW_ARGS("MTLSForward", on_forward, nullptr, kGate,
                     "[cert=rfc9440|pem:HEADER|pem-url:HEADER|der:HEADER|xfcc] [partner=HEADER] [groups=HEADER] "
                     "[attr.NAME=HEADER], or Off: what the backend is handed"),
    AP_INIT_RAW_ARGS("MTLSAcceptFront", on_accept_front, nullptr, kGate,
                     "NAME...|none: the fronts whose word on their clients' certificates counts"),
    // Log, status and events.
    AP_INIT_RAW_ARGS("MTLSAuditLog", on_audit_log, nullptr, kServer,
                     "FILE|\"|PROGRAM\" [all|denied]: one JSON object a line, per decision"),
    AP_INIT_TAKE1("MTLSWarn", on_warn, nullptr, kPolicy,
                  "N%|Nd: when a certificate counts as late: a share of its life, or days before its end"),
    AP_INIT_RAW_ARGS("MTLSEventCmd", on_event_cmd, nullptr, kPolicy,
                     "PROGRAM [ARGUMENT...]: run once for each thing that needs a person, JSON on its standard input"),
    AP_INIT_FLAG("MTLSStatus", on_status, nullptr, kGate, "On|Off: whether SetHandler mtls-authz-status answers here"),
    // Read beside mod_authz_core: whether a Require that holds grants the request.
    AP_INIT_TAKE1("AuthMerging", on_auth_merging, nullptr, OR_AUTHCFG,
                  "And|Or|Off: see mod_authz_core, which joins the requirements of sections"),
    // Read beside mod_authn_core: which sections have AuthType MTLS.
    AP_INIT_TAKE1("AuthType", on_auth_type, nullptr, OR_AUTHCFG,
                  "MTLS: the partner is the user; see mod_authn_core for other types"),
    {nullptr, {nullptr}, nullptr, 0, RAW_ARGS, nullptr}};

void register_hooks(apr_pool_t* pool) {
    register_start_hooks();         // reads and checks the configuration
    register_live_hooks();          // the keeper, its images and its socket
    register_connection_hooks();    // the client's certificate, from the handshake
    register_request_hooks();       // the decision: in the access checker, checked again in fixups
    register_error_detail_hooks();  // the reason in the error page of a denied client
    register_forward_hooks();       // headers to backends and from fronts
    register_audit_hooks();         // the audit log
    register_status_hooks();        // a section in mod_status's page
    register_providers(pool);       // the same decision for Require mtls-* and AuthType MTLS
}

}  // namespace

extern "C" {
// Explicit default visibility: AP_MODULE_DECLARE_DATA is empty here, and all other symbols are hidden.
__attribute__((visibility("default")))
// The members of STANDARD20_MODULE_STUFF, which would name the module by this file: <IfModule mod_mtls_authz.c> would
// skip the gates in it without a word, as <IfModule mod_ssl.c> does not.
module AP_MODULE_DECLARE_DATA mtls_authz_module = {MODULE_MAGIC_NUMBER_MAJOR,
                                                   MODULE_MAGIC_NUMBER_MINOR,
                                                   -1,
                                                   "mod_mtls_authz.c",
                                                   nullptr,
                                                   nullptr,
                                                   MODULE_MAGIC_COOKIE,
                                                   nullptr,
                                                   nullptr,  // made by the first directive, see section_config()
                                                   merge_dir_config,
                                                   create_server_config,
                                                   nullptr,
                                                   kDirectives,
                                                   register_hooks,
                                                   0};
}
