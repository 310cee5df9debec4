// The metrics: what a scraper reads, over all children, and what an operator wants to be warned of.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "exposition.hpp"
#include "live_site.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/policy/reason.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"

using namespace test;

namespace {

const char* const kStatus = "<Location /status>\n SetHandler mtls-authz-status\n MTLSStatus On\n</Location>\n";

Exposition scrape(const Httpd& httpd) {
    const Response r = plain_get(httpd.plain_port(), "/status");
    CHECK_EQUAL(r.status, 200);
    CHECK_CONTAINS(r.headers, "text/plain; version=0.0.4");
    Exposition out = read_exposition(r.body);
    CHECK_EQUAL(out.fault, "");
    return out;
}

std::string decisions(const std::string& decision, const std::string& reason) {
    return "mtls_authz_decisions_total{decision=\"" + decision + "\",reason=\"" + reason + "\"}";
}
std::string of_partner(const std::string& partner, const std::string& decision) {
    return "mtls_authz_partner_decisions_total{partner=\"" + partner + "\",decision=\"" + decision + "\"}";
}
std::int64_t expiry(const Identity& id) { return mtls::epoch_of(X509_get0_notAfter(id.cert.get())).value_or(0); }

}  // namespace

CLAIM(every_series_is_there_at_0_from_the_start) {
    Site site;
    site.start(kStatus);
    const Exposition all = scrape(site.httpd);
    for (const mtls::ReasonText& text : mtls::kReasons) {
        const bool allow = text.reason == mtls::Reason::kGranted;
        for (const char* decision : {"allow", "deny", "would-deny"}) {
            const double expected = allow == (std::string(decision) == "allow") ? 0 : -1;
            CHECK_EQUAL(all.value(decisions(decision, std::string(text.word))), expected);
        }
    }
    for (const mtls::HandshakeRefusalText& text : mtls::kHandshakeRefusals) {
        CHECK_EQUAL(all.value("mtls_authz_handshake_refused_total{reason=\"" + std::string(text.word) + "\"}"), 0);
    }
    CHECK_EQUAL(all.value("mtls_authz_decision_seconds_count"), 0);
    CHECK_EQUAL(all.value("mtls_authz_audit_dropped_total"), 0);
    CHECK_EQUAL(all.value("mtls_authz_policy_partners"), 4);
    CHECK_EQUAL(all.value("mtls_authz_policy_identities"), 4);
}

CLAIM(decisions_are_counted_by_reason_and_partner_over_all_children_and_graceful_restarts) {
    const World& w = world();
    for (const char* mpm : {"event", "prefork"}) {
        Site site;
        site.start(std::string(kStatus) +
                       "<Location /gate>\n MTLSAllow partner acme\n</Location>\n"
                       "<Location /gate/new>\n MTLSAuthz LogOnly\n</Location>\n",
                   mpm);
        const auto ask = [&] {
            // New connections, so that all children have their part.
            for (int i = 0; i < 8; ++i) CHECK_EQUAL(site.get(&w.acme, "/gate/x").status, 200);
            for (int i = 0; i < 4; ++i) CHECK_EQUAL(site.get(&w.globex, "/gate/x").status, 403);
            for (int i = 0; i < 2; ++i) CHECK_EQUAL(site.get(&w.globex, "/gate/new").status, 200);
            CHECK_EQUAL(site.get(nullptr, "/gate/x").status, 403);
            CHECK_EQUAL(site.get(&w.unnamed, "/gate/x").status, 403);
        };
        for (int round = 1; round <= 2; ++round) {
            ask();
            const Exposition all = scrape(site.httpd);
            CHECK_EQUAL(all.value(decisions("allow", "granted")), 8 * round);
            CHECK_EQUAL(all.value(decisions("deny", "not-allowed")), 4 * round);
            CHECK_EQUAL(all.value(decisions("would-deny", "not-allowed")), 2 * round);
            CHECK_EQUAL(all.value(decisions("deny", "no-certificate")), round);
            CHECK_EQUAL(all.value(decisions("deny", "unknown-partner")), round);
            CHECK_EQUAL(all.sum("mtls_authz_decisions_total"), 16 * round);
            CHECK_EQUAL(all.value(of_partner("acme", "allow")), 8 * round);
            CHECK_EQUAL(all.value(of_partner("globex", "deny")), 4 * round);
            CHECK_EQUAL(all.value(of_partner("globex", "would-deny")), 2 * round);
            CHECK_EQUAL(all.value(of_partner("twin-a", "allow")), 0);
            CHECK_EQUAL(all.sum("mtls_authz_partner_decisions_total"), 14 * round);
            CHECK_EQUAL(all.value("mtls_authz_decision_seconds_count"), 16 * round);
            CHECK(all.value("mtls_authz_decision_seconds_sum") > 0);
            if (round == 1) site.httpd.graceful();
        }
    }
}

