// What stops the start, what is only warned of, and what is printed: always with file and line.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "bundles.hpp"
#include "config_draft.hpp"

using namespace test;

namespace {

std::string partner(const std::string& lines) { return partner_p(lines); }

}  // namespace

CLAIM(a_senseless_policy_stops_the_start_and_says_where) {
    Draft d;
    d.refuses("<MTLSPartner p>\nMTLSTrustAnchor acme.pem\n</MTLSPartner>", "has no MTLSIdentity: empty means nobody");
    d.refuses("<MTLSPartner p>\nMTLSIdentity CN:p\n</MTLSPartner>", "has no trust anchor");
    d.refuses("<MTLSPartner any>\n</MTLSPartner>", "'any' is reserved");
    d.refuses("<MTLSPartner \"a b\">\n</MTLSPartner>", "cannot be a partner's name");
    d.refuses(partner("") + "<MTLSPartner P>\nMTLSIdentity CN:p\n</MTLSPartner>", "already defined at ");
    d.refuses(partner("MTLSTrustAnchor nowhere.pem"), "cannot read");
    d.httpd.write("empty.pem", "");
    d.refuses(partner("MTLSTrustAnchor empty.pem"), "holds no PEM certificate");
    d.refuses(partner("MTLSTrustAnchor server.pem nowhere"), "nowhere");
    d.refuses("MTLSTrustAnchor acme.pem\nMTLSTrustAnchor globex.pem", "the default trust anchor is already set at ");
    d.refuses("<VirtualHost *:1>\n" + partner("") + "</VirtualHost>", "cannot occur within <VirtualHost>");
    d.refuses("MTLSRevoke cert-serial:0a", "says nothing without its issuer");
    d.refuses("MTLSRevoke subject:C=US,CN=x", "in reverse");
    d.refuses(partner("MTLSRevoke CN:x"), "belongs outside of <MTLSPartner>: it applies to the whole policy");
    d.refuses("MTLSPolicyRefresh soon", "expected SECONDS");
    d.refuses("MTLSCRL always", "expected if-present or required");
    d.refuses("MTLSCRL required\nMTLSCRL if-present", "MTLSCRL: already given at ");
    d.refuses("MTLSCRLStale allow\nMTLSCRLStale deny", ": take one of the two out");
    d.is_silent_about("MTLSCRL required\n" + partner("MTLSCRL required") +
                          "<MTLSPartner q>\nMTLSIdentity DNS:q.example\nMTLSTrustAnchor acme.pem\nMTLSCRL required\n"
                          "</MTLSPartner>",
                      "already given");
    d.refuses(partner("MTLSCRLStale grace=never"), "expected deny, allow or grace=HOURS");
    d.refuses("MTLSRevocationFile", "expected FILE");
    d.refuses("<VirtualHost *:1>\nMTLSRevocationFile x\n</VirtualHost>", "cannot occur within <VirtualHost>");
    d.refuses("MTLSIdentity CN:x", "MTLSIdentity belongs inside <MTLSPartner NAME>");
    d.refuses(partner("MTLSIdentiy CN:x"), "did you mean 'MTLSIdentity'?");
    d.refuses(partner("MTLSIdentity DSN:x.example.org"), "did you mean 'DNS'?");
    d.refuses(partner("MTLSIdentity CN:x anchor=acme.pen"), "did you mean 'acme.pem'?");
    d.refuses("MTLSTrustAnchor acme.pem\n<MTLSPartner p>\nMTLSIdentity any\n</MTLSPartner>",
              "needs an MTLSTrustAnchor of this partner's own");
    d.refuses("<MTLSPartner p>\nMTLSIdentity any\nMTLSTrustAnchor mod_ssl\n</MTLSPartner>", "'any' cannot stand with");
    d.refuses(partner("MTLSValid from=2027-01-01\nMTLSValid until=2028-01-01"), "MTLSValid: already given at ");
    d.refuses(partner("MTLSValid until=2027-02-30"), "is not a date");
    d.refuses(partner("MTLSAttribute a b\nMTLSAttribute A c"), "'A' is already given at ");
    d.refuses(partner("MTLSSuspend"), "expected On");
    d.refuses(partner("MTLSGroup if CN:x"), "expected NAME...");
    const auto out = d.check(partner("MTLSIdentity !CN:x"));
    CHECK_CONTAINS(out.text, "expected at least one selector without '!'");
    CHECK_CONTAINS(out.text, "httpd.conf:");
}

