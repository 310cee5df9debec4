// What a start says of gates that other sections replace, and of those that cover less than they seem to.
#include "config_draft.hpp"

using namespace test;

namespace {

const std::string kPartner = partner_p("");
const std::string kNarrow = "MTLSAllow partner p", kAny = "MTLSAllow any-partner", kOff = "MTLSAuthz Off";

std::string section(const std::string& kind, const std::string& of, const std::string& lines) {
    return "<" + kind + " " + of + ">\n" + lines + "\n</" + kind + ">\n";
}

}  // namespace

CLAIM(a_directorys_gate_that_a_location_replaces_is_warned_of) {
    Draft d;
    const auto folder = [&](const std::string& name) {
        return "<Directory \"" + d.httpd.path(name) + "\">\nMTLSAllow partner p\n</Directory>\n";
    };
    const std::string any = "MTLSAllow any-partner", said = " are not asked";
    const std::string below = kPartner + folder("htdocs/x");
    d.warns(below + location("/", any), "htdocs/x/> are not asked: <Location /> at ");
    d.warns(below + location("/x", any), "htdocs/x/> are not asked at /x: <Location /x> at ");
    d.warns(below + location("/", "MTLSAuthz Off"), "replaces them with 'MTLSAuthz Off'");
    d.warns(kPartner + folder("htdocs") + location("/", any), said);
    d.warns(kPartner + folder("elsewhere") + location("/", any), said);
    d.warns(kPartner + "<DirectoryMatch x>\nMTLSAllow partner p\n</DirectoryMatch>\n" + location("/", any), said);
    d.is_silent_about(below + location("/x/y", any), said);
    d.is_silent_about(below + location("/xy", any), said);
    d.is_silent_about(below + location("/", "MTLSDeny partner p"), said);
    d.is_silent_about(kPartner + folder("elsewhere") + location("/x", any), said);
    d.is_silent_about(below + "<Location /x>\nMTLSEnv All\n</Location>\n", said);
}

CLAIM(a_gate_that_a_later_wide_section_replaces_is_warned_of_whatever_its_pattern) {
    Draft d;
    d.httpd.load("proxy");
    d.httpd.load("proxy_http");
    const auto section = [](const std::string& kind, const std::string& of, const std::string& lines) {
        return "<" + kind + " " + of + ">\n" + lines + "\n</" + kind + ">\n";
    };
    const std::string narrow = "MTLSAllow partner p", any = "MTLSAllow any-partner";
    const std::string wide = location("/", any), said = "replaces the gate of ";
    for (const auto& [kind, of] : {std::pair("LocationMatch", "^/admin"), std::pair("Location", "~ ^/admin"),
                                   std::pair("Location", "/adm*"), std::pair("LocationMatch", "secret$")}) {
        const std::string gate = section(kind, of, narrow);
        d.warns(kPartner + gate + wide, said);
        d.is_silent_about(kPartner + wide + gate, said);
        d.is_silent_about(kPartner + gate + location("/other", any), said);
        d.is_silent_about(kPartner + gate + location("/", narrow), said);
    }
    for (const auto& [kind, of] : {std::pair("Files", "secret.html"), std::pair("FilesMatch", "^secret"),
                                   std::pair("Proxy", "http://127.0.0.1:1/admin")}) {
        const std::string gate = section(kind, of, narrow);
        d.warns(kPartner + gate + wide, " are not asked: <Location /> at ");
        d.is_silent_about(kPartner + gate + location("/other", any), " are not asked");
    }
    const std::string gate = kPartner + location("/admin", narrow);
    d.warns(gate + section("LocationMatch", "^/", any), said + "<Location /admin>");
    d.is_silent_about(gate + section("LocationMatch", "\"^/.*[.]gif$\"", any), said);
    d.warns(gate + section("If", "\"true\"", any), "put these rules into a <Location /> before that one");
    d.is_silent_about(gate + section("If", "\"-R '192.0.2.1'\"", any), said);
}

