// State of a TLS connection: the client's certificate and its identification.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "httpd/config/announced_names.hpp"
#include "httpd/config/config.hpp"
#include "mtls_authz/decide/handed_certificates.hpp"

namespace mtls::httpd {

// Facts about the handshake, for the log.
struct TlsFacts {
    std::string version;  // "1.3"
    bool resumed = false;
};

// Whether to record a sighting of a certificate again: the first time, then at most once a minute; true for one caller
// per interval. `sighted`: seconds since the epoch. Thread-safe.
constexpr std::int64_t kSightingInterval = 60;
inline bool claim_sighting(std::atomic<std::int64_t>& sighted, std::int64_t now) {
    std::int64_t last = sighted.load(std::memory_order_relaxed);
    return now >= last + kSightingInterval && sighted.compare_exchange_strong(last, now, std::memory_order_relaxed);
}

// Allocated in the pool of each client connection; established once it speaks TLS. With HTTP/2 this is the master
// connection, whose streams read it from several threads. They need no lock: the certificate changes only on the
// connection's own thread before the protocol is switched. HTTP/2 forbids renegotiation and post-handshake
// authentication (RFC 9113 9.2.1, 9.2.3); a certificate that HTTP/1.1 asked for, and that comes later, ends the
// connection.
//
// Keeps facts and certificates, never the SSL*: mod_ssl frees that as soon as a handshake fails, while httpd continues
// with the connection. OpenSSL lends it at the end of each handshake.
class TlsConnection {
public:
    // Called at the end of each successful handshake: takes the connection's certificate if it changed (renegotiation,
    // post-handshake authentication). If it throws, the connection is not established.
    void note_handshake(const SSL& ssl);
    bool is_established() const noexcept { return is_established_; }

    // The connection speaks another protocol from here on, chosen in the handshake or by a request: its certificate is
    // fixed. Only that of a handshake that is not over yet is still taken.
    void note_switch() noexcept { is_switched_ = true; }
    bool is_fixed() const noexcept { return is_switched_ && is_established_; }
    // Whether a handshake has ended with another certificate than the one that is fixed.
    bool has_changed_late(const SSL& ssl) const;

    // Which CAs verified the certificate in the last full handshake; kNone for a resumed session.
    enum class Verifier { kNone, kModSsl, kAnchorsAlone };
    struct VerifiedChain {
        X509Ptr leaf;
        SentHelpers helpers;
        std::string encoded_helpers;
        std::vector<X509Ptr> chain;  // as in HandshakeVerdict
    };
    struct Verification {
        Verifier by = Verifier::kNone;
        // A resumed session says that the certificate leads to no CA, and mod_ssl agrees.
        bool is_of_unknown_ca = false;
        VerifiedChain verified;  // by that handshake, until the certificate is taken from it
        // With kNone: a virtual host whose mod_ssl CAs verify the certificate. Thread-safe.
        std::atomic<const server_rec*> own_cas_of{nullptr};
    };
    Verification& verification() { return verification_; }

    // Both are null if the client sent no certificate.
    const std::shared_ptr<KnownCertificate>& known() const { return known_; }
    const PresentedCertificate* certificate() const { return known_ ? &known_->certificate() : nullptr; }
    // Caches the decoded certificate for the partner's next connections. Thread-safe.
    void keep_known() {
        if (!is_kept_.load(std::memory_order_relaxed)) keep_known_now();
    }
    const TlsFacts& facts() const { return facts_; }

    // A request has changed the protocol of the connection (RFC 9110 7.8, 9.3.6), or a front may think so.
    void note_upgrade() noexcept { is_upgraded_ = true; }
    bool is_upgraded() const noexcept { return is_upgraded_; }

    // When to record the next sighting of the certificate. Thread-safe.
    std::int64_t sighting_due() const { return sighted_.load(std::memory_order_relaxed) + kSightingInterval; }
    bool claim_sighting(std::int64_t now) { return httpd::claim_sighting(sighted_, now); }

    // The CA names lent to a handshake.
    AnnouncedNames::Lease& announced() { return announced_; }

    // If the client is a front: the certificates that it forwarded. Thread-safe.
    HandedCertificates& handed() { return handed_; }

private:
    void take_certificate(const SSL& ssl);
    void keep_known_now();

    bool is_established_ = false;
    bool is_switched_ = false;
    bool is_upgraded_ = false;
    Verification verification_;
    X509Ptr leaf_;  // of this connection; known_ may have another with the same bytes
    std::shared_ptr<KnownCertificate> known_;
    std::string known_key_;            // until it is kept
    std::atomic<bool> is_kept_{true};  // or there is nothing to keep
    TlsFacts facts_;
    AnnouncedNames::Lease announced_;
    std::atomic<std::int64_t> sighted_{0};  // seconds since the epoch
    HandedCertificates handed_;
};

// The state of the client's connection (of the master for an HTTP/2 stream), with or without TLS.
inline TlsConnection* client_state(const conn_rec* c) noexcept {
    const conn_rec* const own = c->master != nullptr ? c->master : c;
    return static_cast<TlsConnection*>(ap_get_module_config(own->conn_config, &mtls_authz_module));
}

// The state if a handshake succeeded; else null.
inline TlsConnection* tls_of(const conn_rec* c) noexcept {
    TlsConnection* const tls = client_state(c);
    return tls != nullptr && tls->is_established() ? tls : nullptr;
}

// A 2xx to CONNECT makes a tunnel of a front's connection. If that is the method: notes an upgrade, and closes the
// connection behind the response.
void note_connect(request_rec* r);

// Hooks.
void register_connection_hooks();
// Notes upgrades by programs. Called for the first MTLSAcceptFront; httpd sorts its hooks again after reading the
// configuration.
void hook_answers();

}  // namespace mtls::httpd
