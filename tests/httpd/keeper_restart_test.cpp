// A graceful restart that meets a keeper, or a server, which cannot do what it should: it lets nobody in again, and
// ends no server.
#include <pwd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "claims.hpp"
#include "faults.hpp"
#include "kept_site.hpp"

using namespace test;

namespace {

// 0: the server does not answer.
int status_at(const Kept& site, const Identity& who) try {
    TlsClient client(site.httpd.port(), as(who));
    return client.connected() ? client.get("/gate/x").status : 0;
} catch (const std::runtime_error&) {
    return 0;
}

void add_to_httpd_conf(const Kept& site, const std::string& line) {
    std::ofstream(site.httpd.path("httpd.conf"), std::ios::app) << line << "\n";
}

void stop(pid_t pid) {
    kill(pid, SIGSTOP);
    const std::string file = "/proc/" + std::to_string(pid) + "/status";
    for (int i = 0; i < 1000 && file_text(file).find("State:\tT") == std::string::npos; ++i)
        pause_for(std::chrono::milliseconds(1));
}

std::string revocation_of(const Identity& who) { return "MTLSRevoke sha256:" + hex_sha256(who); }

}  // namespace

CLAIM(a_keeper_that_was_stopped_over_a_restart_lets_nobody_in_again) {
    for (const char* const mpm : {"event", "prefork"}) {
        Kept site(mpm);
        CHECK_EQUAL(site.acme() + site.globex(), 400);
        const pid_t old = site.keeper();
        // The old keeper knows nothing of a line in httpd.conf.
        add_to_httpd_conf(site, revocation_of(world().globex));
        stop(old);
        kill(site.httpd.pid(), SIGUSR1);
        becomes([&] { return status_at(site, world().globex); }, 403, mpm);
        if (is_there(old)) kill(old, SIGCONT);
        stays([&] { return status_at(site, world().globex); }, 403, mpm);
        site.put("more.conf", partner("more", "MTLSIdentity CN:more\nMTLSTrustAnchor acme.pem"));
        stays([&] { return status_at(site, world().globex); }, 403, mpm);
        CHECK_EQUAL(site.acme(), 200);
        CHECK(site.keeper() != old);
        CHECK(!is_there(old));
    }
}