CLAIM(a_place_that_is_set_to_the_status_handler_without_mtls_status_is_not_found) {
    Site site;
    site.httpd.write("htdocs/there/index.html", "a file");
    site.start("<Location /there>\n SetHandler mtls-authz-status\n</Location>\n");
    for (const char* path : {"/there/", "/there/index.html"}) {
        CHECK_EQUAL(plain_get(site.httpd.plain_port(), path).status, 404);
    }
    CHECK_EQUAL(plain_get(site.httpd.plain_port(), "/ok.html").status, 200);
}

CLAIM(what_only_asks_whether_something_may_be_seen_is_not_counted) {
    Site site;
    site.httpd.write("htdocs/list/a.html", "a");
    site.httpd.write("htdocs/list/secret/b.html", "b");
    site.load("autoindex")
        .start(std::string(kStatus) + "<Location /list>\n Options +Indexes\n</Location>\n<Directory \"" +
               site.httpd.path("htdocs/list/secret") + "\">\n MTLSAllow partner acme\n</Directory>\n");
    CHECK_EQUAL(site.get(&world().acme, "/list/").status, 200);
    CHECK_EQUAL(site.get(&world().globex, "/list/").status, 200);
    CHECK_EQUAL(scrape(site.httpd).sum("mtls_authz_decisions_total"), 0);
    CHECK_EQUAL(site.get(&world().globex, "/list/secret/b.html").status, 403);
    CHECK_EQUAL(scrape(site.httpd).sum("mtls_authz_decisions_total"), 1);
}

// PATH_INFO is looked up as a URI for PATH_TRANSLATED, whatever httpd then does with it.
CLAIM(a_path_that_is_only_translated_for_a_program_is_no_decision) {
    const World& w = world();
    Site site;
    const std::string run = site.httpd.path("htdocs/open/run");
    site.httpd.write("htdocs/open/run", "#!/bin/sh\nprintf \"Content-Type: text/plain\\n\\n$PATH_TRANSLATED\"\n");
    site.httpd.write("htdocs/open/page.html", "[<!--#include virtual=\"/sec/part\" -->]");
    site.httpd.write("htdocs/sec/part", "secret");
    std::filesystem::permissions(run, std::filesystem::perms::owner_exec | std::filesystem::perms::others_exec,
                                 std::filesystem::perm_options::add);
    site.load("cgi").load("include").start(
        std::string(kStatus) + "MTLSAuditLog logs/audit.log\nScriptAlias /open/run " + run +
        "\n<Location /open>\nOptions +Includes\nAddOutputFilter INCLUDES .html\n</Location>\n" +
        location("/sec", "MTLSAllow partner acme"));
    const auto decided = [&] { return scrape(site.httpd).sum("mtls_authz_decisions_total"); };
    const std::string to = "Destination: /open/copy\r\n";
    for (const char* method : {"GET", "POST", "COPY"}) {
        for (const Identity* who : {static_cast<const Identity*>(nullptr), &w.globex, &w.acme}) {
            CHECK_CONTAINS(site.get(who, "/open/run/sec/part", to, method).body, "htdocs/sec/part");
        }
    }
    CHECK_EQUAL(decided(), 0);
    CHECK_EQUAL(file_text(site.httpd.path("logs/audit.log")), "");
    CHECK(site.httpd.error_log().find("/sec/part") == std::string::npos);
    // An SSI include is decided and counted like a request.
    CHECK_EQUAL(site.get(&w.acme, "/open/page.html").body, "[secret]");
    CHECK_EQUAL(scrape(site.httpd).value(decisions("allow", "granted")), 1);
    CHECK(site.get(&w.globex, "/open/page.html").body.find("secret") == std::string::npos);
    CHECK_EQUAL(site.reason_for("/sec/part"), "not-allowed");
    CHECK_EQUAL(decided(), 2);
}

