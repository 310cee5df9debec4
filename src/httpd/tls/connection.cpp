#include "httpd/tls/connection.hpp"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "httpd/tls/handshake.hpp"
#include "httpd/tls/server_cas.hpp"
#include "mtls_authz/certificate/session_chain.hpp"
#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/trust/signature_cache.hpp"

// mod_ssl_openssl.h declares these two hooks, but not every distribution packages it.
extern "C" {
#include <mod_ssl.h>
APR_DECLARE_EXTERNAL_HOOK(ssl, SSL, int, pre_handshake, (conn_rec * c, SSL* ssl, int is_proxy))
APR_DECLARE_EXTERNAL_HOOK(ssl, SSL, int, init_server, (server_rec * s, apr_pool_t* p, int is_proxy, SSL_CTX* ctx))
}

namespace mtls::httpd {

namespace {

// The intermediates as encode_helpers() writes them: in the session that a full handshake left; of the peer if our
// callback did not run.
std::string encoded_helpers(const SSL& ssl, const X509& leaf) {
    void* data = nullptr;
    size_t length = 0;
    SSL_SESSION* const session = SSL_get_session(&ssl);
    if (session != nullptr && SSL_SESSION_get0_ticket_appdata(session, &data, &length) == 1 && length > 0) {
        return {static_cast<const char*>(data), length};
    }
    return encode_helpers(leaf, useful_helpers(leaf, certificates_of(SSL_get_peer_cert_chain(&ssl))));
}

// The certificates that the client sent; those on OpenSSL's path first.
std::vector<X509*> sent_certificates(X509_STORE_CTX* ctx) {
    std::vector<X509*> out = certificates_of(X509_STORE_CTX_get0_untrusted(ctx));
    const auto path = certificates_of(X509_STORE_CTX_get0_chain(ctx));
    std::stable_partition(out.begin(), out.end(), [&path](const X509* sent) {
        return std::any_of(path.begin(), path.end(), [sent](const X509* c) { return X509_cmp(c, sent) == 0; });
    });
    return out;
}

std::int64_t now_seconds() { return apr_time_sec(apr_time_now()); }

// Applies a partner's MTLSPurpose serverAuth in the handshake too, for its own certificates.
void waive_purpose(X509_STORE_CTX* ctx, const Policy& policy, const server_rec* s) {
    X509* const leaf = X509_STORE_CTX_get0_cert(ctx);
    if (!policy.some_waive_purpose() || leaf == nullptr) return;
    const PresentedCertificate presented(*leaf, useful_helpers(*leaf, sent_certificates(ctx)));
    if (!waives_purpose_of(policy, presented, server_config(s).cas, now_seconds())) return;
    X509_VERIFY_PARAM_set_purpose(X509_STORE_CTX_get0_param(ctx), X509_PURPOSE_SSL_SERVER);
}

HandshakeVerdict verify(X509_STORE_CTX* ctx, const server_rec* s) {
    const auto snapshot = state().snapshot();
    if (snapshot) waive_purpose(ctx, *snapshot->policy, s);
    if (client_ca_of(s) == ClientCaMode::kOff || !snapshot) return verify_handshake(ctx);
    return verify_handshake(ctx, snapshot->policy->cas(), SSL_get_ex_data_X509_STORE_CTX_idx(),
                            server_config(s).own.missing, now_seconds());
}

TlsConnection* tls_state_of(const conn_rec* c) {
    return static_cast<TlsConnection*>(ap_get_module_config(c->conn_config, &mtls_authz_module));
}

TlsConnection* tls_state_of(const SSL* ssl) {
    const conn_rec* const c = ssl != nullptr ? connection_of(ssl) : nullptr;
    return c != nullptr ? tls_state_of(c) : nullptr;
}

void note_verified(const SSL* ssl, bool by_anchors, TlsConnection::VerifiedChain verified) {
    TlsConnection* const tls = tls_state_of(ssl);
    if (tls == nullptr) return;
    TlsConnection::Verification& out = tls->verification();
    out.by = by_anchors ? TlsConnection::Verifier::kAnchorsAlone : TlsConnection::Verifier::kModSsl;
    out.verified = std::move(verified);
}

// In TLS 1.2, a resumed session makes mod_ssl forget that `optional_no_ca` accepted an unverified certificate, and
// report SUCCESS: with live anchors, make such a session not resumable.
bool is_forgotten_by_mod_ssl(const SSL& ssl, X509_STORE_CTX* ctx) {
    return state().has_live_anchors && SSL_version(&ssl) < TLS1_3_VERSION &&
           is_of_unknown_ca(X509_STORE_CTX_get_error(ctx));
}

void report_late_certificate(const SSL& ssl) {
    ap_log_cerror(
        APLOG_MARK, APLOG_ERR, 0, connection_of(&ssl),
        "mtls_authz: the client sent a certificate after the switch to another protocol (HTTP/2), which forbids "
        "that: the connection ends. A location's SSLVerifyClient asks for it in HTTP/1.1; ask for it in the "
        "virtual host, or set H2Upgrade off");
}

// Calls X509_verify_cert() and keeps its result; then stores the intermediates in the session, also on failure, since
// `optional_no_ca` makes a session for unverified certificates too.
int verify_and_remember(X509_STORE_CTX* ctx, const server_rec* s) {
    auto* const ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx()));
    if (const TlsConnection* const tls = tls_state_of(ssl); tls != nullptr && tls->is_fixed()) {
        report_late_certificate(*ssl);
        X509_STORE_CTX_set_error(ctx, X509_V_ERR_APPLICATION_VERIFICATION);
        return 0;
    }
    HandshakeVerdict verdict = verify(ctx, s);
    X509* const leaf = X509_STORE_CTX_get0_cert(ctx);
    SSL_SESSION* const session = ssl != nullptr ? SSL_get_session(ssl) : nullptr;
    SentHelpers helpers;
    std::string encoded;
    if (leaf != nullptr) {
        helpers = useful_helpers(*leaf, sent_certificates(ctx));
        encoded = encode_helpers(*leaf, helpers);
    }
    if (session != nullptr && leaf != nullptr) {
        SSL_SESSION_set1_ticket_appdata(session, encoded.data(), encoded.size());
        constexpr long kLongExpired = 1;
        if (is_forgotten_by_mod_ssl(*ssl, ctx)) SSL_SESSION_set_time(session, kLongExpired);
    }
    if (verdict.verified != 1) {
        report_refused_handshake(s, ctx, ssl, std::move(helpers));
    } else if (leaf != nullptr) {
        note_verified(ssl, verdict.by_anchors,
                      {share(*leaf), std::move(helpers), std::move(encoded), std::move(verdict.chain)});
    }
    return verdict.verified;
}