namespace {

// httpd as a daemon: nobody reads its standard error.
class Daemon {
public:
    Draft draft;
    explicit Daemon(const std::string& lines) {
        draft.httpd.configure(lines);
        CHECK_EQUAL(draft.httpd.run({"-k", "start"}).status, 0);
        CHECK(draft.httpd.wait_for_log("mtls_authz: generation "));
    }
    ~Daemon() { draft.httpd.run({"-k", "stop"}); }
    int times(const std::string& part) const {
        const std::string log = draft.httpd.error_log();
        int out = 0;
        for (std::size_t at = log.find(part); at != std::string::npos; at = log.find(part, at + 1)) ++out;
        return out;
    }
};

}  // namespace

CLAIM(what_a_start_finds_is_in_the_error_log_once) {
    Draft files;
    files.httpd.write("page.crl", "<html>not found</html>\n");
    files.httpd.write("list.conf", "MTLSRevoke DSN:x\n");
    const Daemon odd("MTLSCRLFile " + files.httpd.path("*.crl") + "\nMTLSRevocationFile " +
                     files.httpd.path("list.conf") + "\n" + partner("MTLSIdentity subject:C=US,CN=x") +
                     location("/x", "MTLSAllow partner p\nMTLSAuthz LogOnly"));
    for (const char* part :
         {"page.crl: warning: ", "list.conf:1: warning: ", "subject:CN=x,C=US", "MTLSAuthz LogOnly: "}) {
        test::check_equal(odd.times(part), 1, part, __FILE__, __LINE__);
    }
    const Daemon clean(partner("") + location("/x", "MTLSAllow partner p"));
    CHECK_EQUAL(clean.times("warning: "), 0);
}

CLAIM(a_senseless_gate_stops_the_start_and_says_where) {
    Draft d;
    d.refuses(location("/x", "MTLSAllow"), "expected any-partner, by-grant, none, partner NAME... or group NAME...");
    d.refuses(location("/x", "MTLSAllow patner acme"), "did you mean 'partner'?");
    d.refuses(location("/x", "MTLSAllow any-partner methods=GET, POST"),
              "the methods are one word: write 'methods=GET,POST', without blanks");
    d.refuses(location("/x", "MTLSAllow any-partner methods=get"), "did you mean 'GET'?");
    d.refuses(location("/x", "MTLSAllow any-partner methods=GTE"), "is no method");
    d.refuses(location("/x", "MTLSAllow partner acme GET"), "is a method, not a name");
    d.refuses(location("/x", "MTLSAllow methods=GET partner acme"), "methods=");
    d.refuses(location("/x", "MTLSAllow none\nMTLSAllow partner acme"),
              "'none' stands alone in its section, but this line has 'partner acme' and ");
    d.refuses(location("/x", "MTLSAllow partner acme\nMTLSAllow none"), " has 'partner acme': take one of the two out");
    d.refuses(location("/x", "MTLSAllow partner %{HTTP:X-Partner}"), "can be forged");
    d.refuses(location("/x", "MTLSAllow partner %{QUERY_STRING}"), "can be forged");
    d.refuses(location("/x", "MTLSAllow partner %{env:FOO}"), "can be forged");
    d.refuses(location("/x", "MTLSAuthz Maybe"), "expected On, LogOnly or Off");
    d.refuses(location("/x", "MTLSEnv Some"), "expected Basic or All");
    d.refuses("<AuthzProviderAlias mtls-partner only-p p>\n</AuthzProviderAlias>\n", "cannot have an alias");
    d.refuses(location("/x", "<Limit GET>\nMTLSAllow any-partner\n</Limit>"), "Limit");
    d.refuses(partner("") + location("/x", "MTLSAllow any-partner\nMTLSDeny partner q"),
              "there is no partner 'q' (did you mean 'p'?): it denies everybody until there is one; mend the name, or");
    d.refuses(partner("") + location("/x", "MTLSAllow any-partner\nMTLSDeny any-partner"), "expected partner NAME");
    d.refuses(location("/x", "Require mtls-partner"), "expected NAME...");
    d.refuses(location("/x", "Require mtls-identity !CN:x"), "without '!'");
    // A later, shorter section that lets in more; the narrower one is only a warning.
    d.refuses(partner("") + location("/x/y", "MTLSAllow partner p") + location("/x", "MTLSAllow any-partner"),
              "replaces the gate of <Location /x/y>");
    d.refuses(partner("") + location("/x/", "MTLSAllow partner p") + location("/x", "MTLSAllow any-partner"),
              "replaces the gate of <Location /x/>");
    d.refuses(partner("") + location("/x/y", "MTLSAllow partner p") + location("/", "MTLSAuthz Off"),
              "replaces the gate of");
    d.httpd.write("htdocs/.htaccess", "MTLSAllow any-partner\n");
}

