#include "httpd/tls/misdirected.hpp"

#include <openssl/x509v3.h>

#include <ctime>

#include "httpd/config/config.hpp"
#include "httpd/config/log.hpp"
#include "httpd/tls/connection.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"

namespace mtls::httpd {

namespace {

// Whether mod_ssl's own CAs verified the certificate, or `optional_no_ca` accepted it: in this connection's handshake.
// For a resumed session, which any virtual host may have made under any policy, test this virtual host's CAs now.
bool is_let_in_without_anchors(TlsConnection& tls, const server_rec* s) {
    TlsConnection::Verification& verification = tls.verification();
    if (verification.by != TlsConnection::Verifier::kNone) return verification.by == TlsConnection::Verifier::kModSsl;
    if (verification.is_of_unknown_ca) return server_config(s).lets_unknown_cas_in;
    if (verification.own_cas_of.load(std::memory_order_relaxed) == s) return true;
    const auto snapshot = state().snapshot();
    const CaDirectory no_policy;
    const CaDirectory& policy = snapshot ? snapshot->policy->cas() : no_policy;
    const bool is_waived =
        snapshot && waives_purpose_of(*snapshot->policy, *tls.certificate(), server_config(s).cas, std::time(nullptr));
    const int purpose = is_waived ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT;
    if (!verifies(server_config(s).own, *tls.certificate(), policy, purpose)) return false;
    verification.own_cas_of.store(s, std::memory_order_relaxed);
    return true;
}

void report(request_rec* r, const PresentedCertificate& certificate) {
    constexpr std::uint64_t kMisdirected = ~std::uint64_t{1};  // distinct from all outcomes of requests
    const auto shown = [&] { return "misdirected sha256=" + hex(bytes_of(certificate.facts.sha256)); };
    const std::uint64_t key = mixed(kMisdirected, certificate.facts.sha256);
    if (!is_admitted(r->server, key, APLOG_ERR, std::ref(shown))) return;
    const std::string path = r->uri != nullptr ? r->uri : "";
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                  "mtls_authz: misdirected %s \"%s\": vhost=%s subject=\"%s\" issuer=\"%s\" sha256=%s: %s",
                  escape_for_log(r->method, kMostNameBytes).c_str(), escape_for_log(path, kMostPathBytes).c_str(),
                  escape_for_log(vhost_text(r->server, r->connection), kMostNameBytes).c_str(),
                  escape_for_log(certificate.facts.subject.text(), kMostNameBytes).c_str(),
                  escape_for_log(certificate.facts.issuer.text(), kMostNameBytes).c_str(),
                  hex(bytes_of(certificate.facts.sha256)).c_str(), kMisdirectedSentence);
}

int check_direction(request_rec* r) {
    if (client_ca_of(r->server) != ClientCaMode::kOff) return DECLINED;
    TlsConnection* const tls = tls_of(r->connection);
    if (tls == nullptr) return DECLINED;
    if (tls->certificate() == nullptr || is_let_in_without_anchors(*tls, r->server)) return DECLINED;
    report(r, *tls->certificate());
    return HTTP_MISDIRECTED_REQUEST;
}

extern "C" int on_direction(request_rec* r) {
    return guarded(r, [&] { return check_direction(r); });
}
extern "C" int on_any_request(request_rec* r, int) { return on_direction(r); }

}  // namespace

// First in the quick handler, before any module answers (an error in post_read_request, where mod_ssl compares virtual
// hosts, would close the connection); again in the access checker, after mod_ssl may have asked for a certificate for
// this request, before the gate; and in fixups, since `Satisfy Any` skips the access checker.
void hook_misdirection() {
    static const char* const kAfterSsl[] = {"mod_ssl.c", nullptr};
    static const char* const kBeforeCache[] = {"mod_cache.c", nullptr};
    ap_hook_quick_handler(on_any_request, nullptr, kBeforeCache, APR_HOOK_REALLY_FIRST);
    ap_hook_check_access(on_direction, kAfterSsl, nullptr, APR_HOOK_FIRST, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_fixups(on_direction, nullptr, nullptr, APR_HOOK_FIRST);
}

}  // namespace mtls::httpd