CLAIM(a_gate_that_no_path_can_meet_is_warned_of) {
    Draft d;
    for (const auto& [path, message] :
         {std::pair("\"/My%20Files\"", "write the character instead of '%20'"), std::pair("/adm//x", "merges slashes"),
          std::pair("/adm/./x", "removes '.'"), std::pair("/adm/..", "removes '.'"), std::pair("adm", "begin with '/'"),
          std::pair("/adm?q=1", "look at the query in an <If>")}) {
        d.warns(kPartner + location(path, "MTLSAllow partner p"), message);
        d.warns(kPartner + location(path, "Require mtls-partner p"), " never applies: ");
    }
    for (const char* path :
         {"\"/My Files\"", "/adm/x", "/a%2fb", "/100%", "/w?ld/*/x", "/a..b/.well-known", "/adm;v=1", "\"*\""}) {
        d.is_silent_about(kPartner + location(path, "MTLSAllow partner p"), " never applies");
    }
}

CLAIM(a_gate_of_a_whole_url_is_warned_of_unless_a_forward_proxy_takes_urls) {
    Draft d;
    d.httpd.load("proxy");
    const std::string never = " never applies: ", proxy = "ProxyRequests On\n";
    for (const auto& [kind, url, instead] :
         {std::tuple{"Location", "https://www.example.com/admin", "write /admin, in the <VirtualHost> of that name"},
          std::tuple{"Location", "http://www.example.com", "write /, in the <VirtualHost>"},
          std::tuple{"Location", "www.example.com:443", "paths begin with '/'"},
          std::tuple{"LocationMatch", "^https?://www[.]example[.]com/admin", "write '^/', and the path behind it"},
          std::tuple{"LocationMatch", "https://www[.]example[.]com/admin", "write '^/', and the path behind it"}}) {
        const std::string gate = section(kind, "\"" + std::string(url) + "\"", kNarrow);
        d.warns(kPartner + gate, never);
        d.warns(kPartner + gate, instead);
        d.is_silent_about(kPartner + proxy + gate, never);
        d.warns(kPartner + "ProxyRequests Off\n" + gate, never);
    }
}

CLAIM(a_gate_of_a_pattern_that_no_path_can_begin_as_is_warned_of) {
    Draft d;
    const auto gate = [](const std::string& regex) { return section("LocationMatch", "\"" + regex + "\"", kNarrow); };
    const std::string never = " never applies: ", begin = "it fits the beginning of the path, which is always a '/'";
    d.warns(kPartner + gate("^admin/"), "write <LocationMatch \"^/admin/\">");
    d.warns(kPartner + section("Location", "~ \"^admin\"", kNarrow), never + begin);
    for (const char* regex :
         {"^(admin|files)/", "^(?:admin)(/|$)", "^admin|^files", "(^admin|^files)/", "^[a-z]+/admin", "^[^/]+/admin",
          "(?i)^admin", "^(?<P>acme|globex)/", "^\\.well-known", "\\Aadmin"}) {
        d.warns(kPartner + gate(regex), never + begin);
    }
    for (const auto& [regex, message] :
         {std::pair("^/my%20files", "write the character instead of '%20'"), std::pair("^/adm//x", "merges slashes"),
          std::pair("^/adm/\\.\\./x", "removes '.'"), std::pair("^/adm\\?q=1", "look at the query in an <If>")}) {
        d.warns(kPartner + gate(regex), message);
    }
    for (const char* regex : {"admin",       "^/admin",      "^(/admin|/files)", "^(admin|/files)", "^admin|files",
                              "^.admin",     "^[/a]dmin",    "^[!-z]admin",      "^[^a]admin",      "^a?/admin",
                              "^(a)?/admin", "^a*/",         "^a{0,1}/",         "(?i)^/admin",     "(a|^)/x",
                              "^$",          "^\\W",         "^(?=/)",           "^\\/admin",       "^/a/\\.well-known",
                              "^/a/\\.",     "^/my%2[0-9]x", "^/100%",           "^[*]$",           "^\\*$",
                              "^(?!x)y"}) {
        d.is_silent_about(kPartner + gate(regex), never);
    }
    for (const char* regex : {"(https://[^/]+)?/adm", "https://?adm", "https://a|adm"})
        d.is_silent_about(kPartner + gate(regex), never);
    d.is_silent_about("MergeSlashes Off\n" + kPartner + gate("^/adm//x"), never);
    d.is_silent_about("RegexDefaultOptions ICASE\n" + kPartner + gate("^admin"), never);
}

