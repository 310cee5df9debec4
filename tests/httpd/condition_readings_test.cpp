// Conditions and requirements that depend on the path, for paths that a backend may read otherwise.
#include "claims.hpp"
#include "echo_backend.hpp"
#include "web_servers.hpp"
#include "world.hpp"

using namespace test;

namespace {

void answers(Site& site, const Identity* who, const std::string& path, int status) {
    check_equal(site.get(who, path).status, status, path, __FILE__, __LINE__);
}

// A FastCGI authorizer that refuses paths below /closed/.
class Authorizer {
public:
    Authorizer() : server_(answer, std::string("\1\4\0\1\0\0\0\0", 8)) {}
    std::string url() const { return "fcgi://127.0.0.1:" + std::to_string(server_.port()) + "/"; }

private:
    RawServer server_;

    static void answer(int socket, const std::string& request) {
        const bool is_closed = request.find("/closed/") != std::string::npos;
        const std::string text = is_closed ? "Status: 403 No\r\n\r\n" : "Status: 200 OK\r\n\r\n";
        const auto record = [](char type, const std::string& content) {
            return std::string("\1") + type + std::string("\0\1\0", 3) + static_cast<char>(content.size()) +
                   std::string(2, '\0') + content;
        };
        send_all(socket, record(6, text) + record(6, "") + record(3, std::string(8, '\0')));
    }
};

}  // namespace

CLAIM(a_condition_that_looks_a_path_up_ends_and_leads_around_no_gate) {
    const World& w = world();
    for (const char* condition :
         {"-U %{REQUEST_URI}", "! -U '/maintenance;on'", "-U '/pub;v=1/on'", "-U '/pub/a.txt'"}) {
        Site site;
        for (const char* name : {"a.txt", "a;b.txt"}) site.httpd.write("htdocs/pub/" + std::string(name), "public");
        site.start(location("/sec", "MTLSAllow partner acme") + "<If \"" + condition +
                   "\">\nErrorDocument 404 none\n</If>\n");
        for (const char* path : {"/pub/a.txt", "/pub/a;b.txt"}) answers(site, nullptr, path, 200);
        for (const char* path : {"/pub;v=1/a.txt", "/pub/a.txt;a;b%3bc"}) answers(site, nullptr, path, 404);
        for (const char* path : {"/sec/x", "/sec;/x", "/;/sec/x"}) answers(site, &w.globex, path, 403);
        answers(site, &w.acme, "/sec/x;v", 404);
        CHECK(site.httpd.error_log().find("Segmentation") == std::string::npos);
    }
    // A gate that depends on the answer.
    Site gated;
    for (const char* name : {"a.txt", "a;b.txt"}) gated.httpd.write("htdocs/pub/" + std::string(name), "public");
    gated.start("<If \"-U %{REQUEST_URI}\">\nMTLSAllow partner acme\n</If>\n");
    answers(gated, &w.acme, "/pub/a.txt", 200);
    for (const char* path : {"/pub/a.txt", "/pub/a;b.txt", "/pub/a.txt;x%3by"}) answers(gated, &w.globex, path, 403);
    // By the look-up's status the path itself is behind no gate, and its reading is.
    Site asked;
    asked.httpd.write("htdocs/pub/a.txt", "public");
    asked.start(location("/asks;v/pub;x", "Require all denied") +
                "<If \"%{IS_SUBREQ} == 'false' && -U '/asks;v%{REQUEST_URI}'\">\nMTLSAllow partner acme\n</If>\n");
    answers(asked, &w.acme, "/pub/a.txt", 200);
    answers(asked, &w.acme, "/pub/none", 404);
    for (const char* path : {"/pub/a.txt", "/pub;x/a.txt"}) answers(asked, &w.globex, path, 403);
}

