// What many files cost that do not change, and how soon one that does is in force. Some by default, and as many as
// POLICY_FILES and REVOCATION_LINES say: `POLICY_FILES=100000 build/httpd_tests build/mod_mtls_authz.so many_files`.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>

#include "claims.hpp"
#include "live_site.hpp"
#include "number_from.hpp"

using namespace test;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begun) { return std::chrono::duration<double>(Clock::now() - begun).count(); }

// Of one core, while nothing changes.
double idle_share(pid_t keeper, std::chrono::seconds time) {
    pause_for(std::chrono::seconds(8));  // what just changed is read once more when its stamp has settled
    const double before = processor_seconds(keeper);
    pause_for(time);
    return (processor_seconds(keeper) - before) / static_cast<double>(time.count());
}

pid_t keeper_of(const LiveSite& site) {
    becomes([&] { return static_cast<int>(site.httpd.keepers().size()); }, 1, "keepers");
    return site.httpd.keepers().front();
}

std::chrono::seconds idle_time() { return std::chrono::seconds(number_from("IDLE_SECONDS", 10)); }

}  // namespace

CLAIM(many_files_cost_little_while_they_do_not_change, Turn::kAlone, Module::kPlain) {
    const int count = number_from("POLICY_FILES", 5000);
    LiveSite site;
    for (int i = 0; i < count; ++i) {
        const std::string number = std::to_string(i);
        site.httpd.write(
            "partners/p" + number + ".conf",
            partner("p" + number, "MTLSIdentity DNS:host-" + number + ".acme.example\nMTLSTrustAnchor acme.pem"));
    }
    const auto begun = Clock::now();
    site.start();
    becomes([&] { return site.get(world().acme); }, 403, "served");
    const double start = seconds_since(begun);
    const double idle = idle_share(keeper_of(site), idle_time());
    const auto changed = Clock::now();
    site.put("p1.conf", kAcme);
    becomes([&] { return site.get(world().acme); }, 200, "one that changed");
    const double in_force = seconds_since(changed);
    std::printf(
        "%d policy files: served after %.1f s; idle %.2f %% of a core; one changed file in force after %.2f s\n", count,
        start, 100 * idle, in_force);
}

CLAIM(a_long_revocation_file_costs_nothing_while_it_does_not_change, Turn::kAlone, Module::kPlain) {
    const int count = number_from("REVOCATION_LINES", 100000);
    LiveSite site;
    site.put("acme.conf", kAcme);
    std::string lines;
    for (int i = 0; i < count; ++i)
        lines += "MTLSRevoke issuer:CN=Other cert-serial:" + std::to_string(1000000 + i) + "\n";
    site.httpd.write("revoked.conf", lines);
    site.start("MTLSRevocationFile revoked.conf\n");
    CHECK_EQUAL(site.get(world().acme), 200);
    const double idle = idle_share(keeper_of(site), idle_time());
    const auto changed = Clock::now();
    site.httpd.write("revoked.conf", lines + "MTLSSuspend acme\n");
    becomes([&] { return site.get(world().acme); }, 403, "one more line");
    std::printf("%d lines of a revocation file: idle %.2f %% of a core; one more in force after %.2f s\n", count,
                100 * idle, seconds_since(changed));
}
