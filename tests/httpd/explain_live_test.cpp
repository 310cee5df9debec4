// mtls-authz --live: what it says of a running server is what the server does.
#include <cstdlib>
#include <map>
#include <random>

#include "claims.hpp"
#include "tool_site.hpp"

using namespace test;

namespace {

const std::string kRefusing = "MTLSRevocationFile revoked/list.conf\n";

}  // namespace

CLAIM(explain_live_asks_gates_and_refusals_of_the_server) {
    ToolSite site;
    site.start(kRefusing + "<Location /gate/globex>\n MTLSAllow partner globex\n</Location>\n");
    const auto granted = site.explain("acme", "/gate/x");
    CHECK_EQUAL(granted.status, 0);
    CHECK_CONTAINS(granted.text, "allow: granted\n");
    CHECK_CONTAINS(granted.text, "  gate: <Location /gate> at ");
    CHECK_CONTAINS(granted.text, "  rule: any-partner at ");
    CHECK_CONTAINS(granted.text, "in force: generation ");
    CHECK_CONTAINS(granted.text, "; its revocation files and CRLs were asked\n");
    CHECK_EQUAL(site.answer("acme", "/gate/globex/x"), "deny: not-allowed");
    CHECK_EQUAL(site.answer("globex", "/gate/globex/x"), "allow: granted");
    CHECK_EQUAL(site.explain("unnamed", "/gate/x").status, 3);
    CHECK_EQUAL(site.answer("unnamed", "/gate/x"), "deny: unknown-partner");
    CHECK_EQUAL(site.answer("unnamed", "/free/x"), "allow: no gate covers the path");
    CHECK_EQUAL(site.answer("acme", ""), "allow: granted");
    // What files take away counts at once, for the tool as for the server.
    site.refuse("MTLSSuspend globex note=audit\n");
    becomes([&] { return site.get(world().globex); }, 403, "suspended");
    CHECK_CONTAINS(site.answer("globex", "/gate/x"), "deny: suspended");
    CHECK_EQUAL(site.explain("globex", "/gate/x").status, 3);
    CHECK_EQUAL(site.answer("acme", "/gate/x"), "allow: granted");
    // And so does an edit of the policy.
    const std::string before = site.answer_json("acme", "/gate/x")["generation"];
    site.drop("acme.conf");
    becomes([&] { return site.get(world().acme); }, 403, "acme is gone");
    CHECK_EQUAL(site.answer("acme", "/gate/x"), "deny: not-verified");
    CHECK(site.answer_json("acme", "/gate/x")["generation"] != before);
}

CLAIM(explain_live_asks_for_the_address_where_it_decides) {
    ToolSite site;
    site.put("acme.conf", partner("acme",
                                  "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem\n"
                                  "MTLSNetwork 127.0.0.0/8"));
    site.start("<Location /gate/log>\n MTLSAuthz LogOnly\n</Location>\n");
    CHECK_CONTAINS(site.answer("acme", "/gate/x"), "not known: it is let in from 127.0.0.0/8 alone: say the client's");
    CHECK_EQUAL(site.answer("acme", "/gate/x", {"--from", "127.0.0.1"}), "allow: granted");
    CHECK_CONTAINS(site.answer("acme", "/gate/x", {"--from", "192.0.2.1"}), "deny: wrong-network");
    // Where no gate is, the address decides nothing; one that only logs says what it would deny.
    CHECK_EQUAL(site.answer("acme", "/free/x"), "allow: no gate covers the path");
    CHECK_CONTAINS(site.answer("acme", "/gate/log/x"), "not known: it is let in from 127.0.0.0/8 alone");
    CHECK_CONTAINS(site.answer("acme", "/gate/log/x", {"--from", "192.0.2.1"}), "it would deny: wrong-network");
    CHECK_CONTAINS(site.answer("unnamed", "/gate/log/x"), "it would deny: unknown-partner");
}

