// Bundles of SPIFFE trust domains: what counts in them, and what refuses one as a whole.

#include "bundles.hpp"
#include "claims.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/trust/spiffe_bundle.hpp"

using namespace mtls;
using namespace test;

namespace {

std::string fault_of(const std::string& text) {
    const auto read = read_spiffe_bundle(text);
    return read ? "" : read.error();
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
    const auto at = text.find(what);
    CHECK(at != std::string::npos);
    return text.replace(at, what.size(), by);
}

std::string der_of(const test::Identity& id) { return encode(i2d_X509, *id.cert); }

}  // namespace

CLAIM(a_bundle_holds_the_cas_of_its_x509_svid_keys_and_its_numbers) {
    const auto a = make_ca("A"), b = make_ca("B");
    const auto read = read_spiffe_bundle(bundle_of({jwk_of(a), jwk_of(b), jwk_of(a)}, "18446744073709551615"));
    CHECK(read.ok());
    CHECK_EQUAL(read.value().authorities.size(), 2u);
    CHECK(read.value().authorities[0] == der_of(a));
    CHECK(read.value().authorities[1] == der_of(b));
    CHECK_EQUAL(*read.value().sequence, 18446744073709551615u);
    CHECK_EQUAL(*read.value().refresh_hint, 300u);
    CHECK(read.value().warnings.empty());
    // Without any number, and with members that nobody has heard of.
    const auto bare = read_spiffe_bundle(R"({"more": [{}], "keys": [)" + jwk_of(a) + "]}");
    CHECK(bare.ok());
    CHECK(!bare.value().sequence && !bare.value().refresh_hint);
    // What the JWK says of its key may be missing: the certificate has it.
    CHECK(read_spiffe_bundle(bundle_of({R"({"kty": "EC", "use": "x509-svid", "x5c": [")" + x5c_of(a) + "\"]}"})).ok());
}

CLAIM(keys_of_other_uses_and_types_are_passed_over) {
    const auto a = make_ca("A"), b = make_ca("B");
    const std::string other = jwk_of(b);
    for (const std::string& key :
         {replaced(other, "x509-svid", "jwt-svid"), replaced(other, "x509-svid", "X509-SVID"),
          replaced(other, "x509-svid", R"(x509-svid\u0000)"), replaced(other, R"("use": "x509-svid",)", ""),
          replaced(other, R"("x509-svid")", "1"), replaced(other, R"("EC")", R"("ec")"),
          replaced(other, R"("EC")", R"("oct")"), replaced(other, R"("EC")", "null"),
          replaced(other, R"("kty": "EC",)", ""), replaced(other, R"("x5c")", R"("x5d")"),
          replaced(other, "[\"" + x5c_of(b) + "\"]", "[]"), std::string("{}"),
          std::string(R"({"use": "jwt-svid", "kty": 7, "x5c": "not looked at"})")}) {
        const auto read = read_spiffe_bundle(bundle_of({key, jwk_of(a)}));
        CHECK(read.ok());
        CHECK_EQUAL(read.value().authorities.size(), 1u);
        CHECK(read.value().authorities[0] == der_of(a));
        CHECK_CONTAINS(fault_of(bundle_of({key})), "it trusts nobody");
    }
    const auto warned = read_spiffe_bundle(bundle_of({replaced(other, R"("EC")", R"("XY")"), jwk_of(a)}));
    CHECK_EQUAL(warned.value().warnings.size(), 1u);
    CHECK_CONTAINS(warned.value().warnings[0], "keys[0] is passed over: its kty");
    // Of several certificates the first counts.
    const auto two = read_spiffe_bundle(
        bundle_of({replaced(jwk_of(a), "[\"" + x5c_of(a), "[\"" + x5c_of(a) + R"(", ")" + x5c_of(b))}));
    CHECK_EQUAL(two.value().authorities.size(), 1u);
    CHECK(two.value().authorities[0] == der_of(a));
    CHECK_CONTAINS(two.value().warnings[0], "of 2 certificates in x5c the first alone counts");
}

