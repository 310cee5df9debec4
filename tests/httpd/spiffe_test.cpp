// A partner by its SPIFFE bundle: live, in the handshake, and confined to its trust domain.
#include <algorithm>

#include "bundles.hpp"
#include "claims.hpp"
#include "live_site.hpp"

using namespace test;

namespace {

Identity svid(const Identity& ca, const std::string& id, const std::string& more = "") {
    CertSpec spec;
    spec.subject = {{"O", "SPIRE"}};
    spec.san = {{GEN_URI, id}};
    if (!more.empty()) spec.san.emplace_back(GEN_URI, more);
    return issue(spec, &ca);
}

struct SpiffeSite : LiveSite {
    void put_bundle(const std::string& bundle) const {
        httpd.write(".new", bundle);
        fs::rename(httpd.path(".new"), httpd.path("acme.json"));
    }
    SpiffeSite() {
        put("acme.conf",
            partner("acme", "MTLSIdentity any\nMTLSTrustAnchor bundle:acme.json trust-domain=acme.example"));
    }
    void begin() {
        httpd.set_tls_lines("SSLVerifyClient optional\nMTLSClientCA On\n");
        start();
    }
    std::string line_about(const std::string& path) const {
        CHECK(httpd.wait_for_log("\"" + path + "\""));
        const std::string log = httpd.error_log();
        const std::size_t at = log.find("\"" + path + "\"");
        return log.substr(at, log.find('\n', at) - at);
    }
};

}  // namespace

CLAIM(a_bundle_is_a_live_anchor_for_svids_of_its_trust_domain_alone) {
    const Identity ca = make_ca("SPIFFE"), next = make_ca("Next");
    const Identity api = svid(ca, "spiffe://acme.example/api"), foreign = svid(ca, "spiffe://other.example/api");
    const Identity two = svid(ca, "spiffe://acme.example/api", "spiffe://acme.example/admin");
    SpiffeSite site;
    site.put_bundle(bundle_of(ca, 7));
    site.begin();
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        for (const auto& [who, status] : {std::pair{&api, 200}, std::pair{&foreign, 403}, std::pair{&two, 403}}) {
            TlsClient full(site.httpd.port(), as(*who, tls));
            CHECK_EQUAL(full.get("/gate/full").status, status);
            const auto announced = full.announced();
            CHECK(std::any_of(announced.begin(), announced.end(),
                              [](const std::string& name) { return name.ends_with("CN=SPIFFE"); }));
            const auto session = full.session();
            TlsClient again(site.httpd.port(), as(*who, tls), session.get());
            CHECK(again.resumed());
            CHECK_EQUAL(again.get("/gate/resumed").status, status);
        }
    }
    Http2Client h2(site.httpd.port(), as(foreign), site.httpd.root());
    CHECK_EQUAL(h2.get("/gate/foreign").status, 403);
    const std::string said = site.line_about("/gate/foreign");
    for (const char* part : {"reason=wrong-issuer ", " claimed=acme ", "no X509-SVID of the trust domain acme.example",
                             "spiffe://other.example/api"}) {
        CHECK_CONTAINS(said, part);
    }
    // A new bundle counts on open connections; the CA that it leaves out is gone.
    TlsClient open(site.httpd.port(), as(api));
    CHECK_EQUAL(open.get("/gate/open").status, 200);
    site.put_bundle(bundle_of({jwk_of(ca), jwk_of(next)}, "8"));
    const Identity renewed = svid(next, "spiffe://acme.example/api");
    becomes([&] { return site.get(renewed); }, 200, "under the CA that was added");
    CHECK_EQUAL(open.get("/gate/open").status, 200);
    site.put_bundle(bundle_of(next, 9));
    becomes([&] { return open.get("/gate/open").status; }, 403, "under the CA that was taken away");
    CHECK_EQUAL(site.get(renewed), 200);
}

CLAIM(a_bundle_that_is_older_empty_or_broken_leaves_the_generation_in_force) {
    const Identity ca = make_ca("SPIFFE"), old = make_ca("Old");
    const Identity api = svid(ca, "spiffe://acme.example/api"), replayed = svid(old, "spiffe://acme.example/api");
    SpiffeSite site;
    site.put_bundle(bundle_of(ca, 7));
    site.begin();
    CHECK_EQUAL(site.get(api), 200);
    const std::pair<std::string, std::string> rows[] = {
        {bundle_of({jwk_of(ca), jwk_of(old)}, "6"), "has the spiffe_sequence 6, which is lower than the 7 in force"},
        {R"({"keys": [)" + jwk_of(old) + "]}", "has no spiffe_sequence, which is no later one than the 7 in force"},
        {R"({"keys": [], "spiffe_sequence": 8})", "it trusts nobody"},
        {bundle_of(old, 8).substr(0, 500), "is not JSON"}};
    for (const auto& [bundle, why] : rows) {
        site.put_bundle(bundle);
        CHECK(site.httpd.wait_for_log(why));
        becomes([&] { return site.errors("stays in force since") > 0; }, true, "the old one stays");
        CHECK_EQUAL(site.get(api), 200);
        CHECK_EQUAL(site.get(replayed), 0);
        site.put_bundle(bundle_of(ca, 7));
        pause_for(std::chrono::milliseconds(1700));
    }
    site.put_bundle(bundle_of(old, 10));
    becomes([&] { return site.get(replayed); }, 200, "a later one counts");
    // A restart begins anew: the way back where it is meant.
    site.put_bundle(bundle_of(ca, 3));
    CHECK(site.httpd.wait_for_log("has the spiffe_sequence 3, which is lower than the 10 in force"));
    site.httpd.graceful();
    becomes([&] { return site.get(api); }, 200, "after a restart");
}

CLAIM(a_bundle_without_a_certificate_stops_the_start) {
    SpiffeSite site;
    site.put_bundle(R"({"keys": []})");
    site.configure();
    const auto said = site.httpd.run({"-t"});
    CHECK(said.status != 0);
    CHECK_CONTAINS(said.text, "acme.conf:3");
    CHECK_CONTAINS(said.text, "acme.json' holds no key with");
}
