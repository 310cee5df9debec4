// MTLSErrorDetail: a denied client learns why, about its own certificate and nothing else.
#include <nlohmann/json.hpp>

#include "claims.hpp"
#include "world.hpp"

using namespace test;

namespace {

const char* const kGate =
    "<Location /gate>\n MTLSAllow partner acme methods=GET\n MTLSErrorDetail On\n</Location>\n"
    "<Location /gate/bare>\n MTLSErrorDetail Off\n</Location>\n"
    "<Location /free/require>\n Require mtls-partner acme\n MTLSErrorDetail On\n</Location>\n";

nlohmann::json problem(const Response& r) {
    CHECK_EQUAL(r.status, 403);
    CHECK_CONTAINS(r.headers, "Content-Type: application/problem+json");
    CHECK_CONTAINS(r.headers, "Cache-Control: no-store");
    return nlohmann::json::parse(r.body);
}

}  // namespace

CLAIM(a_denied_client_learns_why_and_the_operator_finds_it) {
    const World& w = world();
    Site site;
    site.tls("SSLVerifyClient optional_no_ca").start(kGate);
    const struct {
        const Identity* who;
        const char* path;
        const char* method;
        const char* told;
        const char* logged;
    } rows[] = {
        {nullptr, "/gate/1", "GET", "no-certificate", "no-certificate"},
        {&w.malformed, "/gate/2", "GET", "malformed-certificate", "malformed-certificate"},
        {&w.globex, "/gate/3", "GET", "not-allowed", "not-allowed"},
        {&w.acme, "/gate/4", "POST", "method-not-granted", "method-not-granted"},
        {&w.unnamed, "/gate/5", "GET", "unknown-partner", "unknown-partner"},
        // Who the partners are, and which CAs are theirs, is nobody's business.
        {&w.acme_from_globex, "/gate/6", "GET", "unknown-partner", "wrong-issuer"},
        {&w.ambiguous, "/gate/7", "GET", "unknown-partner", "ambiguous"},
        {&w.acme_from_stranger, "/gate/8", "GET", "unknown-partner", "not-verified"},
        {&w.globex, "/free/require", "GET", "not-allowed", "not-allowed"},
    };
    for (const auto& row : rows) {
        const Response r = site.get(row.who, row.path, "", row.method);
        const auto json = problem(r);
        CHECK_EQUAL(json["reason"].get<std::string>(), row.told);
        CHECK_EQUAL(json["type"].get<std::string>(), "urn:mtls-authz:reason:" + std::string(row.told));
        CHECK_EQUAL(json["status"].get<int>(), 403);
        CHECK(!json["title"].get<std::string>().empty());
        CHECK_EQUAL(json.contains("certificate"), row.who != nullptr);
        if (row.who != nullptr) CHECK_EQUAL(json["certificate"]["sha256"].get<std::string>(), hex_sha256(*row.who));
        const std::string line = site.log_about(row.path);
        CHECK_CONTAINS(line, "reason=" + std::string(row.logged) + " ");
        CHECK_CONTAINS(line, " request_id=" + json["request_id"].get<std::string>() + ":");
        for (const char* secret : {"acme\"", "twin-a", "globex.pem", "httpd.conf", "MTLS", "Globex CA Inc"}) {
            const bool own = std::string(secret) == "Globex CA Inc" && row.who != nullptr;
            CHECK(own || r.body.find(secret) == std::string::npos);
        }
    }
}

CLAIM(without_it_or_off_a_denial_is_a_bare_403) {
    Site site;
    site.start(std::string(kGate) + "<Location /gate2>\n MTLSAllow partner acme\n</Location>\n");
    for (const char* path : {"/gate/bare", "/gate2"}) {
        const Response r = site.get(&world().globex, path);
        CHECK_EQUAL(r.status, 403);
        CHECK_CONTAINS(r.headers, "text/html");
        CHECK(r.body.find("not-allowed") == std::string::npos);
    }
    // What another module refuses is not ours to explain.
    CHECK(site.get(&world().acme, "/gate/x/.htaccess").body.find("reason") == std::string::npos);
}

CLAIM(what_is_refused_after_the_grant_is_not_ours_to_explain) {
    Site site;
    site.httpd.write("htdocs/shut/x.html", "x");
    site.load("autoindex")
        .start(
            "<Location /shut>\n <RequireAny>\n Require mtls-partner globex\n Require ip 127.0.0.1\n </RequireAny>\n "
            "MTLSErrorDetail On\n</Location>\n");
    // Let in by its address; then the folder may not be listed.
    const Response r = site.get(&world().acme, "/shut/");
    CHECK_EQUAL(r.status, 403);
    CHECK_CONTAINS(site.log_about("/shut/"), "not satisfied");
    CHECK(r.headers.find("problem+json") == std::string::npos);
    CHECK_EQUAL(site.get(&world().acme, "/shut/x.html").status, 200);
}

