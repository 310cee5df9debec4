// The command diff: each difference of two policies is a line.
#include <string>

#include "acme_bench.hpp"
#include "bundles.hpp"
#include "claims.hpp"

using namespace test;

namespace {

struct Policies : Pki {
    std::string anchor = "MTLSTrustAnchor ca.pem";

    // What diff prints of two blocks of one partner, and of lines outside of it.
    std::string compare(const std::string& old_lines, const std::string& new_lines, const std::string& old_common = "",
                        const std::string& new_common = "") {
        write("old.conf", old_lines, old_common);
        write("new.conf", new_lines, new_common);
        expect(0, {"diff", "old.conf", "old.conf"});
        return expect(1, {"diff", "old.conf", "new.conf"});
    }
    void write(const std::string& name, const std::string& lines, const std::string& common = "") {
        file(name, common + partner("a", "MTLSIdentity CN:api\n" + anchor + "\n" + lines));
    }
};

std::size_t count_of(const std::string& text, const std::string& part) {
    std::size_t out = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++out;
    return out;
}

constexpr const char* kNoLine = "the policies are of different generations";

}  // namespace

CLAIM(each_directive_of_a_partner_shows_when_it_differs) {
    Policies p;
    p.file("new.pem", make_ca("Helper", &p.ca).cert_pem()).file("more.pem", make_ca("Helper 2", &p.ca).cert_pem());
    const std::string front = "MTLSFront header=Client-Cert format=rfc9440";
    struct Case {
        std::string before, after, shown;
    };
    const Case cases[] = {
        {"", front, "a gains: MTLSFront header=Client-Cert format=rfc9440\n"},
        {front, "", "a loses: MTLSFront header=Client-Cert format=rfc9440\n"},
        {front + " network=10.0.0.0/24", front + " network=0.0.0.0/0",
         "a gains: MTLSFront header=Client-Cert format=rfc9440 network=0.0.0.0/0\n"},
        {front, front + " chain=Client-Cert-Chain", " chain=Client-Cert-Chain\n"},
        {"MTLSCRL required", "", "a is no longer limited by: MTLSCRL required\n"},
        {"MTLSCRL required", "", "a gains: MTLSCRL if-present (everybody's)\n"},
        {"", "MTLSCRL required", "a is limited by: MTLSCRL required\n"},
        {"", "MTLSCRLStale allow", "a gains: MTLSCRLStale allow\n"},
        {"MTLSCRLStale grace=2", "MTLSCRLStale grace=3", "a gains: MTLSCRLStale grace=3\n"},
        {"MTLSCRLStale allow", "MTLSCRLStale deny", "a is limited by: MTLSCRLStale deny\n"},
        {"MTLSShortLived 3", "MTLSShortLived 300", "a gains: MTLSShortLived 300\n"},
        {"MTLSShortLived 3", "", "a gains: MTLSShortLived 10 (everybody's)\n"},
        {"MTLSShortLived 3", "MTLSShortLived 0", "a is limited by: MTLSShortLived 0\n"},
        {"MTLSAttribute tenant 1", "MTLSAttribute tenant 2", "a gains: MTLSAttribute tenant 2\n"},
        {"MTLSAttribute tenant 1", "MTLSAttribute tenant cert:CN", "a gains: MTLSAttribute tenant cert:CN\n"},
        {"MTLSContact one@a.example", "MTLSContact two@a.example", "a gains: MTLSContact two@a.example\n"},
        {"MTLSIntermediate new.pem", "", "a loses: MTLSIntermediate CN=Helper,O=Helper Inc,C=US sha256:"},
        {"MTLSIntermediate new.pem", "MTLSIntermediate more.pem",
         "a gains: MTLSIntermediate CN=Helper 2,O=Helper 2 Inc,C=US sha256:"},
        {"MTLSSuspend On", "", "a is no longer limited by: MTLSSuspend On\n"},
        {"MTLSValid until=2030-01-01", "MTLSValid until=2040-01-01", "a is no longer limited by: MTLSValid until="},
        {"MTLSGroup x", "MTLSGroup x y", "a gains: MTLSGroup x y\n"},
        {"", "MTLSPurpose serverAuth", "a gains: MTLSPurpose serverAuth\n"},
        {"MTLSNetwork 10.0.0.0/24", "", "a is no longer limited by: MTLSNetwork 10.0.0.0/24\n"},
        {"", "MTLSGrant GET /x", "a gains: MTLSGrant GET /x\n"},
        {"", "MTLSIdentity CN:b", "a gains: MTLSIdentity CN:b\n"},
        {"", "MTLSTrustAnchor other-ca.pem", "a gains: MTLSTrustAnchor "},
        {"MTLSTrustAnchor other-ca.pem\nMTLSIdentity CN:b anchor=ca.pem",
         "MTLSTrustAnchor other-ca.pem\nMTLSIdentity CN:b anchor=other-ca.pem",
         "a gains: MTLSIdentity CN:b anchor=other-ca.pem\n"},
    };
    for (const Case& c : cases) {
        const std::string out = p.compare(c.before, c.after);
        check(out.find(c.shown) != std::string::npos, c.before + " -> " + c.after + ":\n" + out, __FILE__, __LINE__);
        CHECK_EQUAL(count_of(out, kNoLine), 0U);
    }
    // What others have does not count as this partner's.
    CHECK_EQUAL(
        count_of(p.compare("MTLSAttribute a 1\nMTLSCRL required", "MTLSAttribute a 2\nMTLSCRL required"), "CRL"),
        1U);  // "not asked: ... CRLs" alone
}