CLAIM(requirements_that_depend_on_the_path_are_other_ones_for_another_reading) {
    const World& w = world();
    Site site;
    EchoBackend backend(site.httpd.next_port());
    for (const char* name : {"proxy", "proxy_http", "authz_user", "setenvif"}) site.load(name);
    site.vhost(backend.pass("/", " nocanon"));
    site.start(
        "<AuthzProviderAlias expr open-ended \"%{REQUEST_URI} =~ m#^/alias/open/#\">\n</AuthzProviderAlias>\n"
        "SetEnvIf Request_URI ^/env/open/ opened\n" +
        location("/x",
                 "<RequireAny>\nRequire expr \"%{REQUEST_URI} =~ m#^/x/open/#\"\nRequire mtls-partner "
                 "acme\n</RequireAny>") +
        location("/env", "<RequireAny>\nRequire env opened\nRequire mtls-partner acme\n</RequireAny>") +
        location("/alias", "<RequireAny>\nRequire open-ended\nRequire mtls-partner acme\n</RequireAny>") +
        "<LocationMatch \"^/u/(?<WHO>[^/;]+)/\">\nAuthType MTLS\nRequire user %{env:MATCH_WHO}\n</LocationMatch>\n" +
        location("/not",
                 "AuthType MTLS\n<RequireAll>\nRequire not expr \"%{REQUEST_URI} =~ m#^/not/closed/#\"\nRequire user "
                 "acme\n</RequireAll>") +
        location("/split", "AuthType MTLS") +
        "<LocationMatch \"^/split/\">\nRequire expr \"%{REQUEST_URI} =~ m#^/split/open/#\"\n</LocationMatch>\n" +
        location("/plain", "<RequireAny>\nRequire ip 192.0.2.1\nRequire mtls-partner acme\n</RequireAny>"));
    for (const char* root : {"/x", "/env", "/alias"}) {
        const std::string at = root;
        answers(site, nullptr, at + "/closed/../open/x", 403);
        answers(site, nullptr, at + "/closed%2f../open/x", 404);
        answers(site, nullptr, at + "/open/x", 200);
        answers(site, nullptr, at + "/closed/x", 403);
        answers(site, &w.acme, at + "/closed/x", 200);
    }
    answers(site, &w.acme, "/u/globex/../acme/x", 403);
    answers(site, &w.acme, "/u/acme/x", 200);
    answers(site, &w.acme, "/u/globex/x", 403);
    answers(site, &w.globex, "/split/closed/../open/x", 403);
    answers(site, &w.globex, "/split/open/x", 200);
    answers(site, &w.acme, "/not/closed/../open/x", 403);
    // What does not depend on it is the same requirement.
    for (const char* path : {"/plain/x;v", "/plain/y/../x"}) answers(site, &w.acme, path, 200);
    answers(site, &w.globex, "/plain/x;v", 403);
}

CLAIM(a_requirement_that_is_not_httpds_own_is_another_one_for_another_reading) {
    const World& w = world();
    const Authorizer authorizer;
    Site site;
    EchoBackend backend(site.httpd.next_port());
    for (const char* name : {"proxy", "proxy_http", "authnz_fcgi", "lua"}) site.load(name);
    site.vhost(backend.pass("/"));
    site.httpd.write("open.lua",
                     "require 'apache2'\nfunction check(r)\n  if r.uri:find('/closed/') then\n    return "
                     "apache2.AUTHZ_DENIED\n  end\n  return apache2.AUTHZ_GRANTED\nend\n");
    const auto beside = [](const std::string& requirement) {
        return "<RequireAll>\nRequire mtls-partner acme\n" + requirement + "\n</RequireAll>\n";
    };
    site.start(
        "<AuthzProviderAlias expr dbm-group \"%{REQUEST_URI} !~ "
        "m#/closed/#\">\n</AuthzProviderAlias>\nAuthnzFcgiDefineProvider authz Paths " +
        authorizer.url() + "\nLuaAuthzProvider open " + site.httpd.path("open.lua") + " check\n" +
        location("/fcgi", "AuthType MTLS\n" + beside("Require Paths")) + location("/lua", beside("Require open")) +
        location("/alias", beside("Require dbm-group")) +
        location("/ssl", beside("") + "SSLRequire %{REQUEST_URI} !~ m#/closed/#") +
        location("/plain", beside("Require ip 127.0.0.1\nRequire method GET\nRequire ssl")));
    for (const std::string at : {"/fcgi", "/lua", "/alias", "/ssl"}) {
        answers(site, &w.acme, at + "/open/x", 200);
        answers(site, &w.globex, at + "/open/x", 403);
        answers(site, &w.acme, at + "/closed/x", 403);
        answers(site, &w.acme, at + "/closed;a/x", 403);
    }
    answers(site, &w.acme, "/plain/closed;a/x", 200);
}
