// MTLSShortLived in a real server: what a CRL is not asked for, and what refuses a short-lived certificate all the
// same.
#include "live_site.hpp"

using namespace test;

namespace {

Identity brief(std::int64_t days, bool has_no_rev_avail = true) {
    CertSpec spec;
    spec.subject = {{"CN", "brief"}};
    spec.san = {{GEN_DNS, "api.acme.example"}};
    spec.not_before = -3600;
    spec.not_after = days * 86400 - 3600;
    if (has_no_rev_avail) spec.raw = {{"2.5.29.56", std::string("\5\0", 2)}};
    return issue(spec, &world().acme_ca);
}

std::string acme_with(const std::string& lines) {
    return partner("acme", "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem\n" + lines);
}

}  // namespace

CLAIM(a_short_lived_certificate_passes_without_a_crl_and_a_reload_counts_on_open_connections) {
    const Identity week = brief(7), month = brief(30), plain = brief(7, false);
    LiveSite site;
    site.put("acme.conf", acme_with("MTLSCRL required"));
    site.httpd.write("revoked/list.conf", "# nobody\n");
    site.start("MTLSRevocationFile revoked/list.conf\n");
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        CHECK_EQUAL(TlsClient(site.httpd.port(), as(week, tls)).get("/gate/x").status, 200);
        CHECK_EQUAL(TlsClient(site.httpd.port(), as(month, tls)).get("/gate/x").status, 403);
        CHECK_EQUAL(TlsClient(site.httpd.port(), as(plain, tls)).get("/gate/x").status, 403);
    }
    CHECK(site.httpd.wait_for_log("reason=revocation-unknown detail=\"no CRL of "));
    CHECK(site.httpd.wait_for_log("it has noRevAvail, but lives longer than MTLSShortLived allows"));
    TlsClient open(site.httpd.port(), as(week)), of_month(site.httpd.port(), as(month));
    CHECK_EQUAL(open.get("/gate/x").status, 200);
    CHECK_EQUAL(of_month.get("/gate/x").status, 403);
    site.put("acme.conf", acme_with("MTLSCRL required\nMTLSShortLived 30"));
    becomes([&] { return of_month.get("/gate/x").status; }, 200, "30 days");
    site.put("acme.conf", acme_with("MTLSCRL required\nMTLSShortLived 6"));
    becomes([&] { return open.get("/gate/x").status; }, 403, "6 days");
    site.put("acme.conf", acme_with("MTLSCRL required"));
    becomes([&] { return open.get("/gate/x").status; }, 200, "the default");
    // What lists it refuses it.
    site.httpd.write("revoked/.new", "MTLSRevoke sha256:" + hex_sha256(week) + "\n");
    fs::rename(site.httpd.path("revoked/.new"), site.httpd.path("revoked/list.conf"));
    becomes([&] { return open.get("/gate/x").status; }, 403, "revoked");
    CHECK(site.httpd.wait_for_log("reason=revoked"));
}

CLAIM(a_crl_that_lists_a_short_lived_certificate_refuses_it) {
    const Identity week = brief(7), other = brief(7);
    LiveSite site;
    CrlSpec crl;
    crl.revoked = {{&week, -1}};
    site.httpd.write("acme.crl", make_crl(world().acme_ca, crl));
    site.put("acme.conf", acme_with("MTLSCRL required"));
    site.start("MTLSCRLFile acme.crl\n");
    CHECK_EQUAL(site.get(week), 403);
    CHECK(site.httpd.wait_for_log("reason=revoked"));
    CHECK_EQUAL(site.get(other), 200);
}
