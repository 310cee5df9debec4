// Partner and certificate reach the application only where they let the request in; a user that the module names is
// nobody's login.
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <sstream>

#include "claims.hpp"
#include "echo_backend.hpp"
#include "waiting.hpp"
#include "world.hpp"

using namespace test;

namespace {

// "user:secret" with a plain SHA-1, as htpasswd -s writes it.
constexpr const char* kUsers = "user:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";
constexpr const char* kPassword = "Authorization: Basic dXNlcjpzZWNyZXQ=\r\n";
constexpr const char* kBasic = "AuthType Basic\nAuthName here\nAuthUserFile users\n";
constexpr const char* kFails = "Require ip 10.0.0.0/8\n";
constexpr const char* kHolds = "Require ip 127.0.0.1\n";

std::string all(const std::string& lines) { return "<RequireAll>\n" + lines + "</RequireAll>\n"; }
std::string any(const std::string& lines) { return "<RequireAny>\n" + lines + "</RequireAny>\n"; }
std::string none(const std::string& lines) { return "<RequireNone>\n" + lines + "</RequireNone>\n"; }

struct Place {
    const char* name;
    std::string lines;
    const char* headers;
    const char* handed;  // the partner that the backend gets; "" for none, null where nothing is let in
};

}  // namespace

CLAIM(a_requirement_hands_over_only_where_it_lets_in) {
    const World& w = world();
    const std::string acme = "Require mtls-partner acme\n", granted = "Require all granted\n",
                      user = "Require valid-user\n", no_bob = "Require not user bob\n";
    const Place places[] = {
        {"alone", acme, "", "acme"},
        {"all", all(acme + kHolds), "", "acme"},
        {"first", any(acme + granted), "", "acme"},
        {"behind", any(kHolds + acme), "", ""},
        {"open", any(all(acme + kFails) + granted), "", ""},
        {"open-implicit", all(acme + kFails) + granted, "", ""},
        {"login", any(all(acme + kFails) + user), kPassword, ""},
        {"no-login", any(all(acme + kFails) + user), "", nullptr},
        {"by-branch", any(all(acme + kHolds) + user), "", "acme"},
        {"by-branch-with-login", any(all(acme + kHolds) + user), kPassword, "acme"},
        {"second", any(all(acme + kFails) + "Require mtls-any-partner\n"), "", "acme"},
        {"deep", any(all(any(acme + kFails) + any(all(kHolds) + kFails)) + granted), "", "acme"},
        {"deep-fails", any(all(any(acme + kHolds) + any(all(kFails) + kFails)) + granted), "", ""},
        {"both-needed", any(all(acme + user) + granted), "", ""},
        {"both-given", any(all(acme + user) + kFails), kPassword, "acme"},
        {"user-first", any(user + all(acme + kFails)), kPassword, ""},
        {"negated", all("Require not mtls-partner globex\n" + granted), "", ""},
        {"in-none", all(none("Require mtls-partner globex\n") + granted), "", ""},
        {"none-fails", any(all(none(acme) + granted) + kHolds), "", ""},
        {"none-beside", any(all(acme + none(kHolds)) + granted), "", ""},
        {"none-passes", any(all(acme + none(kFails)) + granted), "", "acme"},
        {"not-beside", any(all(acme + "Require not ip 127.0.0.1\n") + granted), "", ""},
        {"not-passes", any(all(acme + "Require not ip 10.0.0.1\n") + granted), "", "acme"},
        {"own-beside", any(all("Require mtls-any-partner\nRequire mtls-partner globex\n") + granted), "", ""},
        {"expression", any(all(acme + "Require expr \"%{REQUEST_URI} =~ m#never#\"\n") + granted), "", ""},
        {"alias-beside", any(all(acme + "Require elsewhere\n") + granted), "", ""},
        {"alias-passes", any(all(acme + "Require here\n") + granted), "", "acme"},
    };
    Site site;
    EchoBackend backend(site.httpd.next_port());
    site.httpd.write("users", kUsers);
    std::string lines =
        "<AuthzProviderAlias ip elsewhere 10.0.0.0/8>\n</AuthzProviderAlias>\n"
        "<AuthzProviderAlias ip here 127.0.0.1>\n</AuthzProviderAlias>\n"
        "MTLSForward cert=rfc9440 partner=X-Partner\nHeader set X-Told %{MTLS_PARTNER}e\n";
    for (const Place& place : places) lines += location(std::string("/") + place.name, kBasic + place.lines);
    const std::string pass = backend.pass("/");
    for (const char* module : {"auth_basic", "authn_file", "proxy", "proxy_http"}) site.load(module);
    site.vhost(pass).start(lines);
    for (const Place& place : places) {
        const Response r = site.get(&w.acme, std::string("/") + place.name + "/x", place.headers);
        test::check_equal(r.status / 100, place.handed == nullptr ? 4 : 2, place.name, __FILE__, __LINE__);
        if (place.handed == nullptr) continue;
        const bool is_handed = *place.handed != '\0';
        const auto has = [](const std::string& text, const std::string& part) {
            return text.find(part) != std::string::npos;
        };
        test::check_equal(has(r.body, "X-Partner: acme"), is_handed, place.name, __FILE__, __LINE__);
        test::check_equal(has(r.body, "Client-Cert:"), is_handed, place.name, __FILE__, __LINE__);
        test::check_equal(has(r.headers, "X-Told: acme"), is_handed, place.name, __FILE__, __LINE__);
    }
}