CLAIM(the_rules_of_a_server_itself_that_a_section_replaces_are_warned_of) {
    Draft d;
    const std::string host = "the rules of the virtual host itself are not asked";
    d.httpd.set_vhost_lines(kNarrow + "\n");
    d.warns(kPartner + location("/", kAny), host + ": <Location /> at ");
    d.warns(kPartner + location("/", kOff), "is merged after them, and replaces them with 'MTLSAuthz Off'");
    d.warns(kPartner + section("Directory", "/", kAny), host + " where files are served: <Directory /> at ");
    d.is_silent_about(kPartner + location("/x", kAny), host);
    d.is_silent_about(kPartner + location("/", kNarrow), host);
    d.is_silent_about(kPartner + kAny + "\n", host);
    d.httpd.set_vhost_lines(kNarrow + "\n" + location("/", kAny));
    d.warns(kPartner, host);
    d.httpd.set_vhost_lines(location("/", kAny));
    d.is_silent_about(kPartner + kNarrow + "\n", "are not asked");
}

CLAIM(a_gate_that_a_later_section_of_the_same_path_replaces_is_warned_of) {
    Draft d;
    const std::string said = "this later section replaces the gate of <Location /acme>",
                      gate = location("/acme", kNarrow);
    d.warns(kPartner + gate + location("/acme", kAny), said);
    d.warns(kPartner + gate + location("/acme", kOff + "\nMTLSErrorDetail On"), said);
    for (const auto& [kind, of] :
         {std::pair("Directory", d.httpd.path("htdocs")), std::pair("Files", std::string("*.key")),
          std::pair("LocationMatch", std::string("[.]key$"))}) {
        const std::string first = kPartner + section(kind, "\"" + of + "\"", kNarrow);
        d.warns(first + section(kind, "\"" + of + "\"", kAny), "this later section replaces the gate of <");
        d.is_silent_about(first + section(kind, "\"" + of + "x\"", kAny), "replaces the gate of <");
        d.is_silent_about(first + section(kind, "\"" + of + "\"", "MTLSDeny partner p"), "replaces the gate of <");
    }
    d.is_silent_about(kPartner + gate + location("/acme", kNarrow + " methods=read"), said);
    d.is_silent_about(kPartner + gate + location("/acme", "MTLSErrorDetail On"), said);
    d.is_silent_about(kPartner + location("/acme", kAny) + gate, said);
    // A virtual host's own section takes the place of the main server's.
    d.httpd.set_vhost_lines(location("/acme", kAny));
    d.is_silent_about(kPartner + gate, said);
}

CLAIM(a_gate_that_a_later_pattern_replaces_is_warned_of_as_far_as_the_pattern_is_plain) {
    Draft d;
    const std::string gate = kPartner + location("/acme/index.html", kNarrow), said = "replaces the gate of ";
    for (const char* regex : {"/", "^/acme/.*", "^/acme", "/acme.*$", "^/acme(/|$)", "^"}) {
        d.warns(gate + section("LocationMatch", "\"" + std::string(regex) + "\"", kAny), said);
    }
    d.warns(gate + location("\"/acme/*\"", kAny), said);
    for (const char* regex : {"^/acme/x", "[.]gif$", "^/acme$", "^/acme/index.html/(/|$)", "^/(acme|globex)$"}) {
        d.is_silent_about(gate + section("LocationMatch", "\"" + std::string(regex) + "\"", kAny), said);
    }
    for (const char* wildcards : {"\"/*\"", "\"/acme/*.gif\""})
        d.is_silent_about(gate + location(wildcards, kAny), said);
}

CLAIM(an_if_that_replaces_a_gate_below_its_location_is_warned_of) {
    Draft d;
    const auto outer = [](const std::string& rules) {
        return location("/acme", kNarrow + "\n<If \"%{REQUEST_METHOD} == 'GET'\">\n" + rules + "\n</If>");
    };
    const std::string below = location("/acme/x", kNarrow), said = "of <Location /acme> replaces the gate of ";
    d.warns(kPartner + outer(kAny) + below, said + "<Location /acme/x>");
    d.warns(kPartner + outer(kOff) + below, "with 'MTLSAuthz Off' where its condition holds");
    d.is_silent_about(kPartner + outer(kNarrow) + below, said);
    d.is_silent_about(kPartner + outer(kAny), said);
    d.is_silent_about(kPartner + outer(kAny) + location("/acmex", kNarrow), said);
}