CLAIM(explain_live_asks_the_crls_in_force) {
    ToolSite site;
    site.httpd.write("crl/acme.pem", make_crl(world().acme_ca, {}));
    site.start("MTLSCRLFile crl/*.pem\n");
    CHECK_EQUAL(site.answer("acme", "/gate/x"), "allow: granted");
    CHECK_EQUAL(site.get(world().acme), 200);
    CrlSpec spec;
    spec.revoked = {{&world().acme, -1}};
    spec.number = 2;
    site.httpd.write("crl/acme.pem", make_crl(world().acme_ca, spec));
    becomes([&] { return site.get(world().acme); }, 403, "revoked");
    CHECK_CONTAINS(site.answer("acme", "/gate/x"), "deny: revoked");
    CHECK_EQUAL(site.answer("globex", "/gate/x"), "allow: granted");
    CHECK(site.httpd.wait_for_log("1 CRL(s); CRLs refuse acme, last seen "));
}

CLAIM(explain_live_says_what_only_httpd_can_tell) {
    ToolSite site;
    site.start(
        "<Location /if>\n MTLSAllow partner acme\n <If \"%{HTTP_USER_AGENT} =~ /x/\">\n  MTLSAllow any-partner\n "
        "</If>\n"
        "</Location>\n<Location /req>\n Require mtls-partner acme\n</Location>\n<Location /log>\n"
        " MTLSAllow partner acme\n MTLSAuthz LogOnly\n</Location>\n<Location /top>\n MTLSAllow "
        "any-partner\n</Location>\n"
        "<Location /top/secret>\n MTLSAllow partner acme\n</Location>\n"
        "<LocationMatch \"^/own/(?<WHO>.+)$\">\n MTLSAllow partner %{env:MATCH_WHO}\n</LocationMatch>\n"
        "<Location /by>\n MTLSAllow by-grant\n</Location>\nMTLSGrant * /by/* /by/all/**\n");
    // acme passes with the <If> and without it; of globex, the server alone can tell.
    CHECK_EQUAL(site.answer("acme", "/if/x"), "allow: granted");
    CHECK_EQUAL(site.explain("globex", "/if/x").status, 2);
    CHECK_CONTAINS(site.answer("globex", "/if/x"), "not known: it depends on whether these sections apply");
    CHECK_CONTAINS(site.answer("unnamed", "/if/x"), "deny: unknown-partner");
    CHECK_CONTAINS(site.answer("acme", "/req/x"), "not known: Require mtls-*");
    CHECK_EQUAL(site.answer_json("acme", "/req/x")["decision"], "unknown");
    CHECK_EQUAL(site.answer("globex", "/log/x"), "allow: the gate is LogOnly; it would deny: not-allowed");
    CHECK_EQUAL(site.answer_json("globex", "/log/x")["would_deny"], true);
    CHECK_EQUAL(site.answer("acme", "/log/x"), "allow: granted");
    // A recursive method may reach the gate below.
    CHECK_CONTAINS(site.answer("acme", "/top", {"--method", "DELETE"}), "not known: whether DELETE reaches <Location");
    CHECK_EQUAL(site.answer("acme", "/top/secret/x", {"--method", "DELETE"}), "allow: granted");
    CHECK_CONTAINS(site.answer("acme", "/if/x", {"--method", "DELETE"}), "not known: whether DELETE reaches <If");
    CHECK_EQUAL(site.answer("acme", "/if2", {"--method", "DELETE"}), "allow: no gate covers the path");
    for (const char* method : {"SEARCH", "LABEL", "UPDATE"}) {
        CHECK_CONTAINS(site.answer("acme", "/top", {"--method", method}), std::string("not known: whether ") + method);
    }
    CHECK_EQUAL(site.answer("acme", "/top", {"--method", "PROPPATCH"}), "allow: granted");
    // A recursive method may also need a grant for what is below the path.
    CHECK_CONTAINS(site.answer("acme", "/by/x", {"--method", "PROPFIND"}), "has to end in /** depends on its Depth");
    CHECK_EQUAL(site.answer("acme", "/by/x"), "allow: granted");
    CHECK_EQUAL(site.answer("acme", "/by/all/x", {"--method", "PROPFIND"}), "allow: granted");
    CHECK_EQUAL(site.answer("acme", "/own/acme", {}), "allow: granted");
    CHECK_CONTAINS(site.answer("acme", "/own/acme", {"--method", "DELETE"}), "not known: whether DELETE reaches <Loc");
    CHECK_EQUAL(site.answer("acme", "/top", {"--method", "TRACE"}),
                "deny: method-not-granted (TRACE is refused where "
                "a gate applies)");
    CHECK_CONTAINS(site.answer("acme", "/top;/x/../secret", {}), "deny: bad-path");
    CHECK_CONTAINS(site.explain("acme", "/top/").text, "its index (DirectoryIndex)");
    CHECK_CONTAINS(site.explain("acme", "/top/").text, "AliasMatch");
}

