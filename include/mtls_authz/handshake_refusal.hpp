// Why a handshake was refused before any gate was asked.
#pragma once

#include <array>
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
    kOther,
};

struct HandshakeRefusalText {
    HandshakeRefusal refusal;
    std::string_view word;      // as logged and counted
    std::string_view sentence;  // what it may mean and what to do
};

// All of them.
extern const std::array<HandshakeRefusalText, 9> kHandshakeRefusals;
const HandshakeRefusalText& text_of(HandshakeRefusal refusal);

// Of an OpenSSL verification error, X509_V_ERR_*.
HandshakeRefusal handshake_refusal_of(int verify_error);

}  // namespace mtls
