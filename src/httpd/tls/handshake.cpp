#include "httpd/tls/handshake.hpp"

#include <openssl/ssl.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "httpd/config/config.hpp"
#include "httpd/config/log.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/decide/handshake_advice.hpp"
#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"

namespace mtls::httpd {

namespace {

// Set before there are threads, then read only.
int g_connection_index = -1;

struct Refused {
    HandshakeRefusal reason;
    std::string detail;           // OpenSSL's error text
    std::string at;               // subject of the certificate that failed
    CertificateText certificate;  // the client's
    std::string claimed;          // the partners that it names, comma-separated
    std::string contact;          // of the first of them
    std::string advice;           // for advice_for(); may be empty
};

Refused describe(const server_rec* s, X509_STORE_CTX* ctx, X509& leaf, SentHelpers sent) {
    const int error = X509_STORE_CTX_get_error(ctx);
    const X509* const at = X509_STORE_CTX_get_current_cert(ctx);
    Refused out{handshake_refusal_of(error, at), describe_verify_error(error, at), {}, {}, {}, {}, {}};
    const PresentedCertificate presented(leaf, std::move(sent));
    out.certificate = CertificateText(presented.facts);
    out.at = at != nullptr ? read_name(*X509_get_subject_name(at)).text() : out.certificate.subject;
    const auto snapshot = state().snapshot();
    const bool has_anchors = client_ca_of(s) != ClientCaMode::kOff;
    if (!snapshot) {
        if (has_anchors && out.reason == HandshakeRefusal::kUnknownCa) out.advice = kNoPolicyInForce;
        return out;
    }
    const auto claimed = claimed_by(*snapshot->policy, presented.facts);
    out.claimed = names_of(claimed);
    if (!claimed.empty()) out.contact = claimed.front()->contact;
    const auto depth = static_cast<std::size_t>(std::max(X509_STORE_CTX_get_error_depth(ctx), 0));
    HandshakeAdvice advice =
        advise({presented, out.reason, at, depth, claimed, has_anchors, server_config(s).cas.certificates},
               *snapshot->policy, static_cast<std::int64_t>(std::time(nullptr)));
    out.advice = std::move(advice.clause);
    if (advice.is_issuer_unknown) note_unknown_issuer(presented.facts, out.claimed, text_of(out.reason).word);
    return out;
}

std::string line_of(const Refused& refused, const std::string& vhost) {
    const CertificateText& c = refused.certificate;
    const auto quoted = [](const char* key, const std::string& value) {
        return std::string(" ") + key + "=\"" + escape_for_log(value, kMostNameBytes) + "\"";
    };
    std::string out =
        "refused handshake: reason=" + std::string(text_of(refused.reason).word) + quoted("detail", refused.detail);
    if (!refused.claimed.empty()) out += " claimed=" + refused.claimed;
    if (!refused.contact.empty()) out += quoted("contact", refused.contact);
    out += " vhost=" + escape_for_log(vhost, kMostNameBytes) + quoted("at", refused.at) + quoted("subject", c.subject) +
           quoted("san", c.san) + quoted("issuer", c.issuer) + " serial=" + escape_for_log(c.serial, kMostNameBytes) +
           " not_after=" + c.not_after + " sha256=" + c.sha256;
    return out + ": " + advice_for(refused.reason, refused.advice);
}

// For the status page.
void keep_refused(const Refused& refused, const conn_rec* c) {
    RefusedHandshake out;
    out.time = std::time(nullptr);
    out.reason = refused.reason;
    out.claimed = refused.claimed;
    out.detail = refused.detail;
    out.at = refused.at;
    out.subject = refused.certificate.subject;
    out.issuer = refused.certificate.issuer;
    out.san = refused.certificate.san;
    if (c != nullptr && c->client_ip != nullptr) out.client = std::string_view(c->client_ip);
    out.sha256 = refused.certificate.sha256;
    out.advice = refused.advice;
    state().ledger->refused_handshakes.add(out);
}

}  // namespace

// One index per process: OpenSSL never frees an index, and a restart loads this shared object again.
void reserve_connection_index(const server_rec* s) {
    constexpr const char* kKey = "mtls_authz-ssl-index";
    if (g_connection_index >= 0) return;
    void* index = nullptr;
    apr_pool_t* const pool = s->process->pool;
    apr_pool_userdata_get(&index, kKey, pool);
    if (index == nullptr) {
        auto* const made = static_cast<int*>(apr_palloc(pool, sizeof(int)));
        *made = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
        // Not setn: the key would be in this shared object.
        apr_pool_userdata_set(made, kKey, nullptr, pool);
        index = made;
    }
    g_connection_index = *static_cast<int*>(index);
}

void note_connection(SSL* ssl, conn_rec* c) { SSL_set_ex_data(ssl, g_connection_index, c); }

conn_rec* connection_of(const SSL* ssl) { return static_cast<conn_rec*>(SSL_get_ex_data(ssl, g_connection_index)); }

void report_refused_handshake(const server_rec* s, X509_STORE_CTX* ctx, SSL* ssl, SentHelpers sent) {
    const ErrorQueueGuard errors;
    X509* const leaf = X509_STORE_CTX_get0_cert(ctx);
    if (leaf == nullptr) return;
    const HandshakeRefusal reason =
        handshake_refusal_of(X509_STORE_CTX_get_error(ctx), X509_STORE_CTX_get_current_cert(ctx));
    ++state().ledger->handshakes_refused[static_cast<std::size_t>(reason)];
    const std::string digest = certificate_sha256(*leaf);
    const auto shown = [&] {
        return "refused handshake reason=" + std::string(text_of(reason).word) + " sha256=" + hex(bytes_of(digest));
    };
    constexpr std::uint64_t kHandshakes = ~std::uint64_t{0};  // distinct from all outcomes of requests
    const std::uint64_t key = mixed(mixed(kHandshakes, static_cast<std::uint64_t>(reason)), digest);
    if (!is_admitted(s, key, APLOG_ERR, std::ref(shown))) return;
    conn_rec* const c = ssl != nullptr ? connection_of(ssl) : nullptr;
    const Refused refused = describe(s, ctx, *leaf, std::move(sent));
    keep_refused(refused, c);
    if (c == nullptr) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s, "mtls_authz: %s", line_of(refused, "-").c_str());
        return;
    }
    ap_log_cerror(APLOG_MARK, APLOG_ERR, 0, c, "mtls_authz: %s", line_of(refused, vhost_text(s, c)).c_str());
}

}  // namespace mtls::httpd
