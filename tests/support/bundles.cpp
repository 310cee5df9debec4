
#include "bundles.hpp"

#include <openssl/core_names.h>

#include <algorithm>

#include "mtls_authz/base/text.hpp"

namespace test {

namespace {

std::string coordinate(const Identity& of, const char* name) {
    BIGNUM* number = nullptr;
    EVP_PKEY_get_bn_param(of.key.get(), name, &number);
    constexpr int kBytes = 32;
    std::string out(kBytes, '\0');
    BN_bn2binpad(number, reinterpret_cast<unsigned char*>(out.data()), kBytes);
    BN_free(number);
    return mtls::base64url(out);
}

}  // namespace

std::string x5c_of(const Identity& certificate) { return mtls::base64(mtls::encode(i2d_X509, *certificate.cert)); }

std::string jwk_of(const Identity& ca) {
    return R"({"kty": "EC", "use": "x509-svid", "crv": "P-256", "x": ")" + coordinate(ca, OSSL_PKEY_PARAM_EC_PUB_X) +
           R"(", "y": ")" + coordinate(ca, OSSL_PKEY_PARAM_EC_PUB_Y) + R"(", "x5c": [")" + x5c_of(ca) + R"("]})";
}

std::string bundle_of(const std::vector<std::string>& keys, const std::string& sequence) {
    std::string out = R"({"keys": [)";
    for (const std::string& key : keys) out += (out.ends_with('[') ? "" : ", ") + key;
    return out + R"(], "spiffe_sequence": )" + sequence + R"(, "spiffe_refresh_hint": 300})";
}

std::string bundle_of(const Identity& ca, int sequence) { return bundle_of({jwk_of(ca)}, std::to_string(sequence)); }

}  // namespace test