CLAIM(explain_live_allows_nothing_that_the_handshake_may_refuse) {
    ToolSite site;
    site.httpd.write("client-cas.pem", world().globex_ca.cert_pem());
    site.start();
    CHECK_CONTAINS(site.answer("acme", "/gate/x"), "not known: mod_ssl may refuse it in the handshake already");
    CHECK_EQUAL(site.get(world().acme), 0);
    CHECK_EQUAL(site.answer("globex", "/gate/x"), "allow: granted");
    CHECK_EQUAL(site.get(world().globex), 200);
}

CLAIM(explain_live_knows_that_the_handshake_takes_live_anchors) {
    ToolSite site;
    CertSpec spec;
    spec.subject = {{"CN", "late"}};
    spec.san = {{GEN_DNS, "api.acme.example"}};
    spec.not_before = -7200;
    spec.not_after = -3600;
    site.certificate("late", issue(spec, &world().acme_ca));
    site.certificate("stranger", world().acme_from_stranger);
    site.httpd.write("client-cas.pem", world().globex_ca.cert_pem());
    site.httpd.set_tls_lines("SSLVerifyClient optional\nMTLSClientCA On\nSSLVerifyDepth 5\n");
    site.start("<Location /gate/log>\n MTLSAuthz LogOnly\n</Location>\n");
    // Of a partner's CA, but no partner's: the handshake lets it in nevertheless.
    CHECK_EQUAL(site.answer("unnamed", "/gate/log/x"), "allow: the gate is LogOnly; it would deny: unknown-partner");
    CHECK_EQUAL(site.answer("unnamed", "/free/x"), "allow: no gate covers the path");
    CHECK_EQUAL(site.get(world().unnamed, "/free/x"), 200);
    CHECK_CONTAINS(site.answer("stranger", "/free/x"), "in the handshake already: unable to get local issuer");
    CHECK_EQUAL(site.get(world().acme_from_stranger, "/free/x"), 0);
    CHECK_CONTAINS(site.answer("late", "/free/x"), "in the handshake already: certificate has expired");
}

CLAIM(explain_live_asks_whether_this_host_asks_for_certificates) {
    const std::string gates = "<Location /a>\n SSLVerifyClient require\n MTLSAllow any-partner\n</Location>\n";
    // The setting of the main server does not count where the host has one of its own.
    ToolSite site;
    site.httpd.set_tls_lines("SSLVerifyClient none\n");
    site.start("SSLVerifyClient optional\n");
    CHECK_EQUAL(site.answer("acme", "/gate/x"), "deny: no-certificate (SSLVerifyClient is none here)");
    CHECK_EQUAL(site.get(world().acme), 403);
    CHECK_CONTAINS(site.answer("acme", "/free/x"), "no gate covers the path");
    ToolSite partly;
    partly.httpd.set_tls_lines("SSLVerifyClient none\n");
    partly.start(gates);
    CHECK_CONTAINS(partly.answer("acme", "/a"),
                   "not known: this host asks for no certificate (SSLVerifyClient), but "
                   "<Location /a> does");
    CHECK_CONTAINS(partly.answer("acme", "/gate/x"), "not known: this host asks for no certificate");
    CHECK_EQUAL(partly.get(world().acme), 403);
}

