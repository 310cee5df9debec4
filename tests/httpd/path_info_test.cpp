// A program or a file, and what follows it in the path (PATH_INFO): a gate on it covers both.
#include <filesystem>

#include "claims.hpp"
#include "world.hpp"

using namespace test;

namespace {

struct Programs {
    Site site;
    explicit Programs(const std::string& gates, const std::string& vhost = "") {
        for (const char* folder : {"a", "b", "c", "d", "e", "f", "g"}) {
            const std::string file = std::string("htdocs/") + folder + "/keys.cgi";
            site.httpd.write(file, "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s' \"$PATH_INFO\"\n");
            std::filesystem::permissions(site.httpd.path(file),
                                         std::filesystem::perms::owner_exec | std::filesystem::perms::others_exec,
                                         std::filesystem::perm_options::add);
        }
        for (const char* name :
             {"cgi", "proxy", "proxy_fcgi", "proxy_http", "slotmem_shm", "proxy_balancer", "lbmethod_byrequests"})
            site.load(name);
        site.vhost(vhost + "ScriptAlias /mounted \"" + site.httpd.path("htdocs/b/keys.cgi") + "\"\n");
        site.start("<Directory \"" + site.httpd.path("htdocs") +
                   "\">\nOptions +ExecCGI\nAddHandler cgi-script .cgi\nAcceptPathInfo On\n</Directory>\n" + gates);
    }
    void answers(const Identity* who, const std::string& path, int status) {
        check_equal(site.get(who, path).status, status, path, __FILE__, __LINE__);
    }
};

std::string matching(const std::string& regex, const std::string& lines) {
    return "<LocationMatch \"" + regex + "\">\n" + lines + "\n</LocationMatch>\n";
}

const std::string kAcme = "MTLSAllow partner acme";

}  // namespace

CLAIM(what_follows_a_program_in_the_path_leads_around_no_gate_on_it) {
    const World& w = world();
    Programs p(matching("^/a/keys\\.cgi$", kAcme) + location("\"/b/*.cgi\"", kAcme) +
               "<If \"%{REQUEST_URI} =~ m#^/c/[^/]*[.]cgi$#\">\n" + kAcme + "\n</If>\n" +
               matching("^/d/.*\\.cgi$", "Require mtls-partner acme") + location("/e", "MTLSAllow any-partner") +
               matching("^/e/.*\\.cgi$", "MTLSDeny partner globex") + location("/f", kAcme) +
               matching("\\.css$", "MTLSAuthz Off") + location("/g", kAcme));
    for (const std::string folder : {"/a", "/b", "/c", "/d", "/e", "/f"}) {
        for (const char* rest : {"", "/", "/x", "/x/y", "/x.css"})
            p.answers(&w.globex, folder + "/keys.cgi" + rest, 403);
        p.answers(&w.acme, folder + "/keys.cgi", 200);
    }
    // Behind one gate with what follows it, and without.
    CHECK_EQUAL(p.site.get(&w.acme, "/g/keys.cgi/x").body, "/x");
    p.answers(&w.globex, "/g/keys.cgi/x", 403);
    CHECK(p.site.httpd.wait_for_log("'/a/keys.cgi' may serve it, which is behind <LocationMatch "));
}

CLAIM(a_gate_below_a_program_decides_what_it_names) {
    const World& w = world();
    Programs p(location("/a/keys.cgi", "MTLSAllow any-partner") + location("/a/keys.cgi/admin", kAcme) +
               matching("^/a/keys\\.cgi/of/(?<WHO>acme|globex)(/|$)", "MTLSAllow partner %{env:MATCH_WHO}") +
               location("/mounted", "MTLSAllow any-partner") + matching("/mounted/admin(/|$)", kAcme));
    p.answers(&w.globex, "/a/keys.cgi/x", 200);
    p.answers(&w.globex, "/a/keys.cgi/of/globex/x", 200);
    p.answers(&w.globex, "/a/keys.cgi/of/acme/x", 403);
    for (const std::string program : {"/a/keys.cgi", "/mounted"}) {
        p.answers(&w.globex, program + "/admin/x", 403);
        p.answers(&w.acme, program + "/admin/x", 200);
    }
}

