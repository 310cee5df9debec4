// MTLSForward: certificates as nginx, HAProxy and Envoy hand them on. tests/httpd compares with the first two.
#include "mtls_authz/policy/forwarding.hpp"

#include "claims.hpp"
#include "front_fields.hpp"
#include "mtls_authz/certificate/front_header.hpp"

using namespace test;

namespace {

std::string base64_of(const Identity& id) { return mtls::base64(der_bytes(id)); }

// Percent-encoded, in capitals.
std::string escaped_pem(const Identity& id) {
    std::string out = as_pem_url(id);
    for (std::size_t at = out.find('%'); at != std::string::npos; at = out.find('%', at + 1)) {
        for (const std::size_t i : {at + 1, at + 2}) out[i] = out[i] >= 'a' ? static_cast<char>(out[i] - 32) : out[i];
    }
    return out;
}

Identity with_names(const std::vector<Attr>& subject, const std::vector<std::pair<int, std::string>>& san) {
    CertSpec spec;
    spec.subject = subject;
    spec.san = san;
    return issue(spec, nullptr);
}

std::string xfcc_of(const Identity& id, const std::vector<const Identity*>& above = {}) {
    std::vector<mtls::X509Ptr> chain;
    for (const Identity* ca : above) chain.push_back(mtls::share(*ca->cert));
    return mtls::xfcc_value(mtls::read_facts(*id.cert), base64_of(id), chain);
}

}  // namespace

CLAIM(a_percent_encoded_pem_is_the_pem_of_openssl_with_all_but_unreserved_characters_encoded) {
    const Identity id = make_client("api", "api.acme.example", make_ca("CA"));
    CHECK_EQUAL(mtls::pem_url_value(base64_of(id)), escaped_pem(id));
    CHECK_CONTAINS(escaped_pem(id), "-----BEGIN%20CERTIFICATE-----%0AMII");
    CHECK(escaped_pem(id).ends_with("%0A-----END%20CERTIFICATE-----%0A"));
}

CLAIM(xfcc_has_hash_certificate_subject_and_names_as_envoy_writes_them) {
    const Identity id =
        with_names({{"C", "US"}, {"O", "Acme"}, {"CN", "api"}},
                   {{GEN_URI, "spiffe://acme.example/ns/a"}, {GEN_DNS, "api.acme.example"}, {GEN_DNS, "b"}});
    CHECK_EQUAL(xfcc_of(id), "Hash=" + hex_sha256(id) + ";Cert=\"" + escaped_pem(id) +
                                 "\";Subject=\"CN=api,O=Acme,C=US\";URI=spiffe://acme.example/ns/a;"
                                 "DNS=api.acme.example;DNS=b");
    // The chain begins with the leaf.
    const Identity ca = make_ca("Sub CA");
    CHECK_CONTAINS(xfcc_of(id, {&ca}), ";Chain=\"" + escaped_pem(id) + escaped_pem(ca) + "\";Subject=");
}

CLAIM(no_name_of_a_certificate_ends_an_xfcc_value_or_begins_another) {
    const Identity id = with_names(
        {{"CN", "a\\\";URI=spiffe://evil,b\xc3\xa9"}},
        {{GEN_URI, "https://acme.example/a;b,c=d"}, {GEN_URI, "x:\";URI=y"}, {GEN_URI, "x:\\"}, {GEN_DNS, "a b"}});
    const std::string value = xfcc_of(id);
    CHECK_CONTAINS(value,
                   ";Subject=\"CN=a\\5C\\22\\;URI=spiffe://evil\\,b\\C3\\A9\";URI=\"https://acme.example/a;b,c=d\"");
    CHECK(value.ends_with("a;b,c=d\""));
    for (const char c : value) CHECK(c >= 0x20 && c < 0x7f);
    // A reader that knows no escapes, and this module's own, find the same elements.
    CHECK(value.find("\\\"") == std::string::npos);
    const auto read = mtls::decode_front_header(mtls::FrontFormat::kXfcc, value, mtls::FieldHolds::kOneCertificate);
    CHECK(read.ok());
    CHECK_EQUAL(mtls::encode(i2d_X509, *read.value().leaf), der_bytes(id));
}

CLAIM(a_header_holds_any_text_in_printable_characters) {
    CHECK_EQUAL(mtls::header_text("tenant 4711, west"), "tenant 4711, west");
    CHECK_EQUAL(mtls::header_text("50%\r\nX-Partner: x\xc3\xa9"), "50%25%0D%0AX-Partner: x%C3%A9");
    CHECK_EQUAL(mtls::header_text(" a "), "%20a%20");
}