CLAIM(a_second_line_of_what_is_one_is_no_silent_replacement) {
    Draft d;
    const std::string forward = "MTLSForward partner=X-A cert=rfc9440\n";
    for (const char* second : {"MTLSForward partner=X-B", "MTLSForward Off"})
        d.refuses(location("/x", forward + second), "MTLSForward: already given at ");
    d.refuses(forward + forward, "name all on one line");
    d.refuses("MTLSEventCmd bin/true\nMTLSEventCmd bin/false", "MTLSEventCmd: already given at ");
    d.refuses("MTLSFetchUser daemon\nMTLSFetchUser nobody", "MTLSFetchUser: already given at ");
    // The same section again, another one, and a file that each host includes.
    d.httpd.write("forward.conf", forward);
    const std::string include = "Include " + d.httpd.path("forward.conf") + "\n";
    d.is_silent_about(location("/x", forward) + location("/x", forward) + location("/y", forward), "already given");
    d.is_silent_about(include + "<VirtualHost *:1>\n" + include + location("/x", include) +
                          "</VirtualHost>\n<VirtualHost *:2>\n" + include + "</VirtualHost>\n",
                      "already given");
}

CLAIM(what_has_one_value_counts_as_written_last) {
    Site site;
    site.start(location("/gate/on", "MTLSAllow partner acme\nMTLSAuthz Off\nMTLSAuthz On") +
               location("/gate/off", "MTLSAllow partner acme\nMTLSAuthz On\nMTLSAuthz Off"));
    CHECK_EQUAL(site.get(&world().globex, "/gate/on/x").status, 403);
    CHECK_EQUAL(site.get(&world().globex, "/gate/off/x").status, 200);
}

CLAIM(a_tunnel_past_the_gates_is_warned_of) {
    Draft d;
    d.httpd.load("proxy");
    d.httpd.load("proxy_http");
    const std::string gate = partner("") + location("/x", "MTLSAllow partner p");
    const std::string pass = "ProxyPass / http://127.0.0.1:1/ ", said = "write upgrade=websocket";
    d.warns(gate + pass + "upgrade=ANY\n", "ProxyPass with upgrade=ANY beside gates: ");
    for (const char* list : {"h2c", "websocket,h2c", "websocket,Any"}) {
        d.warns(gate + pass + "upgrade=" + list + "\n", said);
    }
    d.is_silent_about(gate + pass + "upgrade=websocket\n", said);
    d.is_silent_about(gate + pass + "\n", said);
    d.is_silent_about(partner("") + pass + "upgrade=ANY\n", said);
    // The virtual host inherits the line.
    d.httpd.set_vhost_lines(location("/x", "MTLSAllow partner p"));
    d.warns(partner("") + pass + "upgrade=ANY\n", said);
}

