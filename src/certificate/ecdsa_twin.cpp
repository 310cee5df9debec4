#include "mtls_authz/certificate/ecdsa_twin.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>

#include <memory>
#include <new>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/der.hpp"
#include "mtls_authz/certificate/public_key.hpp"

namespace mtls {

namespace {

using SignaturePtr = std::unique_ptr<ECDSA_SIG, FreeWith<ECDSA_SIG_free>>;

BignumPtr order_of(const X509& issuer) {
    const EVP_PKEY* const key = X509_get0_pubkey(&issuer);
    if (key == nullptr || EVP_PKEY_is_a(key, "EC") != 1) return nullptr;
    return ec_number(*key, OSSL_PKEY_PARAM_EC_ORDER);
}

// The twin of a signature as an encoded Ecdsa-Sig-Value (RFC 3279 2.2.3); empty if `signature` is not one, or is out of
// range for this curve.
std::string other_form(const ASN1_BIT_STRING& signature, const BIGNUM& order) {
    const unsigned char* p = ASN1_STRING_get0_data(&signature);
    const SignaturePtr given(d2i_ECDSA_SIG(nullptr, &p, ASN1_STRING_length(&signature)));
    if (!given || BN_cmp(ECDSA_SIG_get0_s(given.get()), &order) >= 0) return {};
    BignumPtr r(BN_dup(ECDSA_SIG_get0_r(given.get())));
    BignumPtr s(BN_new());
    const SignaturePtr other(ECDSA_SIG_new());
    if (!r || !s || !other || BN_sub(s.get(), &order, ECDSA_SIG_get0_s(given.get())) != 1) throw std::bad_alloc();
    ECDSA_SIG_set0(other.get(), r.release(), s.release());
    return encode(i2d_ECDSA_SIG, *other);
}

}  // namespace

std::string ecdsa_twin_sha256(const X509& certificate, const X509& issuer) {
    const ErrorQueueGuard errors;
    const BignumPtr order = order_of(issuer);
    if (!order) return {};
    const ASN1_BIT_STRING* signature = nullptr;
    X509_get0_signature(&signature, nullptr, &certificate);
    const std::string other = other_form(*signature, *order);
    const std::string encoded = encode(i2d_X509, certificate);
    const auto whole = DerReader(encoded).next(kDerSequence);
    if (other.empty() || !whole) return {};
    DerReader parts(whole->content);
    const auto content = parts.next();
    const auto algorithm = parts.next();
    if (!content || !algorithm) return {};
    constexpr char kNoUnusedBits = '\0';  // even if the last byte ends in zero bits
    const std::string bits = der_element(V_ASN1_BIT_STRING, kNoUnusedBits + other);
    return sha256(
        der_element(V_ASN1_SEQUENCE, std::string(content->encoding) + std::string(algorithm->encoding) + bits));
}

}  // namespace mtls