CLAIM(each_directive_outside_of_partners_shows_when_it_differs) {
    Policies p;
    p.file("a.pem", p.acme.cert_pem());
    struct Case {
        std::string before, after, shown;
    };
    const Case cases[] = {
        {"MTLSCRL required\n", "", "everybody is no longer limited by: MTLSCRL required\n"},
        {"", "MTLSCRL required\n", "everybody is limited by: MTLSCRL required\n"},
        {"MTLSCRLStale allow\n", "", "everybody is limited by: MTLSCRLStale deny (the default)\n"},
        {"", "MTLSCRLStale allow\n", "everybody gains: MTLSCRLStale allow\n"},
        {"MTLSShortLived 3\n", "MTLSShortLived 300\n", "everybody gains: MTLSShortLived 300\n"},
        {"MTLSShortLived 3\n", "", "everybody gains: MTLSShortLived 10 (the default)\n"},
        {"MTLSCRLFile crl/*.crl\n", "", "everybody is no longer limited by: MTLSCRLFile crl/*.crl\n"},
        {"", "MTLSCRLFile crl/*.crl\n", "everybody is limited by: MTLSCRLFile crl/*.crl\n"},
        {"MTLSExpect a.pem is a\n", "", "everybody loses: MTLSExpect a.pem is a\n"},
        {"", "MTLSExpect a.pem is a\n", "everybody gains: MTLSExpect a.pem is a\n"},
        {"MTLSRevoke CN:x\n", "", "everybody is no longer limited by: MTLSRevoke CN:x\n"},
        {"", "MTLSGrant GET /x\n", "a gains: MTLSGrant GET /x\n"},
        {"MTLSSuspend ghost\n", "", "everybody is no longer limited by: MTLSSuspend ghost\n"},
        {"", "MTLSSuspend a ghost\n", "everybody is limited by: MTLSSuspend ghost\n"},
        {"MTLSSuspend a note=one\n", "MTLSSuspend a note=two\n", "a is limited by: MTLSSuspend note=two\n"},
    };
    for (const Case& c : cases) {
        const std::string out = p.compare("", "", c.before, c.after);
        check(out.find(c.shown) != std::string::npos, c.before + " -> " + c.after + ":\n" + out, __FILE__, __LINE__);
        CHECK_EQUAL(count_of(out, kNoLine), 0U);
    }
    // The rule of everybody is said once, and not again for a partner that has none of its own.
    CHECK_EQUAL(count_of(p.compare("", "", "", "MTLSCRL required\n"), "a is limited by"), 0U);
}