CLAIM(a_tunnel_that_no_backend_has_agreed_to_is_warned_of) {
    const std::string gate = partner("") + location("/x", "MTLSAllow partner p");
    const std::string off = "ProxyWebsocketFallbackToProxyHttp Off\n", to = "ws://127.0.0.1:1/";
    const std::string said = " to a WebSocket beside gates: ", pass = "ProxyPass /ws " + to + "\n";
    Draft alone;
    for (const char* module : {"proxy", "proxy_wstunnel"}) alone.httpd.load(module);
    alone.warns(gate + pass, "load mod_proxy_http, and leave ProxyWebsocketFallbackToProxyHttp On");
    alone.is_silent_about(gate + "ProxyPass /ws http://127.0.0.1:1/\n", said);
    Draft d;
    for (const char* module :
         {"proxy", "proxy_http", "proxy_wstunnel", "proxy_balancer", "slotmem_shm", "lbmethod_byrequests", "rewrite"}) {
        d.httpd.load(module);
    }
    for (const std::string& line :
         {pass, std::string("ProxyPass /ws \"unix:/run/a.sock|WSS://localhost/\"\n"),
          "ProxyPassMatch ^/ws(.*) " + to + "$1\n", location("/ws", "ProxyPass " + to),
          location("/ws", "SetHandler \"proxy:" + to + "\""),
          "ProxyPass /ws balancer://b/\n<Proxy balancer://b>\nBalancerMember " + to + "\n</Proxy>\n",
          "RewriteEngine On\nRewriteRule ^/ws(.*) " + to + "$1 \"[L, P]\"\n"}) {
        d.warns(gate + off + line, said);
        d.is_silent_about(gate + line, said);
        d.is_silent_about(gate + "ProxyWebsocketFallbackToProxyHttp On\n" + line, said);
        d.is_silent_about(partner("") + off + line, said);
    }
    d.warns(gate + location("/ws", off + "ProxyPass " + to), said);
    d.is_silent_about(gate + off + "RewriteEngine On\nRewriteRule ^/ws(.*) " + to + "$1 [R,L]\n", said);
    d.is_silent_about(gate + off + "ProxyPass /news http://127.0.0.1:1/news://x\n", said);
    d.is_silent_about(gate + off + "ProxyPassReverse /ws " + to + "\n", said);
    d.httpd.set_vhost_lines(location("/x", "MTLSAllow partner p") + off);
    d.warns(partner("") + pass, said);
}

CLAIM(what_is_suspicious_is_warned_of_with_its_place) {
    Draft d;
    d.warns(partner("") + location("/x/y", "MTLSAllow any-partner") + location("/x", "MTLSAllow partner p"),
            "replaces the gate of <Location /x/y>");
    d.is_silent_about(partner("") + location("/x", "MTLSAllow partner p") + location("/x/y", "MTLSAllow any-partner"),
                      "replaces");
    d.is_silent_about(partner("") + location("/x", "MTLSAllow partner p") + location("/x/", "MTLSAllow any-partner"),
                      "replaces");
    d.warns(partner("") + location("/x", "MTLSAllow partner q"), "there is no partner 'q' (did you mean 'p'?)");
    d.warns(partner("") + location("/x", "MTLSAllow group nobody"), "there is no group 'nobody': it lets nobody in");
    d.warns(partner("") + location("/x", "MTLSAllow any-partner\nMTLSDeny group nobody"),
            "there is no group 'nobody': it denies nobody until there is one; mend the name, or take the line out");
    d.warns(partner("") + location("/x", "MTLSAllow partner p\nMTLSAuthz LogOnly"),
            "<Location /x> lets everybody through");
    d.warns(partner("MTLSIdentity subject:C=US,O=Acme,CN=api"), "\"subject:CN=api,O=Acme,C=US\"");
    d.is_silent_about(partner("MTLSIdentity subject:CN=api,O=Acme,C=US"), "reverse");
    d.warns("MTLSSuspend ghost note=gone\n" + partner(""), "there is no partner 'ghost'");
    d.httpd.write("sub.pem", world().acme_sub.cert_pem());
    d.warns(partner("") + "<MTLSPartner sub>\nMTLSIdentity any\nMTLSTrustAnchor sub.pem\n</MTLSPartner>",
            "stands below an anchor of p");
    d.warns(partner("") + "LoadModule cache_module " + httpd_paths().modules + "/mod_cache.so\nCacheEnable disk /\n" +
                location("/x", "MTLSAllow partner p"),
            "CacheEnable beside gates");
    d.warns(partner("") + "ErrorDocument 403 /x/denied.html\n" + location("/x", "MTLSAllow partner p"),
            "whoever is denied cannot read it");
    d.is_silent_about(partner("") + "ErrorDocument 403 /x/denied.html\n" + location("/x", "MTLSAllow partner p") +
                          location("/x/denied.html", "MTLSAuthz Off"),
                      "whoever is denied");
    d.warns(
        partner("") + "<LocationMatch \"/p/(?<NAME>[^/]+)/\">\nMTLSAllow partner %{env:MATCH_NAME}\n</LocationMatch>",
        "not anchored");
    d.warns(partner("") +
                "<LocationMatch \"^/p/(?<NAME>[^/]+)/|/q/(?<NAME2>.)\">\nMTLSAllow partner %{env:MATCH_NAME}\n"
                "</LocationMatch>",
            "not anchored");
    d.is_silent_about(partner("") +
                          "<LocationMatch \"(?i)^/p/(?<NAME>[^/]+)/\">\nMTLSAllow partner %{env:MATCH_NAME}\n"
                          "</LocationMatch>",
                      "not anchored");
    d.is_silent_about(partner("") +
                          "<LocationMatch \"^/p/(?<NAME>[^/|]+)/(a|b)|^/q/\">\n<If \"true\">\n"
                          "MTLSAllow partner %{env:MATCH_NAME}\n</If>\n</LocationMatch>",
                      "MATCH_NAME");
    d.warns(partner("") + location("/x", "MTLSAllow partner %{env:MATCH_NAME}"), "is not captured by this section");
    d.warns(
        partner("") + "<LocationMatch \"^/p/(?<OTHER>[^/]+)/\">\nMTLSDeny partner %{env:MATCH_NAME}\n</LocationMatch>",
        "is not captured by this section");
    d.httpd.set_tls_lines("SSLVerifyClient none");
    d.httpd.set_vhost_lines(location("/x", "MTLSAllow partner p"));
    d.warns(partner(""), "never asks for a certificate");
    d.httpd.set_tls_lines("SSLVerifyClient optional_no_ca");
    d.warns(partner(""), "optional_no_ca");
}