extern "C" int on_verify_certificate(X509_STORE_CTX* ctx, void* server) {
    constexpr int kRefused = 0;
    const auto* const s = static_cast<const server_rec*>(server);
    return guarded(s, kRefused, [&] { return verify_and_remember(ctx, s); });
}

void announce_names(SSL* ssl, TlsConnection& tls) {
    const ErrorQueueGuard errors;
    if (const auto snapshot = state().snapshot()) {
        state().announced_names.lease_names(*ssl, *snapshot, now_seconds(), tls.announced());
    }
}

// Called after SNI has chosen the virtual host.
extern "C" int on_choose_certificate(SSL* ssl, void* server) {
    constexpr int kGoOn = 1;
    const conn_rec* const c = connection_of(ssl);
    if (c == nullptr) return kGoOn;
    // On failure, mod_ssl's own names are announced.
    return guarded(static_cast<const server_rec*>(server), kGoOn, [&] {
        announce_names(ssl, *tls_state_of(c));
        return kGoOn;
    });
}

extern "C" int on_init_server(server_rec* s, apr_pool_t*, int is_proxy, SSL_CTX* ctx) {
    if (is_proxy != 0) return OK;
    return guarded(s, HTTP_INTERNAL_SERVER_ERROR, [&] {
        reserve_connection_index(s);
        SSL_CTX_set_cert_verify_callback(ctx, on_verify_certificate, s);
        if (client_ca_of(s) == ClientCaMode::kOn) SSL_CTX_set_cert_cb(ctx, on_choose_certificate, s);
        copy_server_cas(s, ctx);
        return OK;
    });
}