CLAIM(policies_of_two_generations_are_never_told_as_equal) {
    Policies p;
    p.write("old.conf", "");
    p.file("ca2.pem", p.ca.cert_pem());
    p.anchor = "MTLSTrustAnchor ca2.pem";
    p.write("new.conf", "");
    const std::string out = p.expect(1, {"diff", "old.conf", "new.conf"});
    CHECK_EQUAL(count_of(out, kNoLine), 1U);
    CHECK_EQUAL(count_of(out, "\n"), 2U);  // that sentence, and what was not asked
    const nlohmann::json json = nlohmann::json::parse(p.expect(1, {"diff", "--json", "old.conf", "new.conf"}));
    CHECK_EQUAL(json["changes"].size(), 1U);
    CHECK_EQUAL(json["changes"][0]["who"].dump(), "\"the policies\"");
    CHECK(json["before"] != json["after"]);
    // A comment makes no other generation.
    p.write("same.conf", "", "# the same\n");
    CHECK_EQUAL(p.expect(0, {"diff", "new.conf", "same.conf"}), "");
    CHECK(nlohmann::json::parse(p.expect(0, {"diff", "--json", "new.conf", "same.conf"}))["changes"].empty());
}

CLAIM(a_newer_bundle_of_the_same_cas_shows_as_one_line) {
    Policies p;
    p.file("old.json", bundle_of(p.ca, 7)).file("new.json", bundle_of(p.ca, 8));
    for (const std::string name : {"old", "new"}) {
        p.file(name + ".conf",
               partner("a", "MTLSIdentity any\nMTLSTrustAnchor bundle:" + name + ".json trust-domain=acme.example"));
    }
    CHECK_CONTAINS(p.expect(1, {"diff", "old.conf", "new.conf"}),
                   "a gains: MTLSTrustAnchor bundle:new.json spiffe_sequence=8\n"
                   "a loses: MTLSTrustAnchor bundle:old.json spiffe_sequence=7\nnot asked");
}

CLAIM(machines_read_what_differs_outside_of_partners) {
    Policies p;
    p.compare("MTLSAttribute tenant 1", "MTLSAttribute tenant 2", "MTLSCRL required\n", "MTLSCRL if-present\n");
    const nlohmann::json json = nlohmann::json::parse(p.expect(1, {"diff", "--json", "old.conf", "new.conf"}));
    CHECK_EQUAL(json["changes"].dump(),
                R"([{"change":"gains","line":"MTLSAttribute tenant 2","who":"a"},)"
                R"({"change":"loses","line":"MTLSAttribute tenant 1","who":"a"},)"
                R"({"change":"gains","line":"MTLSCRL if-present","who":"everybody"},)"
                R"({"change":"is no longer limited by","line":"MTLSCRL required","who":"everybody"}])");
}

CLAIM(diff_does_not_know_what_cas_of_mod_ssl_decide) {
    Bench b;
    const Identity ca = make_ca("Acme CA"), leaf = make_client("api", "api.acme.example", ca);
    b.file("ca.pem", ca.cert_pem()).file("certs/a.pem", leaf.cert_pem());
    b.file("certs/b.pem", make_client("b", "b.example", ca).cert_pem());
    const auto policy = [&](const std::string& anchor, const std::string& more = "") {
        return "<MTLSPartner acme>\nMTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor " + anchor + "\n" + more +
               "</MTLSPartner>\n";
    };
    b.file("old.conf", policy("mod_ssl"))
        .file("new.conf", policy("ca.pem"))
        .file("same.conf", policy("mod_ssl", "MTLSGrant GET /x\n"));
    const auto diff = [&](const char* from, const char* to) {
        return b.expect(1, {"diff", from, to, "--certs", "certs"});
    };
    const std::string unknown = "not known (acme, if a CA of mod_ssl's issued it)";
    CHECK_CONTAINS(diff("old.conf", "new.conf"), "certs/a.pem: was " + unknown + ", is acme\n");
    CHECK_CONTAINS(diff("new.conf", "old.conf"), "certs/a.pem: was acme, is " + unknown + "\n");
    // What none of them can let in, and what stays unknown, is no difference.
    CHECK(diff("old.conf", "same.conf").find("certs/") == std::string::npos);
    CHECK_CONTAINS(diff("old.conf", "new.conf"), "certs/b.pem: was not-verified, is unknown-partner\n");
}
