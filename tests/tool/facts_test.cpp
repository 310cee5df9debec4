// The commands facts and suggest: what a certificate holds, and the block that it makes.
#include <openssl/pkcs7.h>

#include <cstddef>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "acme_bench.hpp"
#include "claims.hpp"
#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"
#include "pki.hpp"
#include "tool.hpp"

using namespace test;
using Json = nlohmann::json;

namespace {

std::string pkcs7_of(const std::vector<const Identity*>& ids) {
    PKCS7* const bag = PKCS7_new();
    PKCS7_set_type(bag, NID_pkcs7_signed);
    PKCS7_content_new(bag, NID_pkcs7_data);
    for (const Identity* id : ids) PKCS7_add_certificate(bag, id->cert.get());
    unsigned char* encoded = nullptr;
    const int n = i2d_PKCS7(bag, &encoded);
    std::string out(reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(n));
    OPENSSL_free(encoded);
    PKCS7_free(bag);
    return out;
}

}  // namespace

CLAIM(facts_are_the_cores_in_whatever_wrapping) {
    Pki p;
    p.file("acme.der", der_of(p.acme))
        .file("both.p7b", pkcs7_of({&p.acme, &p.ca}))
        .file("bad", "bad")
        .file("empty", "");
    const std::string said = p.expect(2, {"facts", "acme.pem", "acme.der", "both.p7b", "bad", "empty", "nowhere", "."});
    for (const char* part : {"mtls-authz: bad: holds no PEM certificate", "mtls-authz: nowhere: No such file",
                             "mtls-authz: .: is not a regular file"}) {
        CHECK_CONTAINS(said, part);
    }
    const auto lines = lines_of(said);
    CHECK_EQUAL(lines.size(), 6U);
    p.expect(0, {"facts", "acme.pem", "both.p7b"});
    const Json& pem = lines[0];
    const mtls::CertificateFacts facts = mtls::read_facts(*p.acme.cert);
    CHECK_EQUAL(pem["file"], "acme.pem");
    CHECK_EQUAL(
        pem["subject"].dump(),
        R"([{"name":"C","oid":"2.5.4.6","value":"US"},{"name":"O","oid":"2.5.4.10","value":"Acme"},)"
        R"({"name":"organizationIdentifier","oid":"2.5.4.97","value":"VATUS-1"},{"name":"CN","oid":"2.5.4.3","value":"api"}])");
    CHECK_EQUAL(pem["serial"], facts.serial);
    CHECK_EQUAL(pem["sha256"], hex_sha256(p.acme));
    CHECK_EQUAL(pem["key"].dump(), R"({"algorithm":"EC","bits":256,"curve":"P-256"})");
    CHECK_EQUAL(pem["not_after"], mtls::format_time(facts.not_after));
    CHECK_EQUAL(pem["dns"].dump(), R"(["api.acme.example"])");
    CHECK_EQUAL(pem["uri"].dump(), R"(["spiffe://acme.example/ns/prod"])");
    CHECK_EQUAL(pem["eku"].dump(), R"(["1.3.6.1.5.5.7.3.2"])");
    CHECK(pem["malformed"].is_null() && pem["is_ca"] == false);
    CHECK_EQUAL(lines[1]["sha256"], pem["sha256"]);
    CHECK_EQUAL(lines[2]["sha256"], pem["sha256"]);
    CHECK(lines[3]["is_ca"] == true);
    for (std::size_t i = 4; i < 6; ++i) CHECK(lines[i]["malformed"].is_string() && lines[i]["dns"].is_null());
}

CLAIM(facts_stay_valid_json_whatever_the_certificate_holds) {
    Pki p;
    const std::vector<std::vector<Attr>> subjects = {
        {{"CN", std::string("a\0b", 3)}},
        {{"CN", "\xff\xfe", V_ASN1_T61STRING}},
        {{"CN", "quote \" back \\ \x1b[31m"}},
        {{"1.2.3.4", "odd"}},
    };
    std::vector<std::string> args = {"facts"};
    for (std::size_t i = 0; i < subjects.size(); ++i) {
        CertSpec spec;
        spec.subject = subjects[i];
        spec.san = {{GEN_DNS, "\xc3\x28.example"}, {GEN_URI, "javascript:\n"}, {GEN_IPADD, "abc"}};
        p.file(std::to_string(i), issue(spec, &p.ca).cert_pem());
        args.push_back(std::to_string(i));
    }
    const auto lines = lines_of(p.expect(0, args));
    CHECK_EQUAL(lines.size(), subjects.size());
    for (const Json& line : lines) CHECK(line["malformed"].is_string());
    CHECK_EQUAL(lines[0]["ip"].dump(), R"(["#616263"])");
}

CLAIM(a_suggestion_passes_check_and_accepts_its_certificate) {
    Pki p;
    const std::string block = p.expect(0, {"suggest", "acme.pem", "--anchor", "ca.pem"});
    CHECK_CONTAINS(block,
                   "<MTLSPartner acme>\n    # stays at renewal; says exactly which service it is\n"
                   "    MTLSIdentity URI:spiffe://acme.example/ns/prod\n");
    for (const char* other : {"#MTLSIdentity DNS:api.acme.example\n", "#MTLSIdentity organizationIdentifier:VATUS-1\n",
                              "#MTLSIdentity CN:api\n",
                              "breaks at its renewal\n    #MTLSIdentity sha256:", "    MTLSTrustAnchor ca.pem\n"}) {
        CHECK_CONTAINS(block, other);
    }
    p.file("new.conf", block);
    p.expect(0, {"check", "new.conf"});
    CHECK_CONTAINS(p.expect(0, {"explain", "--policy", "new.conf", "--cert", "acme.pem"}), "allow: granted");
    // Each alternative that is commented out would do as well.
    std::istringstream lines(block);
    for (std::string line; std::getline(lines, line);) {
        const std::size_t at = line.find("#MTLSIdentity ");
        if (at == std::string::npos) continue;
        p.file("one.conf", partner("acme", line.substr(at + 1) + "\nMTLSTrustAnchor ca.pem"));
        CHECK_CONTAINS(p.expect(0, {"explain", "--policy", "one.conf", "--cert", "acme.pem"}), "allow: granted");
    }
    // The wrong CA is said; no CA at all still reads.
    CHECK_CONTAINS(p.expect(1, {"suggest", "acme.pem", "--anchor", "other-ca.pem"}),
                   "would refuse the certificate: not-verified");
    p.file("loose.conf", p.expect(0, {"suggest", "acme.pem", "--name", "other-name"}));
    p.expect(0, {"check", "loose.conf"});
    // Names that somebody chose for us stay inside of their words.
    CertSpec hostile;
    hostile.subject = {{"O", "x\" </MTLSPartner> ${HOME} #"}, {"CN", "a b\\"}};
    const Identity odd = issue(hostile, &p.ca);
    p.file("odd.pem", odd.cert_pem());
    p.file("odd.conf", p.expect(0, {"suggest", "odd.pem", "--anchor", "ca.pem"}));
    CHECK_CONTAINS(p.expect(0, {"explain", "--policy", "odd.conf", "--cert", "odd.pem"}), "allow: granted");
    CHECK_CONTAINS(p.expect(2, {"suggest", "acme.pem", "--name", "a b"}),
                   "cannot be a partner's name: expected 1 to 64 letters, digits");
}

CLAIM(a_certificate_made_for_servers_is_suggested_and_explained_with_its_purpose) {
    Pki p;
    CertSpec spec;
    spec.subject = {{"CN", "web"}};
    spec.san = {{GEN_DNS, "web.acme.example"}};
    spec.eku = "serverAuth";
    p.file("web.pem", issue(spec, &p.ca).cert_pem());
    const std::string block = p.expect(0, {"suggest", "web.pem", "--anchor", "ca.pem"});
    CHECK_CONTAINS(block, "    MTLSPurpose serverAuth\n</MTLSPartner>\n");
    CHECK(p.expect(0, {"suggest", "acme.pem", "--anchor", "ca.pem"}).find("MTLSPurpose") == std::string::npos);
    p.file("web.conf", block);
    CHECK_CONTAINS(p.expect(0, {"explain", "--policy", "web.conf", "--cert", "web.pem"}),
                   "purpose: made for servers alone; MTLSPurpose serverAuth lets it in\n");
    CHECK_CONTAINS(p.expect(0, {"check", "web.conf"}), "warning: MTLSPurpose serverAuth of web without an end");
    p.file("not.conf", partner("web", "MTLSIdentity DNS:web.acme.example\nMTLSTrustAnchor ca.pem"));
    CHECK_CONTAINS(p.expect(3, {"explain", "--policy", "not.conf", "--cert", "web.pem"}), "deny: wrong-issuer");
    CHECK_CONTAINS(p.expect(1, {"diff", "not.conf", "web.conf"}), "web gains: MTLSPurpose serverAuth\n");
}