CLAIM(explain_live_asks_networks_and_slashes_as_the_server_does) {
    ToolSite site;
    site.put("acme.conf",
             partner("acme", "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem\nMTLSNetwork 10.0.0.0/8"));
    site.start("<Location /log>\n MTLSAllow partner acme\n MTLSAuthz LogOnly\n</Location>\n");
    CHECK_CONTAINS(site.answer("acme", "/log/x"), "not known: it is let in from 10.0.0.0/8 alone");
    CHECK_EQUAL(site.answer("acme", "/log/x", {"--from", "10.1.1.1"}), "allow: granted");
    CHECK_CONTAINS(site.answer("acme", "/log/x", {"--from", "127.0.0.1"}), "it would deny: wrong-network");
    CHECK_CONTAINS(site.answer("acme", "//log/x", {"--from", "10.1.1.1"}), "not known: httpd merges the slashes");
    CHECK_EQUAL(site.answer("acme", "/log//x", {"--from", "10.1.1.1"}), "allow: granted");
}

CLAIM(explain_live_counts_the_cas_that_ssl_verify_depth_allows) {
    for (const bool is_enough : {true, false}) {
        ToolSite site;
        site.certificate("by-sub", world().acme_by_sub, world().acme_sub.cert_pem());
        site.httpd.set_tls_lines("SSLVerifyClient optional\nMTLSClientCA On\nSSLVerifyDepth " +
                                 std::string(is_enough ? "2" : "1") + "\n");
        site.start();
        ClientOptions who;
        who.identity = &world().acme_by_sub;
        who.chain = {&world().acme_sub};
        int status = 0;
        try {
            status = TlsClient(site.httpd.port(), who).get("/gate/x").status;
        } catch (const std::exception&) {
            // The handshake was refused.
        }
        CHECK_EQUAL(status, is_enough ? 200 : 0);
        const std::string said = site.answer("by-sub", "/gate/x");
        if (is_enough) CHECK_EQUAL(said, "allow: granted");
        if (!is_enough) CHECK_CONTAINS(said, "its chain has 2 CAs, and SSLVerifyDepth is 1");
        CHECK_EQUAL(site.answer("acme", "/gate/x"), "allow: granted");
    }
}

CLAIM(explain_live_chooses_the_virtual_host_that_is_asked_for) {
    ToolSite site;
    const std::string port = std::to_string(site.httpd.port());
    site.start(
        "<VirtualHost 127.0.0.1:" + port +
        ">\n ServerName other.example\n ServerAlias *.other.example\n SSLEngine on\n SSLCertificateFile server.pem\n"
        " SSLCertificateKeyFile server.pem\n SSLCACertificateFile client-cas.pem\n SSLVerifyClient optional\n"
        " SSLVerifyDepth 5\n <Location /gate>\n  MTLSAllow partner globex\n </Location>\n</VirtualHost>\n");
    CHECK_CONTAINS(site.answer("acme", "/gate/x"), "several virtual hosts could be meant");
    CHECK_EQUAL(site.answer("acme", "/gate/x", {"--host", "localhost"}), "allow: granted");
    CHECK_EQUAL(site.answer("acme", "/gate/x", {"--host", "other.example"}), "deny: not-allowed");
    CHECK_EQUAL(site.answer("globex", "/gate/x", {"--host", "a.other.example:" + port}), "allow: granted");
    CHECK_CONTAINS(site.answer("globex", "/gate/x", {"--host", "nobody.example"}), "no virtual host is called");
}

