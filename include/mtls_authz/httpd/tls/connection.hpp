// What is kept for a TLS connection: the client's certificate, and whom it belongs to.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <memory>
#include <string>

#include "mtls_authz/decide/handed_certificates.hpp"
#include "mtls_authz/httpd/config/announced_names.hpp"
#include "mtls_authz/httpd/config/config.hpp"

namespace mtls::httpd {

// What the log says about how the certificate came.
struct TlsFacts {
    std::string version;  // "1.3"
    bool resumed = false;
};

// Whether a certificate that was noted as seen at `sighted` (seconds since the epoch) is to be noted again: at first,
// then once a minute, and by the first alone who asks. From any thread.
constexpr std::int64_t kSightingInterval = 60;
inline bool takes_sighting(std::atomic<std::int64_t>& sighted, std::int64_t now) {
    std::int64_t last = sighted.load(std::memory_order_relaxed);
    return now >= last + kSightingInterval && sighted.compare_exchange_strong(last, now, std::memory_order_relaxed);
}

// Lives in the pool of each connection from a client, and is established where that speaks TLS; for HTTP/2 that is the
// master connection, whose streams ask in several threads at once. They need no lock: the certificate changes on the
// connection's own thread alone, before HTTP/2 begins, which forbids renegotiation and post-handshake authentication
// (RFC 9113 9.2.1, 9.2.3).
//
// Keeps facts and certificates, never the SSL*: mod_ssl frees that as soon as a handshake fails, and httpd goes on with
// the connection all the same. OpenSSL lends it at the end of each handshake.
class TlsConnection {
public:
    // At the end of each handshake that succeeded: takes the certificate that the connection has now, if it is another
    // one than before (renegotiation, post-handshake authentication). Where it throws, no handshake counts.
    void note_handshake(const SSL& ssl);
    bool is_established() const noexcept { return is_established_; }

    // Whose CAs verified the certificate in this connection's last full handshake; none where a session was resumed.
    enum class Verifier { kNone, kModSsl, kAnchorsAlone };
    struct Verification {
        Verifier by = Verifier::kNone;
        // A resumed session has it that the certificate leads to no CA, and mod_ssl says so too.
        bool is_of_unknown_ca = false;
        // Where none did: a virtual host whose own CAs do. From any thread.
        std::atomic<const server_rec*> own_cas_of{nullptr};
    };
    Verification& verification() { return verification_; }

    // Null where the client sent no certificate.
    const std::shared_ptr<const PresentedCertificate>& certificate() const { return certificate_; }
    const TlsFacts& facts() const { return facts_; }

    // When the certificate is to be noted as seen. From any thread.
    std::int64_t sighting_due() const { return sighted_.load(std::memory_order_relaxed) + kSightingInterval; }
    bool takes_sighting(std::int64_t now) { return httpd::takes_sighting(sighted_, now); }

    // In a handshake: the CA names that it announces.
    AnnouncedNames::Loan& announced() { return announced_; }

    // Whom the certificate belongs to; may be asked from any thread.
    IdentificationCache& identifications() { return identifications_; }

    // Where the client is a front: the certificates that it handed on. From any thread.
    HandedCertificates& handed() { return handed_; }

private:
    void take_certificate(const SSL& ssl);

    bool is_established_ = false;
    Verification verification_;
    std::shared_ptr<const PresentedCertificate> certificate_;
    TlsFacts facts_;
    AnnouncedNames::Loan announced_;
    std::atomic<std::int64_t> sighted_{0};  // seconds since the epoch
    IdentificationCache identifications_;
    HandedCertificates handed_;
};

// What is kept for the client's connection, the master's for an HTTP/2 stream, whether or not it speaks TLS.
inline TlsConnection* client_state(const conn_rec* c) noexcept {
    const conn_rec* const own = c->master != nullptr ? c->master : c;
    return static_cast<TlsConnection*>(ap_get_module_config(own->conn_config, &mtls_authz_module));
}

// Where it speaks TLS; null where no handshake succeeded.
inline TlsConnection* tls_of(const conn_rec* c) noexcept {
    TlsConnection* const tls = client_state(c);
    return tls != nullptr && tls->is_established() ? tls : nullptr;
}

// Hooks.
void register_connection_hooks();

}  // namespace mtls::httpd