CLAIM(an_empty_bundle_is_refused) {
    CHECK_CONTAINS(fault_of(R"({"keys": []})"), "it trusts nobody");
    CHECK_CONTAINS(fault_of("{}"), "array \"keys\"");
    CHECK_CONTAINS(fault_of("[]"), "array \"keys\"");
    CHECK_CONTAINS(fault_of(R"({"keys": {}})"), "array \"keys\"");
    CHECK_CONTAINS(fault_of(R"({"keys": null})"), "array \"keys\"");
    CHECK_CONTAINS(fault_of(""), "is not JSON");
}

CLAIM(a_certificate_is_standard_base64_of_one_ca_in_der) {
    const auto ca = make_ca("A"), other = make_ca("B");
    const auto leaf = make_client("leaf", "leaf.example.org", ca);
    const std::string good = bundle_of(ca), x5c = x5c_of(ca);
    CHECK_EQUAL(fault_of(good), "");
    const auto with = [&](const std::string& value) { return fault_of(replaced(good, x5c, value)); };
    CHECK_CONTAINS(with(base64url(der_of(ca) + "\xff\xfe")), "base64url does not count");
    CHECK_CONTAINS(with(x5c + "\\n"), "without line breaks");
    CHECK_CONTAINS(with(" " + x5c), "standard alphabet");
    CHECK_CONTAINS(with(x5c.substr(0, 64) + "\\n" + x5c.substr(64)), "standard alphabet");
    CHECK_CONTAINS(with("===="), "standard alphabet");
    CHECK_CONTAINS(with("MA"), "with padding");
    CHECK_CONTAINS(with("MB=="), "standard alphabet");  // stray bits behind the last octet
    CHECK_CONTAINS(with(""), "standard alphabet");
    CHECK_CONTAINS(with(base64(ca.cert_pem())), "one X.509 certificate in DER");
    CHECK_CONTAINS(with(base64(der_of(ca) + der_of(other))), "one X.509 certificate in DER");
    CHECK_CONTAINS(with(base64(der_of(ca).substr(0, 100))), "one X.509 certificate in DER");
    CHECK_CONTAINS(with(x5c_of(leaf)), "is no CA");
    CHECK_CONTAINS(with(x5c_of(other)), "another key than the JWK itself");
    CHECK_CONTAINS(fault_of(replaced(good, R"("EC")", R"("RSA")")), "another key than the JWK itself");
    CHECK_CONTAINS(fault_of(replaced(good, "[\"" + x5c + "\"]", "\"" + x5c + "\"")), "no array of strings");
    CHECK_CONTAINS(fault_of(replaced(good, "\"" + x5c + "\"", "7")), "no array of strings");
    CHECK_CONTAINS(fault_of(bundle_of({jwk_of(ca), "7"})), "keys[1] is no JSON object");
    // One bad key refuses the good ones beside it: which of two bundles is meant cannot be told.
    CHECK_CONTAINS(fault_of(bundle_of({jwk_of(ca), replaced(jwk_of(other), x5c_of(other), "MA")})), "keys[1]");
}

CLAIM(a_jwk_of_any_type_has_the_key_of_its_certificate) {
    EVP_PKEY* const rsa = EVP_RSA_gen(2048);
    EVP_PKEY* const ed25519 = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    CertSpec spec;
    spec.subject = {{"CN", "CA"}};
    spec.ca = true;
    spec.eku = "";
    spec.digest = nullptr;
    const auto edwards = issue(spec, nullptr, EvpPkeyPtr(ed25519));
    const auto classic = make_ca("RSA", nullptr, EvpPkeyPtr(rsa));
    std::string raw(32, '\0');
    std::size_t length = raw.size();
    CHECK_EQUAL(EVP_PKEY_get_raw_public_key(ed25519, reinterpret_cast<unsigned char*>(raw.data()), &length), 1);
    const auto fault = [](const std::string& members, const test::Identity& ca) {
        return fault_of(bundle_of({"{" + members + R"(, "use": "x509-svid", "x5c": [")" + x5c_of(ca) + R"("]})"}));
    };
    const std::string okp = R"("kty": "OKP", "crv": "Ed25519", "x": ")";
    CHECK_EQUAL(fault(okp + base64url(raw) + "\"", edwards), "");
    raw[31] = static_cast<char>(raw[31] ^ 1);
    CHECK_CONTAINS(fault(okp + base64url(raw) + "\"", edwards), "another key than the JWK itself");
    CHECK_CONTAINS(fault(okp + "+/\"", edwards), "another key than the JWK itself");
    CHECK_EQUAL(fault(R"("kty": "RSA", "e": "AQAB")", classic), "");
    CHECK_EQUAL(fault(R"("kty": "RSA", "e": "AAEAAQ")", classic), "");
    CHECK_CONTAINS(fault(R"("kty": "RSA", "e": "Aw")", classic), "another key than the JWK itself");
    CHECK_CONTAINS(fault(R"("kty": "RSA", "e": 65537)", classic), "another key than the JWK itself");
    CHECK_CONTAINS(fault(R"("kty": "RSA")", edwards), "another key than the JWK itself");
    CHECK_CONTAINS(fault(R"("kty": "EC")", classic), "another key than the JWK itself");
}