CLAIM(rules_beside_an_off_are_warned_of) {
    Draft d;
    const std::string said = "the rules beside it are not asked";
    d.warns(kPartner + location("/x", kOff + "\n" + kNarrow), said);
    d.warns(kPartner + location("/x", kOff + "\nMTLSDeny partner p"), said);
    d.is_silent_about(kPartner + location("/x", kNarrow) + location("/x/y", kOff), said);
}

CLAIM(an_order_that_lets_in_nobody_more_stops_no_start) {
    Draft d;
    const std::string two = kPartner + "<MTLSPartner q>\nMTLSIdentity CN:q\nMTLSTrustAnchor acme.pem\n</MTLSPartner>\n";
    const std::string error = "(an error, since it lets in more than that one)";
    d.is_silent_about(
        two + location("/x/y", "MTLSAllow partner p\nMTLSAllow partner q") + location("/x", "MTLSAllow partner p q"),
        error);
    d.is_silent_about(
        two + location("/x/y", kNarrow + " methods=read\n" + kNarrow + " methods=write") + location("/x", kNarrow),
        error);
    d.is_silent_about(two + location("/x/y", "MTLSDeny partner q") + location("/x", kAny), "replaces the gate of ");
    d.refuses(two + location("/x/y", kNarrow + "\nMTLSAllow partner q methods=read") +
                  location("/x", "MTLSAllow partner p q"),
              error);
    d.refuses(two + location("/x/y", "MTLSDeny partner q") + location("/x", kOff), error);
}

CLAIM(a_wildcard_gate_that_leaves_open_what_is_below_is_warned_of) {
    Draft d;
    const std::string said = "covers no path below those that it fits";
    for (const auto& [path, instead] : {std::pair("/api/**", "\"^/api(/|$)\""), std::pair("/api/*", "\"^/api(/|$)\""),
                                        std::pair("/admin*", "\"^/admin\""), std::pair("/*", "\"^(/|$)\""),
                                        std::pair("/api/*/a.b", "\"^/api/[^/]*/a[.]b(/|$)\"")}) {
        const std::string quoted = "\"" + std::string(path) + "\"";
        d.warns(kPartner + location(quoted, kNarrow), said);
        d.warns(kPartner + location(quoted, "Require mtls-partner p"), "write <LocationMatch " + std::string(instead));
        d.is_silent_about(kPartner + location(quoted, kOff), said);
    }
    d.warns(kPartner + location("\"/api/v[12]\"", kNarrow), said);
    d.warns(kPartner + location("\"/api/v[12]\"", "Require mtls-partner p"),
            "write a <LocationMatch> that ends with (/|$)");
    d.is_silent_about(kPartner + location("/api", kNarrow), said);
    d.is_silent_about(kPartner + section("LocationMatch", "\"^/api/[^/]*\"", kNarrow), said);
    const std::string regex = "reads like a regular expression";
    d.warns(kPartner + location("\"/(api|orders)\"", kNarrow), "write <LocationMatch \"^/(api|orders)\">");
    d.warns(kPartner + location("\"/api|/orders\"", kNarrow), "write <LocationMatch \"^(/api|/orders)\">");
    d.warns(kPartner + location("\"/api/.*\"", kNarrow), regex);
    d.is_silent_about(kPartner + location("\"/files(1)\"", kNarrow), regex);
}