CLAIM(explain_live_asks_the_first_of_several_virtual_hosts_that_a_name_fits_as_httpd_does) {
    ToolSite site;
    const std::string port = std::to_string(site.httpd.port());
    const auto host = [&port](const std::string& names, const std::string& partner) {
        return "<VirtualHost 127.0.0.1:" + port + ">\n " + names +
               "\n SSLEngine on\n SSLCertificateFile server.pem\n SSLCertificateKeyFile server.pem\n"
               " SSLCACertificateFile client-cas.pem\n SSLVerifyClient optional\n SSLVerifyDepth 5\n"
               " <Location /gate>\n  MTLSAllow partner " +
               partner + "\n </Location>\n</VirtualHost>\n";
    };
    site.start(host("ServerName www.example\n ServerAlias *.example", "acme") +
               host("ServerName api.example", "globex") + host("ServerName one.test", "globex") +
               host("ServerName one.test", "acme"));
    const auto ask = [&](const Identity& who, const std::string& name) {
        return TlsClient(site.httpd.port(), {.identity = &who, .server_name = name}).get("/gate/x").status;
    };
    CHECK_EQUAL(ask(world().acme, "api.example"), 200);
    CHECK_EQUAL(site.answer("acme", "/gate/x", {"--host", "api.example"}), "allow: granted");
    CHECK_EQUAL(site.answer("globex", "/gate/x", {"--host", "api.example"}), "deny: not-allowed");
    CHECK_EQUAL(ask(world().globex, "one.test"), 200);
    CHECK_EQUAL(site.answer("globex", "/gate/x", {"--host", "one.test"}), "allow: granted");
    CHECK_EQUAL(site.answer("acme", "/gate/x", {"--host", "one.test"}), "deny: not-allowed");
}

CLAIM(explain_live_asks_folders_below_the_document_root) {
    ToolSite site;
    fs::create_directories(site.httpd.path("htdocs/a/b"));
    site.httpd.write("htdocs/a/b/x.html", "x");
    site.httpd.configure("MTLSPolicyFile partners/*.conf\n<Directory \"" + site.httpd.path("htdocs/a") +
                         "\">\n MTLSAllow partner acme\n</Directory>\n<Directory \"" + site.httpd.path("htdocs/none") +
                         "\">\n MTLSAllow partner acme\n</Directory>\n");
    site.httpd.start();
    CHECK_EQUAL(site.answer("acme", "/a/b/x.html"), "allow: granted");
    CHECK_EQUAL(site.get(world().acme, "/a/b/x.html"), 200);
    CHECK_EQUAL(site.answer("globex", "/a/b/x.html"), "deny: not-allowed");
    CHECK_EQUAL(site.get(world().globex, "/a/b/x.html"), 403);
    CHECK_EQUAL(site.answer("globex", "/ok.html"), "allow: no gate covers the path");
    CHECK_CONTAINS(site.answer("globex", "/none/x"), "not known: ");
}

// ---- random questions -----------------------------------------------------------------------------------------------

namespace {

using Random = std::mt19937;

template <class T>
const T& one_of(const std::vector<T>& all, Random& random) {
    return all[std::uniform_int_distribution<std::size_t>(0, all.size() - 1)(random)];
}
bool by_chance(int percent, Random& random) { return std::uniform_int_distribution<int>(0, 99)(random) < percent; }

const std::vector<std::string> kSegments = {"app", "app", "acme", "orders", "in"};
const std::vector<std::string> kOddSegments = {"a b", "x;v=1", "..;", ";x", "x%2fy", "a\\acme", "%2e%2e", "x%3b"};
const std::vector<std::string> kMethods = {"GET", "GET", "HEAD", "POST", "PUT", "DELETE", "PROPFIND", "OPTIONS"};

std::string random_path(Random& random) {
    std::string out;
    const int count = std::uniform_int_distribution<int>(1, 4)(random);
    for (int i = 0; i < count; ++i) out += "/" + one_of(by_chance(6, random) ? kOddSegments : kSegments, random);
    return by_chance(10, random) ? out + "/" : out;
}

std::string random_rule(Random& random, bool is_match) {
    std::vector<std::string> rules = {
        "any-partner",          "partner acme", "partner globex initech",   "group buyers",
        "group sellers buyers", "by-grant",     "any-partner methods=read", "partner acme methods=GET,DELETE"};
    if (is_match) rules.insert(rules.end(), {"partner %{env:MATCH_WHO}", "partner %{env:MATCH_WHO}"});
    return one_of(rules, random);
}

std::string random_section(Random& random) {
    std::string path;
    for (int i = std::uniform_int_distribution<int>(1, 2)(random); i > 0; --i) path += "/" + one_of(kSegments, random);
    const int kind = std::uniform_int_distribution<int>(0, 5)(random);
    std::string open = "<Location " + path + ">", close = "</Location>";
    if (kind == 0) open = "<Location " + path + "/*>";
    if (kind == 1) open = "<LocationMatch \"^" + path + "/(?<who>[^/]+)\">", close = "</LocationMatch>";
    std::string out = open + "\n";
    for (int i = std::uniform_int_distribution<int>(0, 2)(random); i > 0; --i)
        out += " MTLSAllow " + random_rule(random, kind == 1) + "\n";
    if (by_chance(25, random))
        out += " MTLSDeny " +
               one_of<std::string>({"partner globex", "group buyers methods=write", "partner acme"}, random) + "\n";
    const int mode = std::uniform_int_distribution<int>(0, 11)(random);
    if (mode < 2) out += mode == 0 ? " MTLSAuthz Off\n" : " MTLSAuthz LogOnly\n";
    return out + close + "\n";
}

std::string random_sections(Random& random) {
    std::string out;
    for (int i = std::uniform_int_distribution<int>(8, 16)(random); i > 0; --i) out += random_section(random);
    return out;
}

std::string encoded(const std::string& path) {
    std::string out;
    for (const char c : path) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/') {
            out += c;
        } else {
            char hex[4];
            std::snprintf(hex, sizeof hex, "%%%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
            out += hex;
        }
    }
    return out;
}