CLAIM(sections_that_are_merged_hand_over_only_where_the_requirement_lets_in) {
    const World& w = world();
    const std::string acme = "Require mtls-partner acme\n", granted = "Require all granted\n";
    struct Merged {
        const char* name;
        std::vector<std::string> sections;  // from the outermost on
        bool is_handed;
    };
    const Merged rows[] = {
        {"and", {acme, "AuthMerging And\n" + std::string(kHolds)}, true},
        {"and-later", {kHolds, "AuthMerging And\n" + acme}, true},
        {"or", {all(acme + kFails), "AuthMerging Or\n" + granted}, false},
        {"or-holds", {all(acme + kHolds), "AuthMerging Or\n" + granted}, true},
        {"or-later", {kFails, "AuthMerging Or\n" + acme}, true},
        {"replaced", {acme, granted}, false},
        {"and-or", {acme, "AuthMerging And\n" + std::string(kFails), "AuthMerging Or\n" + granted}, false},
    };
    Site site;
    std::string lines;
    const auto page_of = [](const Merged& row) {
        std::string folder = std::string("/") + row.name;
        for (std::size_t i = 1; i < row.sections.size(); ++i) folder += "/s";
        return folder + "/a.html";
    };
    for (const Merged& row : rows) {
        site.httpd.write("htdocs" + page_of(row), "x");
        std::string folder = site.httpd.path("htdocs/") + row.name;
        for (const std::string& section : row.sections) {
            lines += "<Directory \"" + folder + "\">\n" + section + "</Directory>\n";
            folder += "/s";
        }
    }
    // Merged in a file that anybody can write who writes pages.
    site.httpd.write("htdocs/htaccess/s/a.html", "x");
    site.httpd.write("htdocs/htaccess/s/.htaccess", "AuthMerging Or\nRequire all granted\n");
    lines += "<Directory \"" + site.httpd.path("htdocs/htaccess") + "\">\n" + all(acme + kFails) + "</Directory>\n";
    site.start(lines + "Header set X-Told %{MTLS_PARTNER}e\n");
    const auto is_handed = [&](const std::string& path) {
        const Response r = site.get(&w.acme, path);
        test::check_equal(r.status, 200, path, __FILE__, __LINE__);
        return r.headers.find("X-Told: acme") != std::string::npos;
    };
    for (const Merged& row : rows)
        test::check_equal(is_handed(page_of(row)), row.is_handed, row.name, __FILE__, __LINE__);
    CHECK(!is_handed("/htaccess/s/a.html"));
}

CLAIM(a_user_that_the_module_names_is_no_login_one_hop_later) {
    const World& w = world();
    Site site;
    site.httpd.write("users", kUsers);
    for (const char* name : {"index.html", "secret.html"}) site.httpd.write(std::string("htdocs/x/") + name, "SECRET");
    site.httpd.write("htdocs/x/open.html", "open");
    site.httpd.write("htdocs/x/p.shtml",
                     "[<!--#include virtual=\"/x/secret.html\" -->][<!--#include virtual=\"/x/open.html\" -->]");
    site.httpd.write("htdocs/x/file.shtml", "[<!--#include file=\"secret.html\" -->]");
    site.httpd.write("htdocs/x/page.act", "x");
    site.httpd.write("htdocs/x/neg.html.en", "SECRET");
    for (const char* module : {"auth_basic", "authn_file", "rewrite", "include", "actions", "negotiation"})
        site.load(module);
    site.start(
        "MTLSGrant read /x/ /x/jump /x/p.shtml /x/file.shtml /x/open.html /x/hop /x/missing /x/page.act /x/neg\n" +
        location("/x",
                 std::string(
                     "Options +FollowSymLinks +Includes +MultiViews\nAddOutputFilter INCLUDES .shtml\n"
                     "AcceptPathInfo On\nAddLanguage en .en\nErrorDocument 404 /x/secret.html\nAddHandler actor .act\n"
                     "Action actor /x/secret.html\nMTLSRemoteUser On\n"
                     "Header set X-User %{REMOTE_USER}e\nHeader set X-Told %{MTLS_PARTNER}e\n") +
                     kBasic + any("Require mtls-grant\nRequire valid-user\n")) +
        "<Directory \"" + site.httpd.path("htdocs/x") +
        "\">\nRewriteEngine on\nRewriteRule ^jump$ secret.html\nRewriteRule ^hop$ open.html\n"
        "DirectoryIndex index.html\n</Directory>\n");
    const auto body = [&site](const Identity* who, const std::string& path, const char* headers = "") {
        return site.get(who, path, headers).body;
    };
    CHECK_EQUAL(site.get(&w.acme, "/x/secret.html").status, 401);
    for (const char* path : {"/x/", "/x/jump", "/x/p.shtml", "/x/file.shtml", "/x/missing", "/x/page.act", "/x/neg"}) {
        test::check(body(&w.acme, path).find("SECRET") == std::string::npos, path, __FILE__, __LINE__);
        // With a login it is there.
        test::check(body(&w.acme, path, kPassword).find("SECRET") != std::string::npos, path, __FILE__, __LINE__);
        test::check(body(nullptr, path, kPassword).find("SECRET") != std::string::npos, path, __FILE__, __LINE__);
    }
    CHECK_EQUAL(body(&w.acme, "/x/hop"), "open");
    CHECK_EQUAL(body(&w.acme, "/x/open.html"), "open");
    CHECK_CONTAINS(body(&w.acme, "/x/p.shtml"), "open");
    // The folder was granted to the partner, its index to the user who logged in.
    const Response index = site.get(&w.acme, "/x/", kPassword);
    CHECK_EQUAL(index.body, "SECRET");
    CHECK(index.headers.find("X-Told: acme") == std::string::npos);
}

