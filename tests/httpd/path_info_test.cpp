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