// "allow", "deny REASON", "would-deny REASON", "open", or "no answer"; by a header that mod_headers makes of what the
// module says.
std::string answer_of(const Response& response) {
    if (response.status == 0) return "no answer";
    constexpr std::string_view kHeader = "X-Decision: ";
    const std::size_t at = response.headers.find(kHeader);
    if (at == std::string::npos) return "nothing: " + std::to_string(response.status);
    const std::size_t end = response.headers.find("\r\n", at);
    std::string text = response.headers.substr(at + kHeader.size(), end - at - kHeader.size());
    if (text.starts_with("(null)")) return "open";
    return text.starts_with("allow") ? "allow" : text;
}

std::string answer_of(const nlohmann::json& told) {
    if (told["decision"] == "unknown") return "unknown";
    if (told["would_deny"] == true) return "would-deny " + told["reason"].get<std::string>();
    if (told["decision"] == "deny") return "deny " + told["reason"].get<std::string>();
    return told["reason"].is_null() ? "open" : "allow";
}

struct Asker {
    std::string name;
    const Identity* identity;
    std::vector<const Identity*> chain = {};
};

int questions() {
    const char* const wanted = std::getenv("QUESTIONS");
    return wanted != nullptr ? std::atoi(wanted) : 400;
}

}  // namespace