CLAIM(dump_prints_the_policy_and_every_gate) {
    Draft d;
    d.httpd.configure(partner("MTLSGroup g if CN:x\nMTLSValid until=2030-01-01\nMTLSAttribute a \"b c\"") +
                      location("/x", "MTLSAllow partner p methods=read\nMTLSDeny group g"));
    const auto out = d.httpd.run({"-t", "-D", "DUMP_MTLS_POLICY"});
    CHECK_EQUAL(out.status, 0);
    for (const char* part : {"<MTLSPartner p>", "    MTLSIdentity DNS:p.example.org\n", "    MTLSGroup g if CN:x\n",
                             "    MTLSValid until=2030-01-01T23:59:59Z\n", "    MTLSAttribute a \"b c\"\n",
                             "# gate <Location /x> of the main server", "#     MTLSAllow partner p methods=read\n",
                             "#     MTLSDeny group g\n"}) {
        CHECK_CONTAINS(out.text, part);
    }
}

CLAIM(the_configurations_that_the_project_shows_are_accepted) {
    Draft d;
    const std::string ca = world().acme_ca.cert_pem();
    for (const char* name : {"acme-ca", "acme-ca-2", "acme-intermediate", "consortium-ca", "client-cas", "edge-ca"}) {
        d.httpd.write(std::string("mtls/") + name + ".pem", ca);
    }
    d.httpd.write("mtls/revoked/none.conf", "# nobody\n");
    d.httpd.write("mtls/crl/README", "empty on purpose\n");
    d.httpd.write("mtls/globex-ca.pem", world().globex_ca.cert_pem());
    d.httpd.write("mtls/initech.example.json", bundle_of(world().globex_ca));
    d.httpd.write("mtls/expect/acme-today.pem", world().acme.cert_pem());
    d.httpd.write("mtls/expect/stranger.pem", world().acme_from_stranger.cert_pem());
    d.httpd.write(
        "mtls/partners/initech.conf",
        "<MTLSPartner initech>\n    MTLSIdentity CN:initech\n    MTLSTrustAnchor mtls/acme-ca.pem\n</MTLSPartner>\n");
    d.httpd.write("mtls/server.pem", world().server.cert_pem());
    d.httpd.write("mtls/server.key", world().server.key_pem());
    for (const char* file : {"conf/mtls_authz.conf", "conf/reference.conf"}) {
        const auto out = d.check(file_text(file));
        test::check(out.status == 0, out.text, __FILE__, __LINE__);
    }
    const std::string readme = file_text("README.md");
    const std::size_t start = readme.find("<MTLSPartner", readme.find("```apache"));
    const auto out = d.check(readme.substr(start, readme.find("```", start) - start));
    test::check(out.status == 0 && out.text.find("mtls_authz:") == std::string::npos, out.text, __FILE__, __LINE__);
}

