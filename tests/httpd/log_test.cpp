// The denial line: one per request, all of it, and nothing in it that is not escaped.
#include "claims.hpp"
#include "waiting.hpp"
#include "world.hpp"

using namespace test;

CLAIM(a_denial_line_says_who_what_where_and_what_to_do) {
    const World& w = world();
    Site site;
    site.start("<Location /gate>\n MTLSAllow partner acme\n</Location>");
    CHECK_EQUAL(site.get(&w.acme_from_globex, "/gate/orders?secret=1").status, 403);
    const std::string line = site.log_about("/gate/orders");
    for (const std::string& part :
         {std::string("[mtls_authz:error]"),
          std::string("mtls_authz: denied GET \"/gate/orders\": reason=wrong-issuer"), std::string(" claimed=acme "),
          std::string(" rule=httpd.conf:"), std::string(" gate=httpd.conf:"), std::string(" vhost=localhost:"),
          std::string(" tls=1.3 "), std::string(" resumed=no "), std::string(" subject=\"CN=api3,O=api3 Org,C=US\""),
          std::string(" san=\"DNS:api.acme.example\""), std::string(" issuer=\"CN=Globex CA,O=Globex CA Inc,C=US\""),
          std::string(" serial="), std::string(" issuer_spki="), std::string(" not_after=20"),
          " sha256=" + hex_sha256(w.acme_from_globex), std::string(" generation="),
          std::string("either the partner changed its CA without saying so")}) {
        CHECK_CONTAINS(line, part);
    }
    CHECK(line.find("secret=1") == std::string::npos);
    CHECK_EQUAL(times_in(site.httpd.error_log(), "\"/gate/orders\":"), 1U);
}

CLAIM(the_levels_tell_scanners_from_partners) {
    const World& w = world();
    Site site;
    site.httpd.set_log_level("warn mtls_authz:debug");
    site.start(
        "<Location /gate>\n MTLSAllow partner acme\n</Location>\n<Location /gate/log>\n MTLSAuthz "
        "LogOnly\n</Location>");
    site.get(nullptr, "/gate/scan");
    site.get(&w.acme, "/gate/fine");
    site.get(&w.globex, "/gate/log/x");
    CHECK_CONTAINS(site.log_about("/gate/scan"), "[mtls_authz:info] mtls_authz: denied GET");
    CHECK_CONTAINS(site.log_about("/gate/fine"), "[mtls_authz:debug] mtls_authz: granted GET");
    CHECK_CONTAINS(site.log_about("/gate/log/x"), "[mtls_authz:warn] mtls_authz: would-deny GET");
}

CLAIM(log_only_decides_even_what_another_module_denied) {
    Site site;
    site.start(
        "<Location /gate>\n MTLSAllow partner acme\n MTLSAuthz LogOnly\n SSLRequire %{SSL_CLIENT_S_DN_CN} eq "
        "\"api\"\n</Location>");
    CHECK_EQUAL(site.get(&world().globex, "/gate/x").status, 403);
    CHECK_CONTAINS(site.log_about("/gate/x"), "would-deny GET \"/gate/x\": reason=not-allowed");
    CHECK_EQUAL(site.get(&world().acme, "/gate/y").status, 200);
}

CLAIM(hostile_names_give_one_clean_line) {
    const World& w = world();
    CertSpec spec;
    spec.subject = {{"O", "evil\"\r\n[mtls_authz:error] forged \x1b[31m"},
                    {"CN", "x\xff\xfe\\\" denied", V_ASN1_PRINTABLESTRING},
                    {"OU", std::string(60000, 'A')}};
    spec.san = {{GEN_DNS, "api.acme.example"}, {GEN_DNS, "a\nb"}};
    const Identity hostile = issue(spec, &w.acme_ca);
    Site site;
    site.tls("SSLVerifyClient optional_no_ca").start("<Location /gate>\n MTLSAllow partner acme\n</Location>");
    CHECK_EQUAL(site.get(&hostile, "/gate/x").status, 403);
    const std::string line = site.log_about("/gate/x");
    CHECK_CONTAINS(line, "reason=malformed-certificate");
    CHECK_CONTAINS(line, "claimed=acme");
    CHECK(line.size() < 3000);
    for (const char c : site.httpd.error_log()) CHECK(c == '\n' || (c >= 0x20 && c < 0x7f));
    CHECK_EQUAL(times_in(site.httpd.error_log(), "\n[mtls_authz:error]"), 1U);
}

CLAIM(a_directory_listing_and_multiviews_do_not_fill_the_log) {
    Site site;
    site.httpd.write("htdocs/list/a.html", "a");
    site.httpd.write("htdocs/list/secret/b.html", "b");
    site.load("autoindex")
        .start("<Location /list>\nOptions +Indexes\n</Location>\n<Directory \"" +
               site.httpd.path("htdocs/list/secret") + "\">\nMTLSAllow partner acme\n</Directory>\n");
    const Response listing = site.get(&world().globex, "/list/");
    CHECK_EQUAL(listing.status, 200);
    CHECK(listing.body.find("secret") == std::string::npos);
    CHECK_EQUAL(times_in(site.httpd.error_log(), "[mtls_authz:error]"), 0U);
    CHECK_CONTAINS(site.get(&world().acme, "/list/").body, "secret");
}

CLAIM(the_same_denial_again_and_again_is_counted_instead_of_written) {
    const World& w = world();
    Site site;
    site.start("<Location /gate>\n MTLSAllow partner acme\n</Location>\n");
    TlsClient globex(site.httpd.port(), as(w.globex)), unnamed(site.httpd.port(), as(w.unnamed));
    for (int i = 0; i < 300; ++i) CHECK_EQUAL(globex.get("/gate/x").status, 403);
    // Another certificate, and another reason, are written all the same.
    CHECK_EQUAL(unnamed.get("/gate/other").status, 403);
    CHECK_EQUAL(globex.get("/gate/..;/y").status, 403);
    CHECK_CONTAINS(site.log_about("/gate/other"), "reason=unknown-partner");
    CHECK_CONTAINS(site.log_about("/gate/..;/y"),
                   "reason=bad-path detail=\"a backend may read a segment as '.' or '..'\" ");
    CHECK_EQUAL(times_in(site.httpd.error_log(), "denied GET \"/gate/x\":"), 60U);
    // When the minute is over, whichever process notices says how many there were.
    const auto said = [&] {
        return times_in(site.httpd.error_log(), "mtls_authz: left out 240 more line(s) since ") == 1;
    };
    for (int i = 0; i < 65 && !said(); ++i) pause_for(std::chrono::seconds(1));
    CHECK(said());
    CHECK_CONTAINS(site.httpd.error_log(), ": denied reason=not-allowed claimed=globex sha256=" + hex_sha256(w.globex));
    CHECK_EQUAL(site.get(&w.globex, "/gate/later").status, 403);
    CHECK_CONTAINS(site.log_about("/gate/later"), "reason=not-allowed");
    CHECK_EQUAL(times_in(site.httpd.error_log(), "left out"), 1U);
}
