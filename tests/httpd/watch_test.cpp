// Changes count as soon as the kernel tells of them, however seldom files are looked at; and what it does not tell
// counts when they are.
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "claims.hpp"
#include "kept_site.hpp"
#include "mtls_authz/load/file_watch.hpp"

using namespace test;

namespace {

constexpr const char* kSeldom = "MTLSPolicyRefresh 3600\n";

// Where the kernel's word is not taken, there is nothing to see.
bool is_told(const Kept& site) { return mtls::is_on_local_file_system(site.httpd.root()); }

void link_to(const Kept& site, const std::string& target, const std::string& name) {
    fs::create_symlink(target, site.httpd.path(name + ".new"));
    fs::rename(site.httpd.path(name + ".new"), site.httpd.path(name));
}

}  // namespace

CLAIM(a_change_counts_at_once_however_seldom_files_are_looked_at) {
    Kept site;
    if (!is_told(site)) return;
    site.run("event", kSeldom);
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    site.refuse("MTLSSuspend globex\n");
    becomes([&] { return site.globex(); }, 403, "replaced: it refuses");
    site.refuse("# nobody\n");
    becomes([&] { return site.globex(); }, 200, "replaced: it refuses no longer");
    site.httpd.write("revoked/list.conf", "MTLSSuspend acme\n");
    becomes([&] { return site.acme(); }, 403, "written in its place");
    site.httpd.write("revoked/list.conf", "# nobody\n");
    becomes([&] { return site.acme(); }, 200, "and again");
    site.drop("globex.conf");
    becomes([&] { return site.globex(); }, 403, "removed");
    site.put("other.conf", kGlobex);
    becomes([&] { return site.globex(); }, 200, "one more fits");
    CrlSpec spec;
    spec.revoked = {{&world().globex, 1}};
    site.put("crls.conf", "MTLSCRLFile globex.crl\n");
    CHECK(site.httpd.wait_for_log("no partner changed, other lines did"));
    site.httpd.write("globex.crl", make_crl(world().globex_ca, spec));
    becomes([&] { return site.globex(); }, 403, "a list that comes later");
    CHECK_EQUAL(site.acme(), 200);
}

CLAIM(an_exchanged_link_counts_at_once_for_policies_refusals_and_anchors) {
    Kept site;
    if (!is_told(site)) return;
    // As Kubernetes mounts what it is given: each name is a link through one that is exchanged.
    for (const char* folder : {"partners", "revoked"}) fs::remove_all(site.httpd.path(folder));
    site.httpd.write("partners/..1/acme.conf", kAcme);
    site.httpd.write("partners/..2/acme.conf", kAcme + kGlobex);
    site.httpd.write("revoked/..1/list.conf", "# nobody\n");
    site.httpd.write("revoked/..2/list.conf", "MTLSSuspend acme\n");
    for (const char* name : {"partners/acme.conf", "revoked/list.conf"}) {
        const std::string folder = std::string(name).substr(0, std::string(name).find('/'));
        link_to(site, "..1", folder + "/..data");
        link_to(site, "..data/" + std::string(name).substr(folder.size() + 1), name);
    }
    // As certbot keeps what it renews.
    site.httpd.write("archive/globex1.pem", world().acme_ca.cert_pem());
    site.httpd.write("archive/globex2.pem", world().globex_ca.cert_pem());
    fs::remove(site.httpd.path("globex.pem"));
    link_to(site, "archive/globex1.pem", "globex.pem");
    site.run("event", kSeldom);
    CHECK_EQUAL(site.acme() + site.globex(), 603);
    link_to(site, "..2", "partners/..data");
    CHECK(site.httpd.wait_for_log(": added globex"));
    CHECK_EQUAL(site.globex(), 403);
    link_to(site, "archive/globex2.pem", "globex.pem");
    becomes([&] { return site.globex(); }, 200, "another anchor");
    CHECK_EQUAL(site.acme(), 200);
    link_to(site, "..2", "revoked/..data");
    becomes([&] { return site.acme(); }, 403, "another revocation file");
    // And where the link leads now, once more.
    site.httpd.write("revoked/..2/list.conf", "# nobody\n");
    becomes([&] { return site.acme(); }, 200, "written behind the link");
}