CLAIM(values_are_quoted_as_httpd_quotes_them) {
    // The same words, read by httpd's SetEnv and by the policy's own parser.
    const std::pair<const char*, const char*> words[] = {
        {"a", "plain"},         {"b", "\"two words\""}, {"c", "'single \"q\"'"}, {"d", "\"a \\\" b\""},
        {"e", "back\\\\slash"}, {"f", "\"x\\y\\\\z\""}, {"g", "a\"b"},           {"h", "\"\""}};
    std::string attributes, env, page;
    for (const auto& [name, value] : words) {
        attributes += std::string("MTLSAttribute ") + name + " " + value + "\n";
        env += std::string("SetEnv X_") + name + " " + value + "\n";
        page += std::string("<!--#if expr='%{env:MTLS_ATTR_") + name + "} == %{env:X_" + name +
                "}' -->same<!--#else -->DIFFERENT " + name + "<!--#endif -->";
    }
    Site site;
    site.httpd.write("htdocs/q/page.html", page);
    site.load("include").start(
        "<MTLSPartner quoting>\nMTLSIdentity CN:nobody\nMTLSTrustAnchor acme.pem\n" + attributes + "</MTLSPartner>\n" +
        env + location("/q", "Options +Includes\nSetOutputFilter INCLUDES\nMTLSAllow partner quoting"));
    CHECK_EQUAL(site.get(&world().unnamed, "/q/page.html").body, "samesamesamesamesamesamesamesame");
}

CLAIM(nothing_can_be_set_from_htaccess) {
    Site site;
    site.httpd.write("htdocs/own/.htaccess", "MTLSAuthz Off\n");
    site.httpd.write("htdocs/own/a.html", "a");
    site.httpd.write("htdocs/auth/.htaccess", "AuthType MTLS\nRequire valid-user\n");
    site.httpd.write("htdocs/auth/a.html", "a");
    site.start(location("/own", "MTLSAllow partner acme"));
    for (const char* path : {"/own/a.html", "/auth/a.html"}) {
        CHECK_EQUAL(site.get(&world().globex, path).status, 500);
        CHECK_EQUAL(site.get(&world().acme, path).status, 500);
    }
    CHECK(site.httpd.wait_for_log("AuthType MTLS: not allowed in .htaccess files"));
}

CLAIM(an_error_within_a_partner_is_told_at_its_own_line_once) {
    Draft d;
    const auto out = d.check("<MTLSPartner p>\nMTLSIdentity DNS:p.example.org\nMTLSTrustAnchor acme.pem\n" +
                             std::string("MTLSValid from=2027-01-01 until=2026-01-01\nMTLSGroup a/b\n</MTLSPartner>"));
    CHECK(out.status != 0);
    std::ifstream file(d.httpd.path("httpd.conf"));
    unsigned line = 0;
    for (std::string text; std::getline(file, text) && !text.starts_with("MTLSValid");) ++line;
    const std::string place = "on line " + std::to_string(line + 1) + " of " + d.httpd.path("httpd.conf") + ":";
    CHECK_CONTAINS(out.text, place);
    CHECK_CONTAINS(out.text, "\nMTLSValid: from=2027-01-01T00:00:00Z is later than until=2026-01-01T23:59:59Z");
    CHECK_CONTAINS(out.text, "; " + d.httpd.path("httpd.conf") + ":" + std::to_string(line + 2) + ": MTLSGroup: 'a/b'");
}

CLAIM(names_that_no_policy_has_are_warned_of_in_require_lines) {
    Draft d;
    const std::string policy = partner("MTLSGroup suppliers");
    d.warns(policy + location("/a", "Require mtls-partner q"),
            "warning: Require mtls-partner: there is no partner 'q' (did you mean 'p'?)");
    d.warns(policy + location("/a", "Require mtls-group supliers"),
            "there is no group 'supliers' (did you mean 'suppliers'?)");
    d.warns(policy + location("/a", "MTLSAllow group supliers"),
            "there is no group 'supliers' (did you mean 'suppliers'?)");
    d.is_silent_about(policy + location("/a", "Require mtls-partner p\nRequire mtls-group suppliers"), "there is no");
    d.refuses(policy + location("/a", "Require mtls-partner"), "expected NAME..., like mtls-partner acme");
    d.refuses(policy + location("/a", "Require mtls-group"), "expected NAME..., like mtls-group suppliers");
    d.refuses(policy + location("/a", "Require mtls-identity"), "expected SELECTOR..., like mtls-identity OU:Payments");
    d.refuses(policy + location("/a", "Require mtls-any-partner p"),
              "single partners are named by mtls-partner NAME...");
    d.refuses(policy + location("/a", "Require mtls-identity CN:two words"), "quote the whole: \"CN:two words\"");
}