CLAIM(a_program_that_a_backend_finds_in_the_path_is_read_as_the_path) {
    const World& w = world();
    Programs p(
        matching("^/(fcgi|socket|balancer|http)/run\\.php$", kAcme) + location("/fcgi/in", "MTLSAllow any-partner"),
        "ProxyPass /fcgi fcgi://127.0.0.1:1/app\nProxyPass /socket unix:/nowhere.sock|fcgi://localhost/app\n"
        "ProxyPass /balancer balancer://php/app\n<Proxy balancer://php>\nBalancerMember fcgi://127.0.0.1:1\n"
        "</Proxy>\nProxyPass /http http://127.0.0.1:1/app\n");
    for (const std::string by : {"/fcgi", "/socket", "/balancer"}) {
        p.answers(&w.globex, by + "/run.php/x", 403);
        p.answers(&w.acme, by + "/run.php", 503);
    }
    p.answers(&w.globex, "/fcgi/v1.2/x", 503);
    p.answers(&w.globex, "/fcgi/in/run.php/x", 503);
    p.answers(&w.globex, "/http/run.php/x", 503);
}

CLAIM(a_program_of_mod_actions_gives_no_file_that_its_client_may_not_ask_for) {
    const World& w = world();
    for (const std::string gate : {"<Location /docs/own>\nMTLSAllow partner globex\n</Location>\n",
                                   "<Directory ROOT/docs/own>\nMTLSAllow partner globex\n</Directory>\n",
                                   "<Directory ROOT/docs/own>\nRequire mtls-partner globex\n</Directory>\n",
                                   "<Location /docs/own>\nAuthType MTLS\nRequire user globex\n</Location>\n"}) {
        Site site;
        for (const char* name : {"cgi", "actions", "include", "authz_user"}) site.load(name);
        const std::string root = site.httpd.path("htdocs");
        site.httpd.write("htdocs/docs/own/a.md", "own");
        site.httpd.write("htdocs/docs/pub/a.md", "pub");
        site.httpd.write("htdocs/docs/page.shtml", "[<!--#include virtual=\"/run/show.cgi\" -->]");
        for (const char* name : {"show.cgi", "front.cgi"}) {
            const std::string file = "htdocs/run/" + std::string(name);
            site.httpd.write(file, "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'; cat \"$PATH_TRANSLATED\"\n");
            std::filesystem::permissions(site.httpd.path(file), std::filesystem::perms(0755));
        }
        std::string lines = gate;
        for (std::size_t at; (at = lines.find("ROOT")) != std::string::npos;) lines.replace(at, 4, root);
        site.vhost("ScriptAlias /run/ \"" + root + "/run/\"\nScriptAlias /also/ \"" + root + "/run/\"\n");
        site.start("<Directory \"" + root +
                   "\">\nOptions +Includes\nAcceptPathInfo On\nAddOutputFilter INCLUDES .shtml\n" +
                   "AddHandler shown .md\n</Directory>\nAction shown /run/show.cgi\n" + lines);
        const auto got = [&](const Identity* who, const std::string& path) { return site.get(who, path).body; };
        for (const std::string program : {"/run/show.cgi", "/also/show.cgi", "/docs/page.shtml"}) {
            for (const Identity* who : {&w.acme, static_cast<const Identity*>(nullptr)}) {
                const std::string body = got(who, program + "/docs/own/a.md");
                check(body.find("own") == std::string::npos, gate + program + body, __FILE__, __LINE__);
                check(got(who, program + "/docs/pub/a.md").find("pub") != std::string::npos, program, __FILE__,
                      __LINE__);
            }
            check(got(&w.globex, program + "/docs/own/a.md").find("own") != std::string::npos, gate + program, __FILE__,
                  __LINE__);
        }
        CHECK_EQUAL(got(&w.globex, "/docs/own/a.md"), "own");
        CHECK_EQUAL(site.get(&w.globex, "/docs/own/a.md", "", "POST").body, "own");
        CHECK_EQUAL(got(nullptr, "/docs/pub/a.md"), "pub");
        CHECK_EQUAL(site.get(&w.acme, "/docs/own/a.md").status, 403);
        // Another program answers for its own paths.
        CHECK_EQUAL(site.get(&w.acme, "/run/front.cgi/docs/own/a.md").status, 200);
    }
}