CLAIM(a_gate_that_leaves_open_the_folder_without_its_slash_is_warned_of) {
    Draft d;
    const std::string said = "does not cover the path without the '/' at its end";
    d.warns(kPartner + location("/admin/", kNarrow), said + ", which is behind no gate, and which a backend may serve");
    d.warns(kPartner + location("/admin/", kNarrow), "write <Location /admin>");
    const std::string captured = "\"^/partners/(?<P>[^/]+)/\"", allow = "MTLSAllow partner %{env:MATCH_P}";
    d.warns(kPartner + section("LocationMatch", captured, allow),
            "write <LocationMatch \"^/partners/(?<P>[^/]+)(/|$)\">");
    d.is_silent_about(kPartner + section("LocationMatch", "\"^/partners/(?<P>[^/]+)(/|$)\"", allow), said);
    for (const std::string& around :
         {location("/", kAny), location("/admin", kAny), kAny + "\n", section("LocationMatch", "^/adm", kAny)}) {
        d.is_silent_about(kPartner + around + location("/admin/", kNarrow), said);
    }
    d.is_silent_about(kPartner + location("/partners", kAny) + section("LocationMatch", captured, allow), said);
    d.is_silent_about(kPartner + location("/admin/", kOff), said);
    d.is_silent_about(kPartner + location("/", kNarrow), said);
    d.warns(kPartner + location("/admin", kOff) + location("/admin/", kNarrow), said);
    d.is_silent_about(kPartner + section("Directory", "/", kAny) + location("/admin/", kNarrow), said);
}

CLAIM(a_gate_of_files_or_folders_that_can_apply_to_none_is_warned_of) {
    Draft d;
    d.httpd.load("proxy");
    d.httpd.load("proxy_http");
    const std::string said = " never applies: ", folder = d.httpd.path("htdocs");
    for (const auto& [kind, of] :
         {std::pair("Files", std::string("admin/x.html")), std::pair("FilesMatch", std::string("^admin/")),
          std::pair("Directory", std::string("/admin-of-urls")), std::pair("Directory", folder + "/missing"),
          std::pair("Directory", std::string("htdocs")), std::pair("DirectoryMatch", std::string("^/admin-of-urls")),
          std::pair("Proxy", std::string("/admin")), std::pair("ProxyMatch", std::string("^/admin"))}) {
        d.warns(kPartner + section(kind, "\"" + of + "\"", kNarrow), said);
    }
    for (const auto& [kind, of] :
         {std::pair("Files", std::string("*.html")), std::pair("FilesMatch", std::string("[.](js|css)$")),
          std::pair("Directory", folder), std::pair("Directory", folder + "/*"),
          std::pair("Directory", std::string("/")), std::pair("DirectoryMatch", "^" + folder + "/"),
          std::pair("DirectoryMatch", std::string("/admin")),
          std::pair("Proxy", std::string("http://127.0.0.1:1/admin")), std::pair("Proxy", std::string("*"))}) {
        d.is_silent_about(kPartner + section(kind, "\"" + of + "\"", kNarrow), said);
    }
}

CLAIM(a_gate_of_a_backend_that_nothing_names_so_is_warned_of) {
    Draft d;
    for (const char* module :
         {"proxy", "proxy_http", "proxy_balancer", "slotmem_shm", "lbmethod_byrequests", "rewrite"})
        d.httpd.load(module);
    const std::string said = " never applies: ";
    const std::string balanced =
        "<Proxy \"balancer://c\">\nBalancerMember http://127.0.0.1:81\n</Proxy>\nProxyPass /x balancer://c/\n";
    const std::string rewritten = "RewriteEngine On\nRewriteRule ^/x/(.*) http://127.0.0.1:81/a/$1 [P]\n";
    const std::string socket = "ProxyPass /x \"unix:/s.sock|http://localhost/\"\n";
    const auto gate = [](const std::string& url) { return section("Proxy", "\"" + url + "\"", kNarrow); };
    d.warns(kPartner + socket + gate("unix:/s.sock|http://localhost/"), "write what follows '|'");
    d.warns(kPartner + balanced + gate("http://127.0.0.1:81"), "is compared with that of its balancer://");
    d.warns(kPartner + "ProxyPass /x http://LocalHost:81/\n" + gate("http://localhost:81/"), "letter by letter");
    d.warns(kPartner + "ProxyPass /x HTTP://localhost:81/\n" + gate("http://localhost:81/"), "letter by letter");
    d.is_silent_about(kPartner + socket + gate("http://localhost/"), said);
    d.is_silent_about(kPartner + balanced + gate("balancer://c"), said);
    d.is_silent_about(kPartner + "ProxyPass /x http://localhost:81/\n" + gate("http://localhost:81/"), said);
    d.is_silent_about(kPartner + rewritten + gate("http://127.0.0.1:81/a/b"), said);
    d.is_silent_about(kPartner + gate("http://127.0.0.1:81/"), said);
}

