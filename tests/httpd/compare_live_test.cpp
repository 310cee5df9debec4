// What the tool compares with a running server: mtls-authz matrix, check and diff with --live.
#include "claims.hpp"
#include "tool_site.hpp"

using namespace test;

namespace {

// A site whose tool asks by other commands.
struct Compared : ToolSite {
    Compared() {
        put("acme.conf", partner("acme",
                                 "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem\nMTLSGroup buyers\n"
                                 "MTLSGrant GET,PUT /orders/%{partner}/**"));
        start(
            "MTLSRevocationFile revoked/list.conf\n<Location /shop>\n MTLSAllow group buyers methods=GET\n"
            " MTLSAllow partner globex\n</Location>\n<Location /shop/in>\n MTLSDeny partner globex\n</Location>\n"
            "<Location /orders>\n MTLSAllow by-grant\n</Location>\n<Location /open>\n MTLSAuthz Off\n</Location>\n"
            "<Files *.key>\n MTLSAllow partner acme\n</Files>\n<Location /if>\n <If \"%{HTTPS} == 'on'\">\n"
            "  MTLSAllow partner globex\n </If>\n</Location>\n");
    }
    Httpd::Output ask(const std::string& command, const std::vector<std::string>& more) const {
        std::vector<std::string> words = {command, "--socket", socket()};
        words.insert(words.end(), more.begin(), more.end());
        return run_tool(words);
    }
};

}  // namespace

CLAIM(matrix_live_has_partners_by_the_paths_of_gates) {
    const Compared site;
    site.refuse("MTLSSuspend globex\n");
    becomes([&] { return site.get(world().globex); }, 403, "suspended");
    const std::string host = "\"localhost:" + std::to_string(site.httpd.port()) + "\",";
    const auto out = site.ask("matrix", {"--csv"});
    CHECK_EQUAL(out.status, 0);
    CHECK_CONTAINS(out.text, "host,partner,path,methods,condition,rule,gate\r\n");
    CHECK_CONTAINS(out.text, host + "\"acme\",\"/shop\",\"GET\",\"\",");
    CHECK_CONTAINS(out.text, host + "\"globex\",\"/shop\",\"*\",\"it is suspended now\",");
    CHECK_CONTAINS(site.ask("matrix", {}).text, "  but it is suspended now\n");
    CHECK(site.ask("matrix", {}).text.find("if it is suspended") == std::string::npos);
    CHECK_CONTAINS(site.ask("matrix", {"--html"}).text, "suspended</span> at <code>");
    CHECK_CONTAINS(out.text, host + "\"acme\",\"/shop/in\",\"GET\",\"\",");
    CHECK(out.text.find("\"globex\",\"/shop/in\"") == std::string::npos);
    CHECK_CONTAINS(out.text, host + "\"acme\",\"/orders/acme/**\",\"GET,PUT\",\"\",");
    CHECK(out.text.find("\"globex\",\"/orders") == std::string::npos);
    CHECK_CONTAINS(out.text, host + "\"*\",\"/open\",\"*\",\"\",");
    // What only httpd can match has the path of the section around it.
    CHECK_CONTAINS(out.text, host + "\"acme\",\"/\",\"*\",\"<Files *.key> applies\",");
    CHECK_CONTAINS(out.text, host + "\"globex\",\"/if\",\"*\",\"<If \"\"%{HTTPS} == 'on'\"\"> applies; it is susp");
    const std::string table = site.ask("matrix", {}).text;
    CHECK_CONTAINS(table, "generation ");
    CHECK_CONTAINS(table, "not asked: what other modules ask");
    CHECK_EQUAL(site.run_tool({"matrix", "--live", "--policy", "partners/*.conf"}).status, 2);
}

CLAIM(matrix_live_asks_grants_by_whole_segments_below_folders_and_behind_fronts) {
    ToolSite site;
    const std::string acme = "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem\n";
    site.put("acme.conf",
             partner("acme", acme + "MTLSGrant read /orders/** /orders-archive/** /docs/**\nMTLSGrant GET /x"));
    site.put("edge.conf", partner("edge",
                                  "MTLSIdentity DNS:edge.example\nMTLSTrustAnchor globex.pem\nMTLSFront "
                                  "header=Client-Cert format=rfc9440 network=127.0.0.0/8"));
    site.start(
        "<Location /orders>\n MTLSAllow by-grant\n</Location>\n<Location /x/>\n MTLSAllow by-grant\n</Location>\n"
        "<Location /front>\n MTLSAllow partner acme\n MTLSAcceptFront edge\n</Location>\n");
    const std::string out = site.run_tool({"matrix", "--socket", site.socket(), "--csv"}).text;
    CHECK_CONTAINS(out, "\"acme\",\"/orders/**\",\"read\",\"\",");
    CHECK(out.find("/orders-archive") == std::string::npos);
    CHECK(out.find("\"/x\"") == std::string::npos);
    CHECK_CONTAINS(out, "\"acme\",\"/front\",\"*\",\"through a front\",");
    CHECK_CONTAINS(site.httpd.error_log(), "MTLSGrant /orders-archive/**: no gate asks for it");
    CHECK_CONTAINS(site.httpd.error_log(), "MTLSGrant /x: no gate asks for it");
    CHECK_EQUAL(site.times("MTLSGrant /orders/**: no gate"), 0U);
    ToolSite by_folder;
    by_folder.put("acme.conf", partner("acme", acme + "MTLSGrant read /docs/**"));
    const std::string docs = by_folder.httpd.path("htdocs/docs");
    by_folder.start("<Directory \"" + docs + "\">\n MTLSAllow by-grant\n</Directory>\n");
    const std::string told = by_folder.run_tool({"matrix", "--socket", by_folder.socket(), "--csv"}).text;
    CHECK_CONTAINS(told, "\"acme\",\"/docs/**\",\"read\",\"<Directory " + docs + "/> applies\",");
    // No client of a virtual host without TLS comes through a front.
    CHECK(told.find("through a front") == std::string::npos);
}

