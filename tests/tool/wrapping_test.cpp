// Certificates in the forms in which people are sent them, as anchors and on the command line.
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>

#include "tool.hpp"

using namespace test;

namespace {

template <class Write>
std::string written(Write&& write) {
    const mtls::BioPtr bio(BIO_new(BIO_s_mem()));
    write(bio.get());
    const char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

std::string pkcs7_pem_of(const Identity& id) {
    PKCS7* const bag = PKCS7_new();
    PKCS7_set_type(bag, NID_pkcs7_signed);
    PKCS7_content_new(bag, NID_pkcs7_data);
    PKCS7_add_certificate(bag, id.cert.get());
    std::string out = written([&](BIO* bio) { PEM_write_bio_PKCS7(bio, bag); });
    PKCS7_free(bag);
    return out;
}

std::string pkcs12_of(const Identity& id) {
    PKCS12* const bag = PKCS12_create("x", "x", id.key.get(), id.cert.get(), nullptr, 0, 0, 0, 0, 0);
    std::string out = written([&](BIO* bio) { i2d_PKCS12_bio(bio, bag); });
    PKCS12_free(bag);
    return out;
}

std::string request_of(const Identity& id, bool pem) {
    X509_REQ* const request = X509_to_X509_REQ(id.cert.get(), id.key.get(), EVP_sha256());
    std::string out =
        written([&](BIO* bio) { pem ? PEM_write_bio_X509_REQ(bio, request) : i2d_X509_REQ_bio(bio, request); });
    X509_REQ_free(request);
    return out;
}

struct Wrapped : Bench {
    Identity ca = make_ca("Acme CA"), other = make_ca("Other CA");
    Identity acme = make_client("api", "api.acme.example", ca);
    Wrapped() { file("acme.pem", acme.cert_pem()); }

    Httpd::Output explain(const std::string& anchor, const std::string& identity = "CN:api") {
        file("p.conf",
             "<MTLSPartner acme>\nMTLSIdentity " + identity + "\nMTLSTrustAnchor " + anchor + "\n</MTLSPartner>\n");
        return run({"explain", "--policy", "p.conf", "--cert", "acme.pem"});
    }
};

}  // namespace

CLAIM(an_anchor_is_read_in_each_wrapping) {
    Wrapped w;
    w.file("ca.pem", "Bag Attributes\n" + w.ca.cert_pem() + w.ca.key_pem())
        .file("ca.cer", der_of(w.ca))
        .file("two.cer", der_of(w.other) + der_of(w.ca))
        .file("ca.p7b", pkcs7_pem_of(w.ca))
        .file("trusted.pem", trusted_pem_of(w.ca, 0, 0))
        .file("for-clients.pem", trusted_pem_of(w.ca, NID_client_auth, NID_server_auth));
    for (const char* anchor : {"ca.pem", "ca.cer", "two.cer", "ca.p7b", "trusted.pem", "for-clients.pem"}) {
        const auto out = w.explain(anchor);
        check_equal(out.status, 0, std::string(anchor) + ": " + out.text, __FILE__, __LINE__);
    }
    // Wrapped alike, another CA is another CA.
    w.file("other.cer", der_of(w.other)).file("other.p7b", pkcs7_pem_of(w.other));
    for (const char* anchor : {"other.cer", "other.p7b"}) CHECK_CONTAINS(w.explain(anchor).text, "deny: not-verified");
}

CLAIM(what_is_no_certificate_is_named_with_the_way_out) {
    Wrapped w;
    w.file("x.p12", pkcs12_of(w.acme))
        .file("x.csr", request_of(w.acme, true))
        .file("der.csr", request_of(w.acme, false))
        .file("x.key", w.acme.key_pem())
        .file("x.crl", make_crl(w.ca, {}))
        .file("rejected.pem", trusted_pem_of(w.ca, 0, NID_client_auth))
        .file("for-servers.pem", trusted_pem_of(w.ca, NID_server_auth, 0))
        .file("half.pem", w.ca.cert_pem() + w.ca.cert_pem().substr(0, 200))
        .file("half.cer", der_of(w.ca) + "\x30\x82")
        .file("page.pem", "<html>not found</html>\n");
    for (const auto& [name, words] : std::vector<std::pair<const char*, const char*>>{
             {"x.p12", "is PKCS#12 (.p12, .pfx), with a private key beside the certificates: openssl pkcs12"},
             {"x.csr", "is a certificate request (.csr)"},
             {"der.csr", "is a certificate request (.csr)"},
             {"x.key", "holds a private key and no certificate"},
             {"x.crl", "is a CRL and no certificate: MTLSCRLFile takes it"},
             {"rejected.pem", "trust settings exclude client certificates"},
             {"for-servers.pem", "trust settings exclude client certificates"},
             {"half.pem", "holds a certificate that cannot be read"},
             {"half.cer", "neither UTF-8 text nor a whole certificate or CRL in DER"},
             {"page.pem", "holds no PEM certificate"}}) {
        const auto out = w.explain(name);
        CHECK_EQUAL(out.status, 2);
        CHECK_CONTAINS(out.text, words);
        CHECK_CONTAINS(w.run({"facts", name}).text, words);
    }
}

CLAIM(names_are_read_as_other_programs_print_them) {
    Wrapped w;
    w.file("ca.pem", w.ca.cert_pem());
    CertSpec spec;
    spec.subject = {{"O", "Foo, Bar \"Inc.\""}, {"GN", "Ann"}, {"organizationIdentifier", "PSD-1"}, {"CN", "api"}};
    w.file("acme.pem", issue(spec, &w.ca).cert_pem());
    for (const char* identity : {R"('subject:CN=api,OID.2.5.4.97=PSD-1,G=Ann,O="Foo, Bar \\"Inc.\\""')",
                                 R"('subject:CN="api" , oid.2.5.4.97=PSD-1,givenName=Ann,O=Foo\\, Bar \\"Inc.\\"')",
                                 "OID.2.5.4.97:PSD-1", "G:Ann"}) {
        CHECK_CONTAINS(w.explain("ca.pem", identity).text, "allow: granted");
    }
    CHECK_CONTAINS(w.explain("ca.pem", R"('subject:CN=api,OID.2.5.4.97=PSD-2,G=Ann,O="Foo, Bar \\"Inc.\\""')").text,
                   "deny: unknown-partner");
    for (const auto& [identity, words] : std::vector<std::pair<const char*, const char*>>{
             {R"('subject:CN=api,O="Foo')", "a quote that is not closed"},
             {R"('subject:CN=api,O="Foo" Bar')", "text behind a closing quote"},
             {"CN=api", "(did you mean 'CN:api'?)"},
             {"CN=api,O=Foo", "(did you mean 'subject:CN=api,O=Foo'?)"},
             {"O:Foo Bar", "a selector with blanks is quoted as a whole"},
             {"CN:api # ours", "a comment has a line of its own"},
             {"issuer.spki-sha256::0a", "has a colon too many: expected issuer.spki-sha256:VALUE"},
             {"CN:api\nMTLSValid from=2027-01-02 until=2026-03-04",
              "from=2027-01-02T00:00:00Z is later than until=2026-03-04T23:59:59Z"},
             {"CN:api\nMTLSTrustAnchor ca.pem from=2027-01-02 until=2026-03-04",
              "from=2027-01-02T00:00:00Z is later than until=2026-03-04T23:59:59Z"},
             {"UPN:user", "otherName.1.3.6.1.4.1.311.20.2.3:user"}}) {
        const auto out = w.explain("ca.pem", identity);
        CHECK_EQUAL(out.status, 2);
        CHECK_CONTAINS(out.text, words);
    }
    w.explain("ca.pem", "UPN:*@mil");
    CHECK_CONTAINS(w.expect(0, {"check", "p.conf"}), "the '*' in 'UPN:*@mil' is compared as a character");
    w.explain("ca.pem", "UPN:user@mil");
    CHECK(w.expect(0, {"check", "p.conf"}).find("as a character") == std::string::npos);
}

CLAIM(a_byte_order_mark_is_called_by_its_name_and_holds_up_no_refusal) {
    Wrapped w;
    w.file("ca.pem", w.ca.cert_pem());
    const std::string policy = "<MTLSPartner acme>\nMTLSIdentity CN:api\nMTLSTrustAnchor ca.pem\n</MTLSPartner>\n";
    for (const std::string beginning : {"\xef\xbb\xbf", "\xef\xbb\xbf# ours\n"}) {
        w.file("marked.conf", beginning + policy).file("stop.conf", beginning + "MTLSSuspend acme\n");
        CHECK_CONTAINS(w.expect(1, {"check", "marked.conf"}),
                       "marked.conf:1: error: the file begins with a byte order mark");
        w.file("clean.conf", policy);
        w.expect(0, {"check", "clean.conf"});
        CHECK_CONTAINS(
            w.expect(3, {"explain", "--policy", "clean.conf", "--cert", "acme.pem", "--revocations", "stop.conf"}),
            "deny: suspended");
    }
}