CLAIM(what_a_require_line_alone_denies_is_found_by_its_request_id) {
    const World& w = world();
    Site site;
    site.start("LogLevel warn\nMTLSErrorDetail On\nMTLSAuditLog logs/audit.log\n" +
               location("/free/require", "Require mtls-partner acme") +
               location("/gate/both", "MTLSAllow any-partner\nRequire mtls-partner acme") +
               location("/gate/new", "MTLSAuthz LogOnly\nMTLSAllow partner acme\nRequire mtls-identity CN:nobody") +
               location("/gate/user", "AuthType MTLS\nRequire user acme") +
               location("/free/any", "<RequireAny>\nRequire mtls-partner acme\nRequire ip 127.0.0.1\n</RequireAny>") +
               location("/free/gone",
                        "Redirect 403 /free/gone\n<RequireAny>\nRequire mtls-partner acme\n"
                        "Require ip 127.0.0.1\n</RequireAny>"));
    const std::pair<const char*, const char*> rows[] = {
        {"/free/require", "Require mtls-partner acme"},
        {"/gate/both", "Require mtls-partner acme"},
        {"/gate/new", "Require mtls-identity CN:nobody"},
        {"/gate/user", "AuthType MTLS"},
    };
    for (const auto& [path, directive] : rows) {
        const auto json = problem(site.get(&w.globex, path));
        const std::string id = " request_id=" + json["request_id"].get<std::string>() + ":";
        const std::string mark = "mtls_authz: denied GET \"" + std::string(path) + "\":";
        CHECK(site.httpd.wait_for_log(mark));  // when the request has ended
        const std::string log = site.httpd.error_log();
        CHECK_CONTAINS(line_with(log, mark), id);
        CHECK_CONTAINS(log, ":error] " + mark + " reason=not-allowed ");
        CHECK_CONTAINS(line_with(log, mark), " directive=\"" + std::string(directive) + "\" ");
    }
    // Where another line lets the client in, nothing of it is an error, whatever refuses it then.
    CHECK_EQUAL(site.get(&w.globex, "/free/any/x").status, 200);
    CHECK_EQUAL(site.get(&w.globex, "/free/gone/x").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "/free/require").status, 200);
    CHECK_EQUAL(site.get(&w.globex, "/gate/both/2").status, 403);
    CHECK(site.httpd.wait_for_log("\"/gate/both/2\":"));
    CHECK(site.httpd.error_log().find("\"/free/any") == std::string::npos);
    CHECK(site.httpd.error_log().find("\"/free/gone") == std::string::npos);
    CHECK(site.httpd.error_log().find("granted") == std::string::npos);
}

CLAIM(an_error_document_wins) {
    const World& w = world();
    for (const char* document : {"\"sorry, partners alone\"", "/free/sorry"}) {
        Site site;
        site.start(std::string("ErrorDocument 403 ") + document + "\n" + kGate);
        const Response r = site.get(&w.globex, "/gate/x");
        CHECK_EQUAL(r.status, 403);
        CHECK(r.headers.find("problem+json") == std::string::npos);
        CHECK_CONTAINS(r.body, document[0] == '/' ? "welcome" : "sorry, partners alone");
    }
}

CLAIM(a_browser_gets_a_page_with_everything_escaped) {
    const World& w = world();
    CertSpec spec;
    spec.subject = {{"O", "<script>alert(1)</script>"}, {"CN", "\" onload=\"x() \xe2\x80\xae"}};
    spec.san = {{GEN_DNS, "nobody.acme.example"}};
    const Identity hostile = issue(spec, &w.acme_ca);
    Site site;
    site.start(kGate);
    const Response r = site.get(&hostile, "/gate/x", "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n");
    CHECK_EQUAL(r.status, 403);
    CHECK_CONTAINS(r.headers, "Content-Type: text/html; charset=utf-8");
    CHECK_CONTAINS(r.headers, "Content-Security-Policy: default-src 'none'; style-src 'sha256-");
    CHECK_CONTAINS(r.headers, "Vary: Accept");
    CHECK_CONTAINS(r.body, "\\&lt;script\\&gt;alert(1)\\&lt;/script\\&gt;");
    CHECK_CONTAINS(r.body, "unknown-partner");
    CHECK(r.body.find("<script") == std::string::npos);
    CHECK(r.body.find("\xe2\x80\xae") == std::string::npos);
    // What wants JSON as much as HTML, or anything at all, gets JSON.
    for (const char* accept : {"Accept: */*\r\n", "Accept: application/json, text/html;q=0.9\r\n", ""}) {
        CHECK_CONTAINS(site.get(&hostile, "/gate/x", accept).headers, "application/problem+json");
    }
}

CLAIM(http2_and_head_get_the_same_headers) {
    const World& w = world();
    Site site;
    site.start(kGate);
    ClientOptions options;
    options.identity = &w.globex;
    const Response h2 = Http2Client(site.httpd.port(), options, site.httpd.root()).get("/gate/x");
    CHECK_EQUAL(h2.status, 403);
    CHECK_EQUAL(nlohmann::json::parse(h2.body)["reason"].get<std::string>(), "not-allowed");
    const Response head = site.get(&w.globex, "/gate/x", "", "HEAD");
    CHECK_EQUAL(head.status, 403);
    CHECK_CONTAINS(head.headers, "application/problem+json");
    CHECK_EQUAL(head.body, "");
    // The connection goes on in step.
    TlsClient client(site.httpd.port(), options);
    for (int i = 0; i < 3; ++i) CHECK_EQUAL(client.get("/gate/" + std::to_string(i)).status, 403);
}