CLAIM(check_live_and_diff_live_compare_files_with_what_is_in_force) {
    const Compared site;
    const std::string files = site.httpd.path("partners/*.conf");
    const auto same = site.ask("check", {"--root", site.httpd.root(), files});
    CHECK_EQUAL(same.status, 0);
    CHECK_CONTAINS(same.text, ": 2 partner(s), as in force\n");
    CHECK_EQUAL(site.ask("diff", {"--root", site.httpd.root(), files}).status, 0);
    // A branch without globex.
    site.httpd.write("branch/acme.conf", kAcme);
    const auto check = site.ask("check", {"--root", site.httpd.root(), "branch/acme.conf"});
    CHECK_EQUAL(check.status, 1);
    CHECK_CONTAINS(check.text, "error: these files are generation ");
    CHECK_CONTAINS(check.text, ", but in force is generation ");
    CHECK_CONTAINS(check.text, ": these files have changed acme; removed globex");
    const auto diff = site.ask("diff", {"--root", site.httpd.root(), "branch/acme.conf", "--certs", "certs"});
    CHECK_EQUAL(diff.status, 1);
    CHECK_CONTAINS(diff.text, "globex is gone\n");
    CHECK_CONTAINS(diff.text, "acme loses: MTLSGrant GET,PUT /orders/%{partner}/**\n");
    CHECK_CONTAINS(diff.text, "certs/globex.pem: was globex, is not-verified\n");
    // Whom a revocation file refuses is refused by both.
    site.refuse("MTLSSuspend globex\n");
    becomes([&] { return site.get(world().globex); }, 403, "suspended");
    CHECK_CONTAINS(site.ask("diff", {"--root", site.httpd.root(), "branch/acme.conf", "--certs", "certs"}).text,
                   "certs/globex.pem: was suspended, is not-verified\n");
    // A suspension names a partner: under another name the same one passes again.
    const auto renamed = [&site](const std::string& name) {
        std::string text = kGlobex;
        site.httpd.write("branch/globex.conf", text.replace(text.find("globex"), 6, name));
        return site.ask("diff", {"--root", site.httpd.root(), "branch/globex.conf"}).text;
    };
    CHECK_CONTAINS(renamed("globex-eu"), "globex is no longer limited by: MTLSSuspend globex at ");
    CHECK_EQUAL(renamed("globex").find("MTLSSuspend"), std::string::npos);
    CHECK_EQUAL(site.ask("diff", {"--root", site.httpd.root(), files, "branch/acme.conf"}).status, 2);
}

CLAIM(the_tool_names_a_denial_of_a_partner_that_files_lack) {
    const Compared site;
    const std::string files = site.httpd.path("partners/*.conf");
    const auto check = [&] { return site.ask("check", {"--root", site.httpd.root(), files}); };
    const std::string said = "MTLSDeny: these files have no partner 'globex': with them, it denies everybody";
    CHECK(check().text.find(said) == std::string::npos);
    CHECK_CONTAINS(site.answer("acme", "/shop/in"), "allow: granted");
    site.drop("globex.conf");
    CHECK(site.httpd.wait_for_log(" replaces "));
    CHECK_EQUAL(check().status, 1);
    CHECK_CONTAINS(check().text, said);
    CHECK_CONTAINS(site.answer("acme", "/shop/in"), "deny: not-allowed (MTLSDeny names the partner globex");
    CHECK(site.ask("matrix", {"--csv"}).text.find("/shop/in") == std::string::npos);
}

CLAIM(diff_live_sees_another_certificate_behind_an_expectation) {
    const World& w = world();
    Compared site;
    const std::string files = site.httpd.path("partners/*.conf");
    site.httpd.write("known.pem", w.acme.cert_pem());
    site.put("expect.conf", "MTLSExpect known.pem is acme\n");
    becomes([&] { return site.ask("diff", {"--root", site.httpd.root(), files}).status; }, 0, "in force");
    // The same lines, below a root where that file holds another.
    site.httpd.write("branch/acme.pem", w.acme_ca.cert_pem());
    site.httpd.write("branch/globex.pem", w.globex_ca.cert_pem());
    site.httpd.write("branch/known.pem", w.acme_by_sub.cert_pem() + w.acme_sub.cert_pem());
    const auto diff = site.ask("diff", {"--root", site.httpd.path("branch"), files});
    CHECK_EQUAL(diff.status, 1);
    CHECK_CONTAINS(diff.text, "everybody gains: MTLSExpect about the certificate sha256:" + hex_sha256(w.acme_by_sub) +
                                  "\n" + "everybody loses: MTLSExpect about the certificate sha256:" +
                                  hex_sha256(w.acme) + "\nnot asked");
}

CLAIM(the_tool_says_where_it_found_no_server) {
    const ToolSite site;
    for (const char* command : {"matrix", "explain"}) {
        std::vector<std::string> words = {command, "--socket", "nowhere.sock"};
        if (std::string(command) == "explain") words.insert(words.end(), {"--cert", "certs/acme.pem"});
        const auto out = site.run_tool(words);
        CHECK_EQUAL(out.status, 2);
        CHECK_CONTAINS(out.text, "nowhere.sock: no server listens there");
    }
    site.httpd.write("plain.sock", "");
    CHECK_EQUAL(site.run_tool({"check", "--socket", "plain.sock", "partners/acme.conf", "--root", "."}).status, 2);
}