CLAIM(require_lines_and_auth_type_are_counted_by_what_came_of_them) {
    const World& w = world();
    Site site;
    site.start(std::string(kStatus) +
               "<Location /gate/any>\n <RequireAny>\n Require mtls-partner globex\n Require mtls-partner acme\n "
               "</RequireAny>\n</Location>\n"
               "<Location /gate/user>\n AuthType MTLS\n Require mtls-partner globex\n</Location>\n"
               "<Location /gate/ip>\n <RequireAny>\n Require mtls-partner globex\n Require ip 127.0.0.1\n "
               "</RequireAny>\n</Location>\n");
    CHECK_EQUAL(site.get(&w.acme, "/gate/any").status, 200);  // one of two lines
    CHECK_EQUAL(site.get(&w.unnamed, "/gate/any").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "/gate/user").status, 403);  // known, but not wanted
    CHECK_EQUAL(site.get(&w.globex, "/gate/user").status, 200);
    CHECK_EQUAL(site.get(&w.acme, "/gate/ip").status, 200);  // let in by something else: nothing of ours
    const Exposition all = scrape(site.httpd);
    CHECK_EQUAL(all.value(decisions("allow", "granted")), 2);
    CHECK_EQUAL(all.value(decisions("deny", "unknown-partner")), 1);
    CHECK_EQUAL(all.value(decisions("deny", "not-allowed")), 1);
    CHECK_EQUAL(all.sum("mtls_authz_decisions_total"), 4);
    CHECK_EQUAL(all.value(of_partner("acme", "allow")), 1);
}