CLAIM(a_mode_that_makes_a_file_unsafe_is_seen_at_once) {
    Kept site;
    if (!is_told(site)) return;
    site.run("event", kSeldom);
    CHECK_EQUAL(site.acme(), 200);
    pause_for(std::chrono::seconds(3));
    CHECK_EQUAL(chmod(site.httpd.path("partners/globex.conf").c_str(), 0666), 0);
    CHECK(site.httpd.wait_for_log("can be written by everybody"));
    CHECK_EQUAL(site.globex(), 200);
    CHECK_EQUAL(chmod(site.httpd.path("partners/globex.conf").c_str(), 0644), 0);
    CHECK(site.httpd.wait_for_log("no longer refused"));
}

CLAIM(a_mount_over_the_folder_counts_at_once) {
    Kept site;
    if (!is_told(site)) return;
    site.run("event", kSeldom);
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    const std::string folder = site.httpd.path("partners");
    if (mount("none", folder.c_str(), "tmpfs", 0, "size=64k,mode=755") != 0) {
        std::printf("left out: only root mounts\n");
        return;
    }
    site.put("acme.conf", kAcme);
    const bool is_out = [&] {
        for (int i = 0; i < 600 && site.globex() != 403; ++i) pause_for(std::chrono::milliseconds(100));
        return site.globex() == 403;
    }();
    umount2(folder.c_str(), MNT_DETACH);
    CHECK(is_out);
    becomes([&] { return site.globex(); }, 200, "and its end");
}

CLAIM(what_the_kernel_does_not_tell_counts_with_the_next_look) {
    Kept site;
    site.httpd.write("elsewhere/globex.conf", kGlobex);
    fs::remove(site.httpd.path("partners/globex.conf"));
    fs::create_hard_link(site.httpd.path("elsewhere/globex.conf"), site.httpd.path("partners/globex.conf"));
    site.run("event", "MTLSPolicyRefresh 3\n");
    CHECK_EQUAL(site.globex(), 200);
    // By its other name, in a folder that nothing watches.
    site.httpd.write("elsewhere/globex.conf", "# gone\n");
    becomes([&] { return site.globex(); }, 403, "written by its other name");
    CHECK_EQUAL(site.acme(), 200);
}

// Takes all that the kernel gives to a user, as whom this server runs too.
CLAIM(without_a_watch_files_are_looked_at_and_the_log_names_the_limit, Turn::kAlone) {
    if (geteuid() != 0) return;
    int pipes[2];
    CHECK_EQUAL(pipe(pipes), 0);
    const pid_t taker = fork();
    if (taker == 0) {
        const rlimit many{100000, 100000};
        setrlimit(RLIMIT_NOFILE, &many);
        if (setuid(65534) != 0) _exit(1);
        const auto take_all = [] {
            while (inotify_init1(IN_CLOEXEC) >= 0) {
            }
        };
        take_all();
        if (write(pipes[1], "x", 1) != 1) _exit(1);
        // Also those that servers of other tests give back.
        for (;; usleep(1000)) take_all();
    }
    char is_full = 0;
    CHECK_EQUAL(read(pipes[0], &is_full, 1), 1);
    {
        Kept site("event");
        const bool is_said = site.httpd.wait_for_log("sysctl fs.inotify.max_user_instances");
        site.drop("globex.conf");
        for (int i = 0; i < 600 && site.globex() != 403; ++i) pause_for(std::chrono::milliseconds(100));
        const int globex = site.globex(), acme = site.acme();
        const std::size_t times = site.times("fs.inotify");
        kill(taker, SIGKILL);
        waitpid(taker, nullptr, 0);
        CHECK(is_said);
        CHECK_EQUAL(times, 1U);
        CHECK_EQUAL(acme + globex, 603);
    }
}