// Called before each message of a handshake, with the state of the previous one. The SSL has the names until the
// message with them is written, or cannot be written any more: so a client that aborts the handshake does not lose a
// list. Post-handshake authentication does not choose a certificate again: lend the names before its first message.
void on_next_message(SSL* ssl, TlsConnection& tls) {
    switch (SSL_get_state(ssl)) {
        case TLS_ST_SW_CERT_REQ:
        case TLS_ST_SW_SRVR_DONE:
        case TLS_ST_SW_FINISHED:
            AnnouncedNames::return_names(*ssl, tls.announced());
            break;
        case TLS_ST_OK:
            if (AnnouncedNames::is_returned(*ssl, tls.announced())) announce_names(ssl, tls);
            break;
        default:
            break;
    }
}

// OpenSSL calls a connection's own callback instead of its context's: call mod_ssl's, of the context that SNI has
// chosen, as OpenSSL would. SSL_CB_ACCEPT_EXIT also ends a renegotiation and a post-handshake authentication; for those
// in TLS 1.3 OpenSSL does not report SSL_CB_HANDSHAKE_DONE.
extern "C" void on_tls_event(const SSL* ssl, int where, int result) {
    const auto of_mod_ssl = SSL_CTX_get_info_callback(SSL_get_SSL_CTX(ssl));
    if (of_mod_ssl != nullptr) of_mod_ssl(ssl, where, result);
    constexpr int kSucceeded = 1;
    const bool is_done = where == SSL_CB_ACCEPT_EXIT && result == kSucceeded;
    const conn_rec* const c = is_done || where == SSL_CB_ACCEPT_LOOP ? connection_of(ssl) : nullptr;
    if (c == nullptr) return;
    attempt(c->base_server, [&] {
        TlsConnection& tls = *tls_state_of(c);
        auto* const connection = const_cast<SSL*>(ssl);
        if (!is_done) return on_next_message(connection, tls);
        if (!tls.has_changed_late(*ssl)) return tls.note_handshake(*ssl);
        report_late_certificate(*ssl);
        SSL_set_shutdown(connection, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    });
}

TlsConnection& make_state(conn_rec* c) {
    auto* const out = pool_new<TlsConnection>(c->pool);
    ap_set_module_config(c->conn_config, &mtls_authz_module, out);
    return *out;
}

extern "C" int on_pre_handshake(conn_rec* c, SSL* ssl, int is_proxy) {
    if (is_proxy != 0) return OK;
    return guarded(c->base_server, HTTP_INTERNAL_SERVER_ERROR, [&] {
        if (tls_state_of(c) == nullptr) make_state(c);
        note_connection(ssl, c);
        SSL_set_info_callback(ssl, on_tls_event);
        return OK;
    });
}

// Before mod_ssl's hook. An HTTP/2 stream uses its master's state.
extern "C" int on_pre_connection(conn_rec* c, void*) {
    if (c->master != nullptr || !state().has_fronts()) return OK;
    return guarded(c->base_server, HTTP_INTERNAL_SERVER_ERROR, [&] {
        make_state(c);
        return OK;
    });
}

// Also without fronts: the policy may have some later.
void note_upgrade(conn_rec* c) {
    TlsConnection* const state = client_state(c);
    (state != nullptr ? *state : make_state(c)).note_upgrade();
}

// `r`: null where the handshake or the first bytes of the connection choose the protocol.
extern "C" int on_protocol_switch(conn_rec* c, request_rec* r, server_rec*, const char* protocol) {
    TlsConnection* const tls = client_state(c);
    if (tls != nullptr && std::string_view(protocol) != AP_PROTOCOL_HTTP1) tls->note_switch();
    if (r == nullptr) return DECLINED;
    return guarded(c->base_server, HTTP_INTERNAL_SERVER_ERROR, [&] {
        note_upgrade(c);
        return DECLINED;
    });
}

// A program answered 101: a front makes a tunnel of the connection, and httpd reads its next request.
extern "C" int on_answered(request_rec* r) {
    if (r->status != HTTP_SWITCHING_PROTOCOLS || r->connection->master != nullptr) return DECLINED;
    return guarded(r->server, DECLINED, [&] {
        note_upgrade(r->connection);
        return DECLINED;
    });
}

}  // namespace

