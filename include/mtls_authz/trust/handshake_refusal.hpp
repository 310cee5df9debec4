// Why a handshake was refused before any gate was asked.
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
    kOther,
};

struct HandshakeRefusalText {
    HandshakeRefusal refusal;
    std::string_view word;      // as logged and counted
    std::string_view sentence;  // what it may mean and what to do
};

// All of them.
extern const std::array<HandshakeRefusalText, 11> kHandshakeRefusals;
const HandshakeRefusalText& text_of(HandshakeRefusal refusal);

// Of an OpenSSL verification error, X509_V_ERR_*. `at`: the certificate that it is about, or null.
HandshakeRefusal handshake_refusal_of(int verify_error, const X509* at);
// OpenSSL's words for it, or that the algorithm is unknown here.
std::string describe_verify_error(int verify_error, const X509* at);

}  // namespace mtls
