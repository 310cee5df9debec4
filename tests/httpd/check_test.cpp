// mtls-authz check and why agree with the server.
#include <sstream>

#include "claims.hpp"
#include "tool_site.hpp"

using namespace test;

CLAIM(check_live_and_diff_live_take_what_httpd_conf_has_of_the_policy_with_the_files) {
    ToolSite site;
    site.httpd.write("crl/acme.pem", make_crl(world().acme_ca, {}));
    // A partner that uses the default anchor of httpd.conf.
    site.put("loose.conf", partner("loose", "MTLSIdentity CN:loose"));
    site.start(
        "MTLSCRLFile crl/*.pem\nMTLSCRL if-present\nMTLSCRLStale grace=5\nMTLSTrustAnchor globex.pem\n"
        "MTLSGrant GET /x\nMTLSRevoke CN:nobody\nMTLSExpect certs/acme.pem is acme\n" +
        partner("here", "MTLSIdentity 'CN:one two'\nMTLSTrustAnchor acme.pem"));
    const auto check = [&](std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"check", "--socket", site.socket(), "partners/*.conf"});
        return site.run_tool(more);
    };
    CHECK_EQUAL(check().status, 0);
    CHECK_CONTAINS(check().text, "4 partner(s), as in force");
    CHECK_EQUAL(check({"--root", site.httpd.root()}).status, 0);
    const auto diff = site.run_tool({"diff", "--socket", site.socket(), "partners/*.conf"});
    CHECK_EQUAL(diff.text, "");
    CHECK_EQUAL(diff.status, 0);
    // Files that are not those in force, and files that are wrong.
    site.httpd.write("other/acme.conf", kAcme);
    const auto other = site.run_tool({"check", "--socket", site.socket(), "other/acme.conf"});
    CHECK_EQUAL(other.status, 1);
    CHECK_CONTAINS(other.text, "these files have removed globex, loose");
    site.httpd.write("other/acme.conf", "MTLSTrustAnchor acme.pem\n");
    CHECK_CONTAINS(site.run_tool({"check", "--socket", site.socket(), "other/acme.conf"}).text,
                   "other/acme.conf:1: error: MTLSTrustAnchor outside of <MTLSPartner>");
}

CLAIM(the_tool_says_what_the_server_does_not_count_of_its_files) {
    ToolSite site;
    site.start("MTLSRevocationFile revoked/list.conf\n");
    const auto said = [&] { return site.explain("acme", "/gate/x").text; };
    CHECK(said().find("not in force") == std::string::npos);
    CHECK(site.answer_json("acme", "/gate/x")["not_in_force"].empty());
    site.put("zz.conf", "# new\nMTLSNonsense x\n");
    site.refuse("# nobody\nMTLSSuspend\n");
    const std::string refused = "the server refuses its policy files: ", line = "zz.conf:2: error: unknown directive";
    becomes([&] { return said().find(refused) != std::string::npos; }, true, "refused files");
    becomes([&] { return said().find("without effect at the server: ") != std::string::npos; }, true, "a bad line");
    CHECK_CONTAINS(said(), "allow: ");
    CHECK_CONTAINS(said(), line);
    CHECK_CONTAINS(said(), "revoked/list.conf:2: error: MTLSSuspend");
    CHECK_EQUAL(site.answer_json("acme", "/gate/x")["not_in_force"].size(), 2U);
    CHECK_CONTAINS(site.run_tool({"matrix", "--socket", site.socket()}).text, "not in force: " + refused);
    // The files that were good, and are in force: the server has others by now.
    site.httpd.write("other/acme.conf", kAcme);
    site.httpd.write("other/globex.conf", kGlobex);
    const auto checked = [&] { return site.run_tool({"check", "--socket", site.socket(), "other/*.conf"}); };
    CHECK_EQUAL(checked().status, 1);
    CHECK_CONTAINS(checked().text, "error: " + refused);
    site.drop("zz.conf");
    fs::remove(site.httpd.path("revoked/list.conf"));
    becomes([&] { return said().find("still refused: ") != std::string::npos; }, true, "a source that is gone");
    becomes([&] { return said().find(refused) == std::string::npos; }, true, "mended files");
    CHECK_CONTAINS(said(), "revoked/list.conf is gone, empty or unreadable since ");
    CHECK_CONTAINS(said(), "; what it refused stays refused until it is back (a revocation file with a comment in it)");
    CHECK(said().find("not in force") == std::string::npos);
    CHECK_CONTAINS(site.run_tool({"matrix", "--socket", site.socket()}).text, "still refused: ");
    site.refuse("");
    CHECK_CONTAINS(said(), "still refused: ");
    site.refuse("# nobody\n");
    becomes([&] { return said().find("still refused") == std::string::npos; }, true, "all is well");
    CHECK_EQUAL(checked().status, 0);
}

