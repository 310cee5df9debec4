// Faults of file systems: full, read-only, unmounted or hanging. No request and no refusal waits for them.
#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>
#include <utility>

#include "claims.hpp"
#include "faults.hpp"
#include "kept_site.hpp"
#include "live_site.hpp"

using namespace test;

namespace {

// A file system in memory at a folder of the server; empty where it cannot be mounted.
class Mounted {
public:
    Mounted(std::string at, const std::string& options) : at_(std::move(at)) {
        fs::create_directories(at_);
        is_mounted_ = mount("none", at_.c_str(), "tmpfs", 0, options.c_str()) == 0;
        if (!is_mounted_) std::printf("left out: only root mounts\n");
    }
    ~Mounted() { end(); }
    explicit operator bool() const { return is_mounted_; }
    void end() {
        if (std::exchange(is_mounted_, false)) umount2(at_.c_str(), MNT_DETACH);
    }

private:
    std::string at_;
    bool is_mounted_;
};

}  // namespace

CLAIM(a_full_file_system_leaves_in_force_what_was_and_is_named) {
    LiveSite place;
    Mounted small(place.httpd.path("partners"), "size=16k,mode=755");
    if (!small) return;
    place.put("acme.conf", kAcme);
    place.put("globex.conf", kGlobex);
    place.start();
    CHECK_EQUAL(place.get(world().globex), 200);
    // Only the first part of the file fits on the file system.
    const std::string large = many_identities(2000);
    std::ofstream(place.httpd.path("partners/globex.conf")) << large;
    CHECK(fs::file_size(place.httpd.path("partners/globex.conf")) < large.size());
    CHECK(place.httpd.wait_for_log("the policy files are refused"));
    CHECK_CONTAINS(place.httpd.error_log(), "partners/globex.conf:");
    CHECK_EQUAL(place.get(world().acme) + place.get(world().globex), 400);
    place.drop("globex.conf");
    becomes([&] { return place.get(world().globex); }, 403, "mended");
}

CLAIM(a_full_log_holds_up_no_request_and_no_refusal) {
    Kept site;
    Mounted logs(site.httpd.path("logs"), "size=16k,mode=777");
    if (!logs) return;
    site.run("event", "MTLSAuditLog logs/audit.log\n");
    std::ofstream(site.httpd.path("logs/fill")) << std::string(64000, 'x');
    for (int i = 0; i < 40; ++i) CHECK_EQUAL(site.acme(), 200);
    site.refuse("MTLSSuspend globex\n");
    becomes([&] { return site.globex(); }, 403, "suspended");
    CHECK_EQUAL(site.acme(), 200);
    site.httpd.stop();
}

CLAIM(a_file_system_that_is_read_only_or_gone_ends_no_refusal_and_no_partner) {
    Kept site;
    Mounted revoked(site.httpd.path("revoked"), "size=64k,mode=755"),
        partners(site.httpd.path("partners"), "size=64k,mode=755");
    if (!revoked || !partners) return;
    site.put("acme.conf", kAcme);
    site.put("globex.conf", kGlobex);
    site.refuse("MTLSSuspend globex\n");
    site.run();
    CHECK_EQUAL(site.acme(), 200);
    CHECK_EQUAL(site.globex(), 403);
    CHECK_EQUAL(mount("none", site.httpd.path("partners").c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
    stays([&] { return site.acme(); }, 200, "read-only");
    revoked.end();
    // Once unmounted, the folder below has a valid file of the same name without refusals.
    site.refuse("# nobody\n");
    becomes([&] { return site.globex(); }, 200, "what is there counts");
    fs::remove(site.httpd.path("revoked/list.conf"));
    partners.end();
    for (const char* name : {"acme.conf", "globex.conf"}) fs::remove(site.httpd.path("partners/") + name);
    CHECK(site.httpd.wait_for_log("now has none"));
    stays([&] { return site.acme(); }, 200, "unmounted");
}

CLAIM(a_file_system_that_hangs_hangs_no_request_no_refusal_and_no_new_child) {
    Kept site;
    Mounted partners(site.httpd.path("partners"), "size=64k,mode=755");
    if (!partners) return;
    site.put("acme.conf", kAcme);
    site.put("globex.conf", kGlobex);
    site.run("event", "StartServers 2\nServerLimit 2\nThreadsPerChild 8\nMaxRequestWorkers 16\n");
    site.drop("globex.conf");
    becomes([&] { return site.globex(); }, 403, "globex is out");
    // Opening a file there takes until this is asked, which it never is.
    const int guard = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
    if (guard < 0 || fanotify_mark(guard, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_PERM, AT_FDCWD,
                                   site.httpd.path("partners").c_str()) != 0) {
        std::printf("left out: the kernel lets nobody hold up who opens a file\n");
        return;
    }
    const pid_t before = site.keeper();
    fs::rename(site.httpd.path("partners/acme.conf"), site.httpd.path("partners/other.conf"));
    pause_for(kTakesHold);
    CHECK_EQUAL(site.acme(), 200);
    site.refuse("MTLSSuspend acme\n");
    becomes([&] { return site.acme(); }, 403, "a refusal counts");
    site.refuse("# nobody\n");
    becomes([&] { return site.acme(); }, 200, "and its end");
    for (const pid_t pid : site.children()) kill(pid, SIGKILL);
    becomes([&] { return site.acme(); }, 200, "new children");
    CHECK_EQUAL(site.globex(), 403);
    becomes([&] { return is_there(before); }, false, "the keeper that hangs is ended");
    CHECK_EQUAL(site.acme() + site.globex(), 603);
    close(guard);
    CHECK_CONTAINS(site.httpd.error_log(), "the keeper sent no heartbeat");
    site.put("globex.conf", kGlobex);
    becomes([&] { return site.globex(); }, 200, "an edit counts");
}