CLAIM(explain_live_agrees_with_the_server_over_random_questions, Turn::kFirst) {
    const World& w = world();
    const Identity initech = make_client("initech", "api.initech.example", w.acme_ca);
    const Identity revoked = make_client("api9", "api.acme.example", w.acme_ca);
    const std::vector<Asker> askers = {{"acme", &w.acme},
                                       {"acme", &w.acme},
                                       {"globex", &w.globex},
                                       {"by-sub", &w.acme_by_sub, {&w.acme_sub}},
                                       {"globex", &w.globex},
                                       {"initech", &initech},
                                       {"revoked", &revoked},
                                       {"unnamed", &w.unnamed},
                                       {"stranger", &w.acme_from_stranger},
                                       {"wrong", &w.acme_from_globex}};
    const char* const seed = std::getenv("SEED");
    Random random(seed != nullptr ? static_cast<unsigned>(std::atoi(seed)) : std::random_device{}());
    const int all = questions();
    constexpr int kPerServer = 100;
    std::map<std::string, int> answers;
    for (int asked = 0; asked < all;) {
        const auto here = static_cast<unsigned>(random());
        random.seed(here);
        ToolSite site;
        for (const Asker& asker : askers) {
            site.certificate(asker.name, *asker.identity, asker.chain.empty() ? "" : asker.chain[0]->cert_pem());
        }
        site.put("acme.conf", partner("acme",
                                      "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem\n"
                                      "MTLSGroup buyers\nMTLSGroup sellers if CN:api2\n"
                                      "MTLSGrant read /app/%{partner}/**\nMTLSGrant * /app/orders/*"));
        site.put("globex.conf", partner("globex",
                                        "MTLSIdentity DNS:api.globex.example\nMTLSTrustAnchor globex.pem\n"
                                        "MTLSGroup sellers\nMTLSGrant GET,PUT /app/**"));
        site.put(
            "initech.conf",
            partner("initech", "MTLSIdentity DNS:api.initech.example\nMTLSTrustAnchor acme.pem\nMTLSGroup buyers"));
        site.refuse("MTLSSuspend initech\n");
        CrlSpec list;
        list.revoked = {{&revoked, -1}};
        site.httpd.write("crl/acme.pem", make_crl(w.acme_ca, list));
        const std::string port = std::to_string(site.httpd.port());
        const std::string common = random_sections(random);
        const std::string other = random_sections(random);
        const bool lets_all_in = by_chance(60, random);
        site.httpd.set_tls_lines(lets_all_in ? "SSLVerifyClient optional_no_ca\n" : "SSLVerifyClient optional\n");
        site.httpd.set_vhost_lines(random_sections(random));
        site.httpd.configure(
            "AliasMatch ^/ \"" + site.httpd.path("htdocs/ok.html") +
            "\"\nMTLSPolicyFile partners/*.conf\nMTLSRevocationFile revoked/*.conf\nMTLSCRLFile crl/*.pem\n"
            "Header always set X-Decision \"%{MTLS_DECISION}e %{MTLS_REASON}e\"\n" +
            common + "<VirtualHost 127.0.0.1:" + port +
            ">\n ServerName other.example\n SSLEngine on\n SSLCertificateFile server.pem\n"
            " SSLCertificateKeyFile server.pem\n SSLCACertificateFile client-cas.pem\n SSLVerifyClient optional\n"
            " SSLVerifyDepth 5\n MTLSClientCA On\n Header always set X-Decision \"%{MTLS_DECISION}e "
            "%{MTLS_REASON}e\"\n" +
            other + "</VirtualHost>\n");
        // Sections that the module refuses, since a later one would open a gate: others then.
        if (site.httpd.run({"-t"}).status != 0) continue;
        site.httpd.start();
        const std::string conf = file_text(site.httpd.path("httpd.conf"));
        const std::string sections = conf.substr(conf.find("AliasMatch"));
        for (int i = 0; i < kPerServer && asked < all; ++i, ++asked) {
            const Asker& asker = one_of(askers, random);
            const std::string host = by_chance(50, random) ? "localhost" : "other.example";
            const std::string path = random_path(random), method = one_of(kMethods, random);
            ClientOptions options = as(*asker.identity);
            options.chain = asker.chain;
            options.server_name = host;
            const std::string real = answer_of(TlsClient(site.httpd.port(), options).get(encoded(path), "", method));
            const std::string told =
                answer_of(site.answer_json(asker.name, path, {"--method", method, "--host", host}));
            ++answers[told];
            if (told == "unknown") continue;
            // What the handshake refuses is told as what the gate would say.
            if (real == "no answer" ? told.starts_with("deny") : told == real) continue;
            const std::string what = "seed " + std::to_string(here) + ": " + asker.name + " asks " + method + " " +
                                     path + " of " + host + "\n" +
                                     site.explain(asker.name, path, {"--method", method, "--host", host}).text;
            check_equal(told, real, what + sections, __FILE__, __LINE__);
        }
    }
    for (const auto& [answer, count] : answers) {
        if (std::getenv("QUESTIONS") != nullptr) std::fprintf(stderr, "%6d %s\n", count, answer.c_str());
    }
    CHECK(answers["unknown"] * 3 < all);
    CHECK(answers["allow"] > 0);
}

// ---- the other commands ---------------------------------------------------------------------------------------------

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