CLAIM(the_numbers_of_a_bundle_are_whole_and_have_at_most_64_bits) {
    const auto ca = make_ca("A");
    for (const char* number : {"-1", "1.0", "1e3", "\"1\"", "null", "true", "[]", "18446744073709551616"}) {
        CHECK_CONTAINS(fault_of(bundle_of({jwk_of(ca)}, number)), "has a spiffe_sequence of ");
    }
    CHECK_EQUAL(fault_of(bundle_of({jwk_of(ca)}, "0")), "");
    CHECK_CONTAINS(fault_of(replaced(bundle_of(ca), "300", "-300")), "has a spiffe_refresh_hint of -300");
}

CLAIM(hostile_json_is_refused_and_harms_nothing) {
    const std::string good = bundle_of(make_ca("A"));
    const auto nested = [](std::size_t depth, char open, char close) {
        return R"({"keys": [], "x": )" + std::string(depth, open) + std::string(depth, close) + "}";
    };
    CHECK_CONTAINS(fault_of(nested(15, '[', ']')), "trusts nobody");
    CHECK_CONTAINS(fault_of(nested(16, '[', ']')), "nested deeper than 16");
    CHECK_CONTAINS(fault_of(nested(1'000'000, '[', ']')), "nested deeper than 16");
    CHECK_CONTAINS(fault_of(std::string(2'000'000, '[')), "nested deeper than 16");
    std::string objects;
    for (int i = 0; i < 100'000; ++i) objects += R"({"a":)";
    CHECK_CONTAINS(fault_of(objects), "nested deeper than 16");
    CHECK_CONTAINS(fault_of(std::string(kLargestBundle + 1, ' ')), "larger than the 4 MiB");
    CHECK_CONTAINS(fault_of(replaced(good, "]", "]" + std::string(2'000'000, ' ') + "x")), "is not JSON");
    std::string many = "{}";
    for (std::size_t i = 0; i < kMostBundleKeys; ++i) many += ",{}";
    CHECK_CONTAINS(fault_of(R"({"keys": [)" + many + "]}"), "more than 1000 keys");
    // Readers differ about which of two values counts.
    CHECK_CONTAINS(fault_of(replaced(good, "{", R"({"spiffe_sequence": 9, )")), "\"spiffe_sequence\" twice");
    CHECK_CONTAINS(fault_of(replaced(good, "{", R"({"\u006beys": [], )")), "\"keys\" twice");
    CHECK_CONTAINS(fault_of(replaced(good, R"("use")", R"("use": "jwt-svid", "use")")), "\"use\" twice");
    // A NUL ends no text, and what is behind the JSON counts.
    CHECK_CONTAINS(fault_of(good + std::string("\0", 1)), "NUL");
    CHECK_CONTAINS(fault_of(good + std::string("\0{", 2)), "NUL");
    CHECK_CONTAINS(fault_of(good + good), "is not JSON");
    CHECK_CONTAINS(fault_of(replaced(good, "keys",
                                     "k\xff"
                                     "eys")),
                   "is not JSON");
    CHECK_CONTAINS(fault_of(replaced(good, "{", "{/* c */")), "is not JSON");
    CHECK_EQUAL(fault_of("\xef\xbb\xbf" + good), "");
    CHECK_EQUAL(fault_of(good + "\n"), "");
}