CLAIM(a_refusal_that_a_slip_of_the_pen_makes_refuse_nobody_is_an_error) {
    Draft d;
    const std::string policy = partner("");
    d.refuses("MTLSRevoke \"CN:${NO_SUCH_NAME}\"\n" + policy, "MTLSRevoke: 'CN:${NO_SUCH_NAME}' holds ${");
    d.refuses("MTLSRevoke CN:globex, issuer.CN:Root\n" + policy, "MTLSRevoke: 'CN:globex,' ends with ','");
    d.refuses(policy + location("/a",
                                "<RequireAll>\nRequire mtls-any-partner\nRequire not mtls-identity CN:globex,\n"
                                "</RequireAll>"),
              "'CN:globex,' ends with ','");
    d.warns(policy + location("/a", "Require mtls-identity CN:globex,"),
            "warning: Require mtls-identity: 'CN:globex,' ends with ','");
    d.is_silent_about("Define NAME globex\nMTLSRevoke \"CN:${NAME}\" issuer.CN:Root\n" + policy, "holds ${");
    d.warns("MTLSRevocationFile revoked/*.cnf\nMTLSCRLFile htdocs/*.pem\n" + policy,
            "warning: MTLSCRLFile htdocs/*.pem: no file fits yet: no CRL is read from there");
}

CLAIM(a_comment_behind_a_directive_of_the_server_is_an_error) {
    Draft d;
    d.refuses(location("/a", "MTLSAllow acme"), "'acme' (did you mean 'partner acme'?): expected any-partner");
    for (const char* line : {"MTLSAllow any-partner", "MTLSDeny partner p", "MTLSForward", "MTLSAcceptFront none",
                             "Require mtls-partner p", "Require mtls-any-partner"}) {
        d.refuses(partner("") + location("/a", std::string(line) + " # x"), "'# x': a comment has a line of its own");
    }
    for (const char* line : {"MTLSPolicyFile p/*.conf", "MTLSRevocationFile r/*.conf", "MTLSAuditLog logs/a.log",
                             "MTLSEventCmd /bin/true"}) {
        d.refuses(std::string(line) + " # x", "'# x': a comment has a line of its own");
    }
}

CLAIM(a_status_page_that_everybody_may_see_is_warned_of) {
    const std::string warning = "sees the names and certificates of your partners";
    const std::string on = "SetHandler mtls-authz-status\nMTLSStatus On\n";
    Draft d;
    d.httpd.load("rewrite");
    for (const std::string& lines :
         {location("/s", on), location("/s", on + "Require all granted"), location("/s", on + "AuthType MTLS"),
          location("/s", on) + location("/other", "Require ip 127.0.0.1"),
          "MTLSStatus On\n" + location("/s", "SetHandler mtls-authz-status"),
          location("/s", on + "<RequireAny>\nRequire all granted\n</RequireAny>"),
          location("/s", on + "<RequireAny>\nRequire all granted\nRequire ip 10.0.0.1\n</RequireAny>"),
          location("/", "Require ip 127.0.0.1") + location("/s", on + "Require all granted"),
          location("/", "MTLSAllow partner p") + location("/s", on + "MTLSAuthz Off"),
          location("/s", on + "MTLSAllow partner p\nMTLSAuthz LogOnly"),
          std::string("MTLSStatus On\nAddHandler mtls-authz-status .page\n"),
          std::string("MTLSStatus On\nRewriteEngine On\nRewriteRule ^/m$ - [H=mtls-authz-status]\n")}) {
        d.warns(partner("") + lines, warning);
    }
    for (const std::string& lines :
         {location("/s", on + "Require ip 127.0.0.1"), location("/s", on + "Require all denied"),
          location("/s", on + "MTLSAllow partner p"), location("/", "Require ip 127.0.0.1") + location("/s", on),
          location("/s", on + "<RequireAll>\nRequire ip 127.0.0.1\n</RequireAll>"),
          "MTLSStatus On\n" + location("/s", "SetHandler mtls-authz-status\nRequire ip 127.0.0.1"),
          location("\"/\"", "Require ip 127.0.0.1") + location("\"/s\"", on),
          location("/", "Require ip 127.0.0.1") + location("/s", on + "AuthMerging And\nRequire all granted"),
          location("/s", on + "Require all granted") + location("/", "Require ip 127.0.0.1"),
          location("/", "Require ip 127.0.0.1") + location("/s", on + "MTLSAuthz Off"),
          "MTLSStatus On\nRewriteEngine On\nRewriteRule ^/m$ - [H=mtls-authz-status]\n" +
              location("/m", "Require ip 127.0.0.1"),
          location("/s", "SetHandler mtls-authz-status\nMTLSStatus Off"), std::string("MTLSStatus On\n")}) {
        d.is_silent_about(partner("") + lines, warning);
    }
}