// Each directive, inside and outside a partner: check refuses it if httpd -t does.
CLAIM(check_refuses_in_a_policy_file_what_the_server_refuses) {
    ToolSite site;
    std::string all;
    for (const std::string name : {
             "MTLSIdentity CN:x",
             "MTLSTrustAnchor acme.pem",
             "MTLSTrustAnchor mod_ssl",
             "MTLSIntermediate acme.pem",
             "MTLSGroup g",
             "MTLSValid until=2099-01-01",
             "MTLSPurpose clientAuth",
             "MTLSNetwork 10.0.0.0/8",
             "MTLSFront header=X-C format=der",
             "MTLSAttribute a b",
             "MTLSContact me",
             "MTLSSuspend acme",
             "MTLSSuspend On",
             "MTLSRevoke CN:x",
             "MTLSCRL required",
             "MTLSCRL 'if-present'",
             "MTLSCRLStale \"deny\"",
             "MTLSShortLived '10'",
             "MTLSCRLFile none/*.crl",
             "MTLSGrant GET /x",
             "MTLSExpect certs/acme.pem is acme",
             "MTLSPolicyFile x",
             "MTLSRevocationFile x",
             "MTLSPolicyDatabase sqlite3 x",
             "MTLSPolicyStart strict",
             "MTLSPolicyRefresh 1",
             "MTLSWarn 20%",
             "MTLSEventCmd /bin/true",
             "MTLSFetchUser root",
             "MTLSClientCA On",
             "MTLSAuditLog x",
             "MTLSStatus On",
             "MTLSAllow any-partner",
             "MTLSDeny partner acme",
             "MTLSAuthz On",
             "MTLSRemoteUser On",
             "MTLSEnv All",
             "MTLSErrorDetail On",
             "MTLSForward cert=rfc9440",
             "MTLSAcceptFront acme",
             "AuthType MTLS",
             "Require mtls-any-partner",
             "ServerName x",
             "Define x",
             "Include x",
             "Foo",
             "<IfModule x>\n</IfModule>",
             "<Location /x>\n</Location>",
             "<MTLSPartner acme>\n</MTLSPartner>",
         }) {
        for (const bool inside : {false, true}) {
            const std::string text =
                inside ? "<MTLSPartner acme>\nMTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem\n" + name +
                             "\n</MTLSPartner>\n"
                       : kAcme + name + "\n";
            site.put("acme.conf", text);
            site.configure();
            const auto served = site.httpd.run({"-t"}), checked = site.run_tool({"check", "partners/acme.conf"});
            if ((served.status == 0) != (checked.status == 0)) all += text + served.text + checked.text + "\n";
        }
    }
    CHECK_EQUAL(all, "");
    // Files without a directive: half written, unless they hold a comment.
    for (const auto& [text, status] :
         {std::pair("\n\n", 1), std::pair("  \n\t\n", 1), std::pair("# nobody yet\n", 0)}) {
        site.put("acme.conf", text);
        test::check_equal(site.run_tool({"check", "partners/acme.conf"}).status, status, text, __FILE__, __LINE__);
    }
    // The output of DUMP_MTLS_POLICY is refused as a policy file, and accepted from standard input.
    site.put("acme.conf", kAcme);
    site.configure("MTLSTrustAnchor globex.pem\n" + partner("x", "MTLSIdentity CN:x"));
    const std::string dump = site.httpd.run({"-t", "-D", "DUMP_MTLS_POLICY"}).text;
    const std::size_t begin = dump.find("# MTLS policy");
    site.httpd.write("dump.conf", dump.substr(begin, dump.find("Syntax OK", begin) - begin));
    CHECK_CONTAINS(site.run_tool({"check", "dump.conf"}).text, "error: MTLSTrustAnchor outside of <MTLSPartner>");
    const auto piped = run_command({"sh", "-c", "\"$0\" check - < dump.conf", ToolSite::tool()}, site.httpd.root());
    CHECK_EQUAL(piped.status, 0);
    CHECK_CONTAINS(piped.text, "3 partner(s)");
    CHECK_EQUAL(site.run_tool({"matrix", "--policy", "dump.conf"}).status, 0);
}