CLAIM(what_is_going_to_expire_can_be_alerted_on) {
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.put("globex.conf", kGlobex);
    CrlSpec crl;
    crl.next_update = 7777;
    site.httpd.write("globex.crl", make_crl(w.globex_ca, crl));
    site.start(std::string(kStatus) + "MTLSCRLFile globex.crl\n");
    const std::string not_after = "mtls_authz_partner_certificate_not_after_timestamp_seconds",
                      seen = "mtls_authz_partner_last_seen_timestamp_seconds",
                      anchor = "mtls_authz_anchor_not_after_timestamp_seconds";
    // Nobody was seen yet.
    CHECK_EQUAL(scrape(site.httpd).value(seen + "{partner=\"acme\"}"), -1);
    const double before = static_cast<double>(std::time(nullptr));
    CHECK_EQUAL(site.get(w.acme), 200);
    CertSpec spec;
    spec.subject = {{"CN", "soon"}};
    spec.san = {{GEN_DNS, "api.globex.example"}};
    spec.not_after = 5000;
    const Identity soon = issue(spec, &w.globex_ca);
    CHECK_EQUAL(site.get(w.globex), 200);
    CHECK_EQUAL(site.get(soon), 200);                // the newest counts
    CHECK_EQUAL(site.get(w.acme_from_globex), 403);  // who only claims to be acme does not
    Exposition all = scrape(site.httpd);
    CHECK_EQUAL(all.value(not_after + "{partner=\"acme\"}"), static_cast<double>(expiry(w.acme)));
    CHECK_EQUAL(all.value("mtls_authz_partner_certificate_info{partner=\"acme\",key=\"EC:P-256\"}"), 1);
    CHECK_EQUAL(all.value(not_after + "{partner=\"globex\"}"), static_cast<double>(expiry(soon)));
    CHECK(all.value(seen + "{partner=\"acme\"}") >= before);
    CHECK_EQUAL(all.value(anchor + "{partner=\"acme\",anchor=\"CN=Acme CA,O=Acme CA Inc,C=US (acme.pem)\"}"),
                static_cast<double>(expiry(w.acme_ca)));
    const double due =
        all.value("mtls_authz_crl_next_update_timestamp_seconds{issuer=\"CN=Globex CA,O=Globex CA Inc,C=US\"}");
    CHECK(due > before + 7000 && due < before + 9000);
    // A partner that left no longer alarms anybody; what was counted stays.
    site.drop("globex.conf");
    becomes([&] { return site.get(w.globex); }, 403, "gone");
    for (int i = 0; i < 20 && scrape(site.httpd).value("mtls_authz_policy_partners") != 1; ++i)
        pause_for(std::chrono::milliseconds(100));
    all = scrape(site.httpd);
    CHECK_EQUAL(all.value(not_after + "{partner=\"globex\"}"), -1);
    CHECK(all.value(of_partner("globex", "allow")) >= 2);
}

CLAIM(refused_handshakes_say_whose_certificate_it_was_and_are_counted) {
    const World& w = world();
    CertSpec spec;
    spec.subject = {{"CN", "card \"x\"\n7"}};
    spec.san = {{GEN_DNS, "api.acme.example"}};
    spec.not_before = -9000;
    spec.not_after = -100;
    const Identity expired = issue(spec, &w.acme_ca);
    spec.not_before = 5000;
    spec.not_after = 9000;
    const Identity early = issue(spec, &w.acme_ca);
    spec.not_before = -100;
    spec.eku = "serverAuth";
    const Identity server_only = issue(spec, &w.acme_ca);
    const struct {
        const Identity& who;
        const char* reason;
        const char* sentence;
    } rows[] = {{expired, "expired", "ask the partner to renew"},
                {early, "not-yet-valid", "check this server's clock"},
                {w.acme_from_stranger, "unknown-ca", "no path leads to a CA that this virtual host trusts"},
                {server_only, "wrong-purpose", "a client needs clientAuth"}};
    Site site;
    site.start(std::string(kStatus) + "<Location /gate>\n MTLSAllow partner acme\n</Location>\n");
    for (const auto& row : rows) {
        for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            ClientOptions options;
            options.identity = &row.who;
            options.tls = tls;
            CHECK_EQUAL(TlsClient(site.httpd.port(), options).get("/gate/x").status, 0);
        }
        const std::string mark = "sha256=" + hex_sha256(row.who);
        CHECK(site.httpd.wait_for_log(mark));
        const std::string line = line_with(site.httpd.error_log(), mark);
        CHECK_CONTAINS(line,
                       "[mtls_authz:error] mtls_authz: refused handshake: reason=" + std::string(row.reason) + " ");
        CHECK_CONTAINS(line, "claimed=acme");
        CHECK_CONTAINS(line, "san=\"DNS:api.acme.example\"");
        CHECK_CONTAINS(line, "issuer=\"CN=");
        CHECK_CONTAINS(line, " serial=");
        CHECK_CONTAINS(line, "vhost=localhost:");
        CHECK_CONTAINS(line, row.sentence);
        CHECK_EQUAL(line.find("write MTLSPurpose serverAuth until=DATE into <MTLSPartner acme>") != std::string::npos,
                    &row.who == &server_only);
        CHECK_EQUAL(
            scrape(site.httpd).value("mtls_authz_handshake_refused_total{reason=\"" + std::string(row.reason) + "\"}"),
            2);
    }
    CHECK_CONTAINS(site.httpd.error_log(), "subject=\"CN=card \\\\x5c\\\\x22x\\\\x5c\\\\x22\\\\x0a7\"");
    // A good one leaves no such line.
    CHECK_EQUAL(site.get(&w.acme, "/gate/x").status, 200);
    CHECK_EQUAL(scrape(site.httpd).sum("mtls_authz_handshake_refused_total"), 8);
}