bool TlsConnection::has_changed_late(const SSL& ssl) const {
    return is_fixed() && SSL_get0_peer_certificate(&ssl) != leaf_.get();
}

void TlsConnection::note_handshake(const SSL& ssl) {
    if (is_established_ && SSL_get0_peer_certificate(&ssl) == leaf_.get()) return;
    is_established_ = false;
    take_certificate(ssl);
    is_established_ = true;
}

void TlsConnection::take_certificate(const SSL& ssl) {
    const ErrorQueueGuard errors;
    X509* const leaf = SSL_get0_peer_certificate(&ssl);
    const char* const name = SSL_get_version(&ssl);
    const std::string_view version = name != nullptr ? name : "";
    facts_.version = version.substr(version.starts_with("TLSv") ? 4 : 0);
    facts_.resumed = SSL_session_reused(&ssl) == 1;
    const bool is_remembered = facts_.resumed && SSL_version(&ssl) >= TLS1_3_VERSION;
    verification_.is_of_unknown_ca = is_remembered && is_of_unknown_ca(SSL_get_verify_result(&ssl));
    // A request that waits for this handshake may use the previous one.
    if (known_) state().snapshot().retire(std::exchange(known_, nullptr));
    is_kept_ = true;
    leaf_.reset();
    sighted_ = 0;
    VerifiedChain last = std::exchange(verification_.verified, {});
    const bool is_full = leaf != nullptr && last.leaf.get() == leaf;
    if (!is_full) {
        verification_.by = Verifier::kNone;
        verification_.own_cas_of = nullptr;
    }
    if (leaf == nullptr) return;
    leaf_ = share(*leaf);
    const std::string encoded = is_full ? std::move(last.encoded_helpers) : encoded_helpers(ssl, *leaf);
    known_key_ = KnownCertificates::key_of(*leaf, encoded, SSL_get_SSL_CTX(&ssl));
    known_ = known_certificates().find(known_key_);
    is_kept_ = known_ != nullptr;
    if (known_) return;
    known_ = std::make_shared<KnownCertificate>(
        PresentedCertificate(*leaf, is_full ? std::move(last.helpers) : decode_helpers(encoded, *leaf)));
    if (is_full && !last.chain.empty() && last.chain.front().get() == leaf) {
        add_signatures(last.chain, known_->certificate());
    }
}

void TlsConnection::keep_known_now() {
    if (!is_kept_.exchange(true)) known_certificates().keep(std::move(known_key_), known_);
}

void note_connect(request_rec* r) {
    // Not by number: an ErrorDocument is a redirect with GET.
    const std::string_view line = r->the_request != nullptr ? r->the_request : "";
    if (!line.starts_with("CONNECT ") || r->connection->master != nullptr) return;
    note_upgrade(r->connection);
    apr_table_setn(r->subprocess_env, "nokeepalive", "1");
}

void hook_answers() { ap_hook_log_transaction(on_answered, nullptr, nullptr, APR_HOOK_FIRST); }

void register_connection_hooks() {
    ap_hook_pre_connection(on_pre_connection, nullptr, nullptr, APR_HOOK_FIRST);
    ap_hook_protocol_switch(on_protocol_switch, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    APR_OPTIONAL_HOOK(ssl, init_server, on_init_server, nullptr, nullptr, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ssl, pre_handshake, on_pre_handshake, nullptr, nullptr, APR_HOOK_MIDDLE);
}

}  // namespace mtls::httpd