CLAIM(auth_type_mtls_authenticates_again_where_httpd_copies_its_user) {
    const World& w = world();
    Site site;
    site.httpd.write("htdocs/same/good.html", "a<!--#include virtual=\"/same/part.html\" -->z");
    site.httpd.write("htdocs/same/bad.html", "a<!--#include virtual=\"/same/p%01rt.html\" -->z");
    site.httpd.write("htdocs/same/part.html", "secret <!--#echo var=\"REMOTE_USER\" -->");
    site.httpd.write("htdocs/same/p\x01rt.html", "secret");
    site.load("include").start(
        location("/same", "Options +Includes\nSetOutputFilter INCLUDES\nAuthType MTLS\nRequire user acme"));
    CHECK_EQUAL(site.get(&w.acme, "/same/good.html").body, "asecret acmez");
    CHECK(site.get(&w.acme, "/same/bad.html").body.find("secret") == std::string::npos);
    CHECK_EQUAL(site.get(&w.globex, "/same/good.html").status, 403);
}

CLAIM(whom_auth_type_mtls_knows_and_httpd_keeps_out_gets_403_and_a_line) {
    const World& w = world();
    Site site;
    site.httpd.write("groups", "buyers: acme\n");
    site.httpd.write("users", kUsers);
    for (const char* module : {"authz_groupfile", "auth_basic", "authn_file"}) site.load(module);
    site.start("MTLSAuditLog logs/audit.log\n" + location("/gate/user", "AuthType MTLS\nRequire user acme") +
               location("/gate/group", "AuthType MTLS\nAuthGroupFile groups\nRequire group buyers") +
               location("/gate/expr", "AuthType MTLS\nRequire expr \"%{REMOTE_USER} == 'acme'\"") +
               location("/gate/basic", std::string(kBasic) + "Require user somebody-else"));
    for (const char* path : {"/gate/user/x", "/gate/group/x", "/gate/expr/x"}) {
        const Response r = site.get(&w.globex, path);
        test::check_equal(r.status, 403, path, __FILE__, __LINE__);
        test::check(r.headers.find("WWW-Authenticate") == std::string::npos, path, __FILE__, __LINE__);
        test::check_equal(site.get(&w.acme, path).status, 200, path, __FILE__, __LINE__);
    }
    const Response basic = site.get(&w.acme, "/gate/basic/x", kPassword);
    CHECK_EQUAL(basic.status, 401);
    CHECK_CONTAINS(basic.headers, "WWW-Authenticate: Basic");
    const auto text = [&site] { return file_text(site.httpd.path("logs/audit.log")); };
    const auto count = [&text] {
        const std::string lines = text();
        return static_cast<int>(std::count(lines.begin(), lines.end(), '\n'));
    };
    becomes(count, 6, "lines");
    std::istringstream lines(text());
    std::set<std::string> denied;
    for (std::string line; std::getline(lines, line);) {
        const auto entry = nlohmann::json::parse(line);
        if (entry["decision"] != "deny") continue;
        denied.insert(entry["path"].get<std::string>());
        CHECK_EQUAL(entry["reason"].get<std::string>(), "not-allowed");
        CHECK_EQUAL(entry["claimed"].get<std::string>(), "globex");
        CHECK_EQUAL(entry["status"].get<int>(), 403);
    }
    CHECK_EQUAL(denied.size(), 3U);
}