CLAIM(json_has_the_same_numbers_and_the_newest_denials) {
    const World& w = world();
    Site site;
    site.start(std::string(kStatus) + "<Location /gate>\n MTLSAllow partner acme\n</Location>\n");
    CHECK_EQUAL(site.get(&w.acme, "/gate/a").status, 200);
    for (const char* path : {"/gate/1", "/gate/2", "/gate/3", "/gate/4"})
        CHECK_EQUAL(site.get(&w.globex, path).status, 403);
    const Response r = plain_get(site.httpd.plain_port(), "/status?format=json");
    CHECK_CONTAINS(r.headers, "application/json");
    const auto json = nlohmann::json::parse(r.body);
    CHECK_EQUAL(json["policy"]["partners"].get<int>(), 4);
    CHECK_EQUAL(json["policy"]["generation"].get<std::string>().size(), 16U);
    CHECK(!json["children"].empty());
    for (const auto& child : json["children"]) CHECK(child["generation"] == json["policy"]["generation"]);
    std::size_t found = 0;
    for (const auto& partner : json["partners"]) {
        if (partner["partner"] != "acme") continue;
        ++found;
        CHECK_EQUAL(partner["decisions"]["allow"].get<int>(), 1);
        CHECK_EQUAL(partner["certificate"]["sha256"].get<std::string>(), hex_sha256(w.acme));
        CHECK_EQUAL(partner["certificate"]["subject"].get<std::string>(), "CN=api,O=api Org,C=US");
        CHECK_EQUAL(partner["certificate"]["key"].get<std::string>(), "EC:P-256");
    }
    CHECK_EQUAL(found, 1U);
    for (const auto& reason : json["decisions"]) {
        if (reason["reason"] != "not-allowed") continue;
        ++found;
        CHECK_EQUAL(reason["decisions"]["deny"].get<int>(), 4);
        CHECK_EQUAL(reason["newest"].size(), 3U);
        for (const auto& example : reason["newest"]) {
            CHECK(example["path"] != "/gate/1");
            CHECK_EQUAL(example["who"].get<std::string>(), "globex");
            CHECK_EQUAL(example["client"].get<std::string>(), "127.0.0.1");
        }
    }
    CHECK_EQUAL(found, 2U);
    CHECK_EQUAL(plain_get(site.httpd.plain_port(), "/status?format=xml").status, 400);
}

CLAIM(server_status_has_a_section_without_names) {
    Site site;
    site.load("status").start(
        "<Location /server-status>\n SetHandler server-status\n</Location>\n"
        "<Location /gate>\n MTLSAllow partner acme\n</Location>\n");
    CHECK_EQUAL(site.get(&world().globex, "/gate/x").status, 403);
    const std::string page = plain_get(site.httpd.plain_port(), "/server-status").body;
    CHECK_CONTAINS(page, "<h2>mod_mtls_authz</h2>");
    CHECK_CONTAINS(page, "0 allowed, 1 denied, 0 would be denied");
    CHECK(page.find("globex") == std::string::npos);
    const std::string text = plain_get(site.httpd.plain_port(), "/server-status?auto").body;
    CHECK_CONTAINS(text, "MtlsAuthzDenied: 1\n");
    CHECK_CONTAINS(text, "MtlsAuthzPartners: 4\n");
}
