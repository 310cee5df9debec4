#include "mtls_authz/trust/handshake_refusal.hpp"

#include <openssl/x509_vfy.h>

#include "mtls_authz/certificate/algorithms.hpp"

namespace mtls {

const std::array<HandshakeRefusalText, 12> kHandshakeRefusals = {{
    {HandshakeRefusal::kExpired, "expired",
     "a certificate of the chain is past its notAfter; if at= names the client's own, ask the partner to renew, and if "
     "a new one is there already, to restart the client with it; if it names a CA, put that CA's new certificate into "
     "SSLCACertificateFile, MTLSTrustAnchor or MTLSIntermediate, wherever the old one is, or have the client send it"},
    {HandshakeRefusal::kNotYetValid, "not-yet-valid",
     "a certificate of the chain begins in the future; check this server's clock and the issuing CA's"},
    {HandshakeRefusal::kUnknownCa, "unknown-ca",
     "no path leads to a CA that this virtual host trusts; if the partner confirms, over a channel that you know, that "
     "this is its CA, add it with MTLSTrustAnchor, and to SSLCACertificateFile unless MTLSClientCA is On; if the "
     "client leaves its intermediates out, have it send them, or add them with MTLSIntermediate, which helps with "
     "MTLSClientCA On; otherwise, if claimed= is there, somebody else has a certificate with this partner's name"},
    {HandshakeRefusal::kRevoked, "revoked",
     "a CRL that mod_ssl was given lists a certificate of the chain, or, with SSLOCSPEnable, its CA's responder says "
     "so; if the partner should go on, it needs a new one"},
    {HandshakeRefusal::kCrlUnavailable, "crl-unavailable",
     "SSLCARevocationCheck asks for a CRL of the CA that issued the certificate at at=, and mod_ssl has none that it "
     "can use (detail= says why); put the current one into SSLCARevocationFile or SSLCARevocationPath, and restart; if "
     "it begins in the future, check this server's clock; if there is none at all, SSLCARevocationCheck with "
     "no_crl_for_cert_ok leaves that to MTLSCRLFile, but forgives no expired one"},
    {HandshakeRefusal::kWrongPurpose, "wrong-purpose",
     "a certificate of the chain was not issued for this: a client needs clientAuth among its extendedKeyUsage, a CA "
     "basicConstraints and keyCertSign; the partner needs another certificate, or, where its CA makes them for servers "
     "alone, MTLSPurpose serverAuth"},
    {HandshakeRefusal::kConstraint, "constraint",
     "a certificate of the chain breaks a limit that a CA above it sets (names, length of the path, policies), or has "
     "a critical extension that this OpenSSL does not process; detail= has which, at= where: its issuer has to issue "
     "another one"},
    {HandshakeRefusal::kBadSignature, "bad-signature",
     "a signature of the chain does not hold, or its algorithm or key is too weak; an attack, or a broken or outdated "
     "CA"},
    {HandshakeRefusal::kUnknownAlgorithm, "unknown-algorithm",
     "a key or signature of the chain is of an algorithm that the OpenSSL here does not know; update OpenSSL to one "
     "that does, as far as detail= names it, or ask the partner for a certificate with another algorithm"},
    {HandshakeRefusal::kMalformed, "malformed",
     "a certificate of the chain does not have the form that RFC 5280 gives it; detail= has which rule it breaks, at= "
     "where: its issuer has to issue another one"},
    {HandshakeRefusal::kTooDeep, "too-deep",
     "the path has more CAs than SSLVerifyDepth of this virtual host allows, which is 1 where it is not set; raise it"},
    {HandshakeRefusal::kOther, "other",
     "mod_ssl refused the chain; detail= has the cause; for OCSP, see mod_ssl's own lines: an answer has to be signed "
     "below a CA in SSLCACertificateFile, also with MTLSClientCA, or by a certificate in "
     "SSLOCSPResponderCertificateFile"},
}};

const HandshakeRefusalText& text_of(HandshakeRefusal refusal) {
    return kHandshakeRefusals[static_cast<std::size_t>(refusal)];
}

std::string advice_for(HandshakeRefusal refusal, std::string_view clause) {
    const bool is_whole = !clause.empty() && !clause.starts_with("; ");
    return (is_whole ? "" : std::string(text_of(refusal).sentence)) + std::string(clause);
}

namespace {

// OpenSSL reports an unsupported algorithm as a weak key, or as a bad signature.
std::string unknown_algorithm(int verify_error, const X509* at) {
    switch (verify_error) {
        case X509_V_ERR_EE_KEY_TOO_SMALL:
        case X509_V_ERR_CA_KEY_TOO_SMALL:
        case X509_V_ERR_CA_MD_TOO_WEAK:
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE:
        case X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY:
        case X509_V_ERR_NO_ISSUER_PUBLIC_KEY:
        case X509_V_ERR_UNSUPPORTED_SIGNATURE_ALGORITHM:
            break;
        default:
            return {};
    }
    if (at == nullptr) return {};
    std::string unknown = unknown_key(*at);
    return unknown.empty() ? unknown_signature(*at) : unknown;
}

// Whether OpenSSL takes a certificate for self-signed, since nothing but its signature says that another key of this
// name issued it.
bool is_only_self_issued(int verify_error, const X509* at) {
    if (verify_error != X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT && verify_error != X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN)
        return false;
    constexpr int kVerifies = 1;
    return at != nullptr && X509_get_ext_by_NID(at, NID_authority_key_identifier, -1) < 0 && costly_key(*at).empty() &&
           X509_self_signed(const_cast<X509*>(at), kVerifies) != 1;
}

// The error that mod_ssl's callback meant. So that the client is not told that its certificate has expired, it replaces
// X509_V_ERR_CRL_HAS_EXPIRED, and no other, with this number.
int meant_by_mod_ssl(int verify_error) {
    constexpr int kExpiredCrl = -1;
    return verify_error == kExpiredCrl ? X509_V_ERR_CRL_HAS_EXPIRED : verify_error;
}

}  // namespace

std::string describe_verify_error(int verify_error, const X509* at) {
    verify_error = meant_by_mod_ssl(verify_error);
    if (handshake_refusal_of(verify_error, at) == HandshakeRefusal::kTooDeep)
        return X509_verify_cert_error_string(X509_V_ERR_CERT_CHAIN_TOO_LONG);
    if (verify_error == X509_V_ERR_APPLICATION_VERIFICATION) return "mod_ssl's OCSP check refused it";
    // OpenSSL says so of too large a tree of policies, too.
    if (verify_error == X509_V_ERR_OUT_OF_MEM)
        return "out of memory, or more certificate policies than OpenSSL processes (1,000 in all)";
    std::string unknown = unknown_algorithm(verify_error, at);
    if (!unknown.empty()) return unknown;
    return X509_verify_cert_error_string(verify_error) +
           std::string(is_only_self_issued(verify_error, at) ? " (it is self-issued, and has no authorityKeyIdentifier)"
                                                             : "");
}

HandshakeRefusal handshake_refusal_of(int verify_error, const X509* at) {
    if (!unknown_algorithm(verify_error, at).empty()) return HandshakeRefusal::kUnknownAlgorithm;
    switch (meant_by_mod_ssl(verify_error)) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return HandshakeRefusal::kExpired;
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return HandshakeRefusal::kNotYetValid;
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_CERT_UNTRUSTED:
        case X509_V_ERR_SUBJECT_ISSUER_MISMATCH:
        case X509_V_ERR_AKID_SKID_MISMATCH:
        case X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH:
            return HandshakeRefusal::kUnknownCa;
        case X509_V_ERR_CERT_REVOKED:
            return HandshakeRefusal::kRevoked;
        case X509_V_ERR_UNABLE_TO_GET_CRL:
        case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
        case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
        case X509_V_ERR_CRL_SIGNATURE_FAILURE:
        case X509_V_ERR_CRL_HAS_EXPIRED:
        case X509_V_ERR_CRL_NOT_YET_VALID:
        case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
        case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
        case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
        case X509_V_ERR_DIFFERENT_CRL_SCOPE:
        case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
        case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
            return HandshakeRefusal::kCrlUnavailable;
        case X509_V_ERR_INVALID_PURPOSE:
        case X509_V_ERR_INVALID_CA:
        case X509_V_ERR_CERT_REJECTED:
        case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
        case X509_V_ERR_INVALID_NON_CA:
        case X509_V_ERR_KEYUSAGE_NO_DIGITAL_SIGNATURE:
            return HandshakeRefusal::kWrongPurpose;
        case X509_V_ERR_PATH_LENGTH_EXCEEDED:
        case X509_V_ERR_PERMITTED_VIOLATION:
        case X509_V_ERR_EXCLUDED_VIOLATION:
        case X509_V_ERR_SUBTREE_MINMAX:
        case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
        case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
        case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
        case X509_V_ERR_INVALID_POLICY_EXTENSION:
        case X509_V_ERR_NO_EXPLICIT_POLICY:
        case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION:
        case X509_V_ERR_UNSUPPORTED_EXTENSION_FEATURE:
        case X509_V_ERR_UNNESTED_RESOURCE:
            return HandshakeRefusal::kConstraint;
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE:
        case X509_V_ERR_EE_KEY_TOO_SMALL:
        case X509_V_ERR_CA_KEY_TOO_SMALL:
        case X509_V_ERR_CA_MD_TOO_WEAK:
        case X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY:
        case X509_V_ERR_NO_ISSUER_PUBLIC_KEY:
        case X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH:
        case X509_V_ERR_SIGNATURE_ALGORITHM_INCONSISTENCY:
            return HandshakeRefusal::kBadSignature;
        case X509_V_ERR_UNSUPPORTED_SIGNATURE_ALGORITHM:
            return HandshakeRefusal::kUnknownAlgorithm;
        case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
        case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
        case X509_V_ERR_INVALID_EXTENSION:
        case X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA:
        case X509_V_ERR_PATHLEN_WITHOUT_KU_KEY_CERT_SIGN:
        case X509_V_ERR_KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA:
        case X509_V_ERR_ISSUER_NAME_EMPTY:
        case X509_V_ERR_SUBJECT_NAME_EMPTY:
        case X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER:
        case X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER:
        case X509_V_ERR_EMPTY_SUBJECT_ALT_NAME:
        case X509_V_ERR_EMPTY_SUBJECT_SAN_NOT_CRITICAL:
        case X509_V_ERR_CA_BCONS_NOT_CRITICAL:
        case X509_V_ERR_AUTHORITY_KEY_IDENTIFIER_CRITICAL:
        case X509_V_ERR_SUBJECT_KEY_IDENTIFIER_CRITICAL:
        case X509_V_ERR_CA_CERT_MISSING_KEY_USAGE:
        case X509_V_ERR_EXTENSIONS_REQUIRE_VERSION_3:
        case X509_V_ERR_EC_KEY_EXPLICIT_PARAMS:
            return HandshakeRefusal::kMalformed;
        case X509_V_ERR_CERT_CHAIN_TOO_LONG:
        case X509_V_ERR_UNSPECIFIED:  // mod_ssl's callback refused; it sets no error for SSLVerifyDepth alone
            return HandshakeRefusal::kTooDeep;
        default:
            return HandshakeRefusal::kOther;
    }
}

}  // namespace mtls