CLAIM(a_condition_on_what_a_gate_has_not_decided_yet_is_warned_of) {
    Draft d;
    const std::string said = "is asked before a gate sets MTLS_* variables";
    const std::string gate = kPartner + location("/", kNarrow);
    d.warns(gate + section("If", "\"%{reqenv:MTLS_PARTNER} == 'p'\"", "Require all denied"), said);
    d.is_silent_about(gate + section("If", "\"%{reqenv:MTLS_SITE} == 'p'\"", "Require all denied"), said);
    d.is_silent_about(gate + section("If", "\"%{reqenv:TENANT} == 'p'\"", "Require all denied"), said);
}

CLAIM(a_forward_proxy_that_no_gate_covers_is_warned_of) {
    Draft d;
    for (const char* module : {"proxy", "proxy_http"}) d.httpd.load(module);
    const std::string said = "ProxyRequests On beside gates", on = "ProxyRequests On\n";
    d.warns(kPartner + on + location("/", kNarrow), said);
    d.warns(kPartner + on + location("/", "Require mtls-partner p"), said);
    d.is_silent_about(kPartner + on + location("/", kNarrow) + section("Proxy", "\"*\"", kNarrow), said);
    d.is_silent_about(kPartner + on + kNarrow + "\n", said);
    d.is_silent_about(kPartner + on, said);
    d.is_silent_about(kPartner + "ProxyRequests Off\n" + location("/", kNarrow), said);
}

CLAIM(a_front_known_by_its_network_beside_the_proxy_protocol_is_warned_of) {
    Draft d;
    d.httpd.load("remoteip");
    const std::string said = "beside RemoteIPProxyProtocol On", on = "RemoteIPProxyProtocol On\n";
    const auto front = [&](const std::string& how) {
        return kPartner +
               "<MTLSPartner edge>\nMTLSIdentity CN:edge\nMTLSTrustAnchor acme.pem\nMTLSFront header=X-Cert "
               "format=der " +
               how + "\n</MTLSPartner>\n" + location("/x", "MTLSAcceptFront edge\nMTLSAllow partner p");
    };
    d.warns(on + front("network=10.0.0.0/24"), said);
    d.is_silent_about(front("network=10.0.0.0/24"), said);
    d.is_silent_about("RemoteIPProxyProtocol Off\n" + front("network=10.0.0.0/24"), said);
}

CLAIM(a_gate_on_a_part_of_a_repository_that_subversion_serves_whole_is_warned_of) {
    Draft d;
    d.httpd.load("dav");
    const std::string svn = d.httpd.load_dav_as_svn() + kPartner + location("/svn", "DAV svn"), said = "under /!svn/";
    d.warns(svn + location("/svn/p", kNarrow), "DAV svn in <Location /svn>, with <Location /svn/p> at ");
    d.warns(svn + location("/svn/p", kNarrow), "write AuthType MTLS there and AuthzSVNAccessFile");
    d.warns(svn + location("/svn/p", "Require mtls-partner p"), said);
    d.warns(svn + section("LocationMatch", "\"^/svn/(trunk|tags)/\"", kNarrow), said);
    for (const char* path : {"/svn", "/svn/", "/", "/svnx/p"}) d.is_silent_about(svn + location(path, kNarrow), said);
    d.is_silent_about(svn + location("/svn/p", "MTLSEnv All"), said);
    Draft files;
    files.httpd.load("dav");
    files.httpd.load("dav_fs");
    files.is_silent_about(kPartner + location("/svn", "DAV On") + location("/svn/p", kNarrow), said);
}

