// The reasons why mod_ssl refuses a handshake, before any gate decides.
#pragma once

#include <openssl/x509.h>

#include <array>
#include <string>
#include <string_view>

namespace mtls {

enum class HandshakeRefusal {
    kExpired,
    kNotYetValid,
    kUnknownCa,
    kRevoked,
    kCrlUnavailable,
    kWrongPurpose,
    kConstraint,
    kBadSignature,
    kUnknownAlgorithm,
    kMalformed,
    kTooDeep,
    kOther,
};

struct HandshakeRefusalText {
    HandshakeRefusal refusal;
    std::string_view word;      // for logs and metrics
    std::string_view sentence;  // the probable cause and the remedy
};

// Indexed by HandshakeRefusal.
extern const std::array<HandshakeRefusalText, 12> kHandshakeRefusals;
const HandshakeRefusalText& text_of(HandshakeRefusal refusal);
// The sentence, with a clause about this handshake ("; ..."); a clause that begins otherwise replaces it.
std::string advice_for(HandshakeRefusal refusal, std::string_view clause);

// Words of advice that mtls-authz recognizes in a log line.
constexpr const char* kNoPolicyInForce =
    "no policy is in force in this process, so no trust anchor of it counts in the handshake: mend the policy files "
    "(the errors since the start name file and line)";
constexpr const char* kWithClientCa = "MTLSClientCA On would let it in";
constexpr const char* kSentAlone = "the client sent its own certificate alone";
constexpr const char* kMadeForServers = "it was made for servers alone";
constexpr const char* kVerifyDepth = "SSLVerifyDepth ";  // followed by the number
// Of a request that came over a connection of another virtual host.
constexpr const char* kMisdirectedSentence =
    "MTLSClientCA is Off in this virtual host, and mod_ssl's own CAs have not verified the certificate: a live trust "
    "anchor of another virtual host did. The client is told (421) to open a connection for this one; if its handshake "
    "should let the certificate in too, set MTLSClientCA On here, or add the CA to SSLCACertificateFile";

// Classifies an OpenSSL verification error, X509_V_ERR_*. `at`: the certificate with the error, or null.
HandshakeRefusal handshake_refusal_of(int verify_error, const X509* at);
// OpenSSL's text for the error, or that this OpenSSL does not support the algorithm.
std::string describe_verify_error(int verify_error, const X509* at);

}  // namespace mtls