CLAIM(an_audit_log_in_a_folder_that_is_missing_fails_the_test_and_says_how_to_make_it) {
    Draft d;
    d.refuses("MTLSAuditLog audit/deep/mtls.log",
              "MTLSAuditLog: cannot open 'audit/deep/mtls.log'; there is no folder '" + d.httpd.path("audit/deep") +
                  "': mkdir -p '" + d.httpd.path("audit/deep") + "'");
    // Said once, although virtual hosts inherit it.
    const std::string said =
        d.check("MTLSAuditLog no/a.log\n<VirtualHost *:1>\n</VirtualHost>\n<VirtualHost *:2>\n</VirtualHost>").text;
    const std::size_t first = said.find("cannot open");
    CHECK(first != std::string::npos && said.find("cannot open", first + 1) == std::string::npos);
    d.warns("MTLSAuditLog logs/mtls.log", "Syntax OK");
    d.warns("MTLSAuditLog \"|/bin/cat audit/deep/x\"", "Syntax OK");
}

CLAIM(an_audit_program_that_is_not_there_fails_the_test) {
    Draft d;
    for (const char* program : {"nosuchprog", "cat -u", "bin/rotatelogs"})
        d.refuses("MTLSAuditLog \"|" + std::string(program) + "\"", ": write its whole path, since httpd asks no PATH");
    d.refuses("MTLSAuditLog \"|/nowhere/cat\"", "there is no program '/nowhere/cat' that can be run");
    for (const char* program : {"|/bin/cat -u", "||/bin/cat", "|$cat -u"})
        d.is_silent_about("MTLSAuditLog \"" + std::string(program) + "\"", "cannot open");
}

CLAIM(an_audit_log_that_cannot_be_opened_fails_the_command_that_starts_the_server) {
    Draft d;
    d.refuses("MTLSAuditLog logs", "it is a folder: name a file in it");
    d.refuses("MTLSAuditLog \"|/nonexistent/program -x\"",
              "there is no program '/nonexistent/program' that can be run");
    d.is_silent_about("MTLSAuditLog \"|$/nonexistent/program -x\"", "cannot open");
    // What only opening it shows.
    std::filesystem::create_symlink("/nonexistent/x/y", d.httpd.path("logs/link.log"));
    d.httpd.configure("MTLSAuditLog logs/link.log\n");
    const auto out = d.httpd.run({"-k", "start"});
    test::check(out.status != 0, out.text, __FILE__, __LINE__);
    CHECK_CONTAINS(d.httpd.error_log(), "MTLSAuditLog: cannot open 'logs/link.log'");
}

CLAIM(auth_type_mtls_stands_beside_limits_and_not_within) {
    Draft d;
    const std::string said = "write it beside <Limit>";
    for (const auto& [begin, end] :
         {std::pair("<Limit GET>", "</Limit>"), std::pair("<LimitExcept GET>", "</LimitExcept>"),
          std::pair("<RequireAll>", "</RequireAll>")}) {
        d.refuses(location("/x", begin + std::string("\nAuthType MTLS\nRequire valid-user\n") + end), said);
    }
    d.is_silent_about(location("/x", "AuthType MTLS\n<Limit GET>\nRequire valid-user\n</Limit>"), said);
}

CLAIM(satisfy_any_beside_require_mtls_is_warned_of) {
    Draft d;
    d.httpd.load("access_compat");
    const std::string said = "Require mtls-* has to hold all the same", policy = partner("");
    const std::string lines = "Order deny,allow\nDeny from all\nAllow from 127.0.0.1\nSatisfy Any\n";
    d.warns(policy + location("/x", lines + "Require mtls-partner p"), said);
    d.is_silent_about(policy + location("/x", lines + "Require valid-user"), said);
    d.is_silent_about(policy + location("/x", "Require mtls-partner p"), said);
}