CLAIM(a_gate_that_no_certificate_reaches_in_its_virtual_host_is_warned_of) {
    Draft d;
    const auto host = [](const std::string& lines) {
        return "<VirtualHost 127.0.0.1:1>\nServerName plain.example\n" + lines + "</VirtualHost>\n";
    };
    const auto front = [](const std::string& more) {
        return "<MTLSPartner lb>\nMTLSIdentity CN:lb\nMTLSTrustAnchor acme.pem\nMTLSFront header=X-C format=der" +
               more + "\n</MTLSPartner>\n";
    };
    const std::string none = "the virtual host 'plain.example' has gates, but serves no TLS, so nobody can pass them",
                      asks = "SSLVerifyClient optional\n", gate = location("/x", kNarrow),
                      tls =
                          "SSLEngine on\nSSLCertificateFile server.pem\nSSLCertificateKeyFile server.pem\n"
                          "SSLCACertificateFile acme.pem\n";
    d.warns(kPartner + host(gate), none);
    d.warns(kPartner + host("SSLEngine off\n" + asks + gate), none);
    d.warns(kPartner + asks + host(gate), none);
    d.warns(kPartner + host(location("/x", "Require mtls-partner p")), none);
    d.is_silent_about(kPartner + host(""), "plain.example");
    d.is_silent_about(kPartner + host(location("/x", kOff)), "nobody can pass");
    d.is_silent_about(kPartner + host(tls + asks + gate), "nobody can pass");
    const std::string never = "the virtual host 'plain.example' has gates, but never asks for a certificate";
    d.warns(kPartner + host(tls + gate), never);
    d.is_silent_about(kPartner + host(tls + location("/x", kOff)), "nobody can pass");
    // A front is believed by its certificate, or by its address.
    const std::string by_certificate = front(""), by_address = front(" network=10.0.0.0/8"),
                      accepting = location("/x", kNarrow + "\nMTLSAcceptFront lb");
    d.warns(kPartner + by_certificate + host(accepting), none);
    d.warns(kPartner + by_certificate + host(tls + accepting), never);
    for (const std::string& lines : {std::string(), tls}) {
        d.is_silent_about(kPartner + by_address + host(lines + accepting), "nobody can pass");
        d.is_silent_about(kPartner + by_address + host(lines + "MTLSAcceptFront lb\n" + gate), "nobody can pass");
        d.warns(kPartner + by_address + host(lines + accepting + location("/y", kNarrow)), "nobody can pass");
        d.warns(kPartner + by_address + host(lines + gate), "nobody can pass");
    }
    // Those of the main server, where no virtual host has TLS.
    d.is_silent_about(kPartner + gate, "nobody can pass");
    d.httpd.set_tls_lines("SSLEngine off\nSSLVerifyClient optional\n");
    d.warns(kPartner + gate, "has gates, but serves no TLS, so nobody can pass them");
    d.is_silent_about(kPartner + by_address + accepting, "nobody can pass");
}

CLAIM(auth_merging_or_beside_lines_that_ask_for_partners_is_warned_of) {
    Draft d;
    const std::string warning = "AuthMerging Or: a request then passes by the Require lines of any section";
    const auto merged = [](const std::string& lines) { return location("/m/in", "AuthMerging Or\n" + lines); };
    d.warns(kPartner + merged("Require mtls-partner p\n"), warning);
    d.warns(kPartner + location("/m", "Require mtls-partner p\n") + merged("Require ip 127.0.0.1\n"), warning);
    d.warns(kPartner + location("/m", "AuthType MTLS\nAuthName x\nRequire valid-user\n") + merged("Require local\n"),
            warning);
    d.is_silent_about(kPartner + location("/m", "MTLSAllow partner p\n") + merged("Require local\n"), warning);
    d.is_silent_about(kPartner + location("/m/in", "AuthMerging And\nRequire mtls-partner p\n"), warning);
    // What the warning says.
    Site site;
    site.start(
        location("/m", "Require mtls-partner acme\n") + merged("Require mtls-group customers\n") +
        location("/n", "<RequireAny>\nRequire mtls-partner acme\nRequire mtls-group customers\n</RequireAny>\n"));
    CHECK(site.get(nullptr, "/m/in/x").status != 403);
    CHECK_EQUAL(site.get(nullptr, "/m/x").status, 403);
    CHECK_EQUAL(site.get(nullptr, "/n/x").status, 403);
}