CLAIM(why_of_the_servers_own_line_names_the_suspension_and_asks_the_server) {
    ToolSite site;
    site.start("MTLSRevocationFile revoked/list.conf\n");
    site.refuse("# one\nMTLSSuspend globex \"note=caf\xc3\xa9 \\\"x\\\"\"\n");
    becomes([&] { return site.get(world().globex); }, 403, "suspended");
    CHECK_EQUAL(site.get(world().unnamed), 403);
    const auto why = [&](const std::string& part, const std::vector<std::string>& more = {}) {
        std::istringstream lines(site.httpd.error_log());
        for (std::string line; std::getline(lines, line);) {
            if (line.find("denied GET") == std::string::npos || line.find(part) == std::string::npos) continue;
            std::vector<std::string> words = {"why", "--socket", site.socket(), line};
            words.insert(words.end(), more.begin(), more.end());
            return site.run_tool(words);
        }
        throw std::runtime_error("no line has " + part);
    };
    const auto said = why("reason=suspended");
    CHECK_EQUAL(said.status, 3);
    CHECK_CONTAINS(said.text, "no MTLSSuspend for globex\n    in " + site.httpd.path("revoked/list.conf") +
                                  ":2; leave a comment in a revocation file that would be empty\n");
    CHECK_CONTAINS(said.text, ": caf\xc3\xa9 \"x\"  what was found");
    const std::string host = "localhost:" + std::to_string(site.httpd.port());
    const std::string command = "mtls-authz explain --socket " + site.socket() + " --host " + host +
                                " --cert CERT.pem --method GET --path /gate/x\n";
    CHECK_CONTAINS(said.text, "to see what it changes: " + command);
    // The printed command works.
    CHECK_CONTAINS(site.answer("globex", "/gate/x", {"--host", host, "--method", "GET"}), "deny: suspended");
    // An unknown certificate claims no partner. A socket that does not exist is an error.
    CHECK_CONTAINS(why("reason=unknown-partner").text, "MTLSIdentity ");
    CHECK_EQUAL(site.run_tool({"why", "--socket", "/nowhere/mtls_authz.sock", "x=y"}).status, 2);
}

CLAIM(why_asks_the_servers_gates_what_a_line_would_open) {
    ToolSite site;
    site.start("<LocationMatch \"^/partners/(?<P>[^/]+)(/|$)\">\nMTLSAllow partner %{env:MATCH_P}\n</LocationMatch>\n" +
               location("/narrow", "MTLSAllow partner globex"));
    const auto why = [&](const std::string& path) {
        CHECK_EQUAL(site.get(world().acme, path), 403);
        const std::string begin = "denied GET \"" + path;
        CHECK(site.httpd.wait_for_log(begin));
        std::istringstream lines(site.httpd.error_log());
        std::string line;
        while (std::getline(lines, line) && line.find(begin) == std::string::npos) {
        }
        return site.run_tool({"why", "--socket", site.socket(), line}).text;
    };
    const std::string of_all = why("/partners/globex/x");
    CHECK_CONTAINS(of_all, "no line is offered: MTLSAllow partner %{env:MATCH_P} at ");
    CHECK_CONTAINS(of_all, " gives each partner the paths that name it, and its own alone: decide");
    const std::string of_one = why("/narrow/x");
    CHECK_CONTAINS(of_one, "if that is meant to pass: MTLSAllow partner acme\n");
    CHECK_CONTAINS(of_one, "but it opens all that <Location /narrow> covers, folders of others too");
}
