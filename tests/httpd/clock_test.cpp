// A clock that jumps: only the server has it, by libfaketime.
#include <glob.h>

#include <cstdio>
#include <fstream>
#include <functional>

#include "claims.hpp"
#include "database_site.hpp"
#include "kept_site.hpp"

using namespace test;

namespace {

constexpr int kHour = 3600;

// The clock of a server that has not been started yet. The monotonic clock and the times of files go on as they are.
class Clock {
public:
    explicit Clock(Httpd& httpd) : file_(httpd.path("clock")) {
        set(0);
        httpd.preload(library());
        httpd.set_environment("FAKETIME_TIMESTAMP_FILE", file_);
        for (const char* name : {"FAKETIME_NO_CACHE", "FAKETIME_DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"})
            httpd.set_environment(name, "1");
    }
    // From now on the server's clock is so many seconds ahead of the true one.
    void set(int seconds) const {
        char offset[32];
        std::snprintf(offset, sizeof offset, "%+d\n", seconds);
        std::ofstream(file_ + ".new") << offset;
        fs::rename(file_ + ".new", file_);
    }

private:
    static std::string library() {
        glob_t found{};
        const bool is_found = glob("/usr/lib*/{,*/}faketime/libfaketimeMT.so.1", GLOB_BRACE, nullptr, &found) == 0;
        const std::string name = is_found ? found.gl_pathv[0] : "";
        globfree(&found);
        if (!is_found) throw std::runtime_error("libfaketime is not installed");
        return name;
    }

    std::string file_;
};

// libfaketime and AddressSanitizer wait for each other before main().
bool is_left_out() {
    if (!httpd_paths().is_sanitized()) return false;
    std::printf("left out: libfaketime hangs below AddressSanitizer\n");
    return true;
}

// Edits of one kind of policy source, about globex.
struct Edits {
    std::function<void()> refuse, permit, remove, add;
};

// Each edit has to count after each jump. The certificates exist from an hour ago until in a day.
template <typename Site>
void check_jumps(Site& site, const Clock& clock, const Edits& edits) {
    const auto check_edits = [&] {
        edits.refuse();
        becomes([&] { return site.globex(); }, 403, "a refusal");
        edits.permit();
        becomes([&] { return site.globex(); }, 200, "its end");
        edits.remove();
        becomes([&] { return site.globex(); }, 403, "a partner that goes");
        edits.add();
        becomes([&] { return site.globex(); }, 200, "and comes");
    };
    becomes([&] { return static_cast<int>(site.httpd.keepers().size()); }, 1, "keepers");
    const auto keepers = site.httpd.keepers();
    for (const int ahead : {12 * kHour, -kHour / 2, 20 * kHour, 0}) {
        clock.set(ahead);
        becomes([&] { return site.acme(); }, 200, "within the dates");
        check_edits();
        CHECK_CONTAINS(site.metrics(), "mtls_authz_keeper_up 1");
    }
    // It is the server's clock that has jumped.
    clock.set(48 * kHour);
    becomes([&] { return site.acme() == 200 ? 1 : 0; }, 0, "after the last day");
    clock.set(-3 * kHour);
    becomes([&] { return site.acme() == 200 ? 1 : 0; }, 0, "before the first");
    clock.set(0);
    becomes([&] { return site.acme(); }, 200, "back");
    check_edits();
    CHECK(site.httpd.keepers() == keepers);
}

}  // namespace

CLAIM(changes_of_files_and_refusals_count_however_the_clock_jumps) {
    if (is_left_out()) return;
    Kept site;
    const Clock clock(site.httpd);
    site.run();
    check_jumps(site, clock,
                {[&] { site.refuse("MTLSSuspend globex\n"); }, [&] { site.refuse("# nobody\n"); },
                 [&] { site.drop("globex.conf"); }, [&] { site.put("globex.conf", kGlobex); }});
}

CLAIM(rows_count_however_the_clock_jumps) {
    if (is_left_out()) return;
    SqliteSite site;
    const Clock clock(site.httpd);
    site.run();
    check_jumps(site, clock,
                {[&] { site.sql(row("refused.conf", "revocation", "MTLSSuspend globex\n")); },
                 [&] { site.sql(row("refused.conf", "revocation", "# nobody\n")); },
                 [&] { site.sql("DELETE FROM mtls_policy WHERE name = 'globex.conf';"); },
                 [&] { site.sql(row("globex.conf", "policy", kGlobexRow)); }});
}
