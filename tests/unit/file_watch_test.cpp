// What the kernel tells of files, asked in real folders.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "claims.hpp"
#include "mtls_authz/keeper/poll_timer.hpp"
#include "mtls_authz/load/file_watch.hpp"
#include "mtls_authz/system/system.hpp"

#ifndef MTLS_AUTHZ_LINUX

CLAIM(where_the_kernel_tells_nothing_no_watch_is_complete) {
    mtls::FileWatch watch;
    CHECK(!watch.follow({"/etc/hostname"}));
    CHECK(!watch.is_complete());
    CHECK(!watch.wait(std::chrono::milliseconds(1)));
    CHECK(!watch.forget());
    CHECK(!mtls::is_on_local_file_system("/etc"));
}

#else

using mtls::FileWatch;
using mtls::PollTimer;

namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kLong{60000};  // for what comes at once, on a machine that is busy
constexpr milliseconds kShort{200};   // for what must not come

class Folder {
public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "mtls-watch-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = fs::canonical(name).string();
    }
    ~Folder() {
        umount2((path_ + "/a").c_str(), MNT_DETACH);
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    std::string path(const std::string& name) const { return path_ + "/" + name; }
    void write(const std::string& name, const std::string& content) const {
        fs::create_directories(fs::path(path(name)).parent_path());
        std::ofstream(path(name)) << content;
    }
    void link(const std::string& target, const std::string& name) const {
        fs::create_symlink(target, path(name + ".new"));
        fs::rename(path(name + ".new"), path(name));
    }
    void move(const std::string& from, const std::string& to) const { fs::rename(path(from), path(to)); }
    bool is_local() const { return mtls::is_on_local_file_system(path_); }

private:
    std::string path_;
};

struct Kind {
    const char* what;
    std::string name;  // that is followed, below the folder
    std::function<void(const Folder&)> before, then;
};

const std::function<void(const Folder&)> kFile = [](const Folder& f) { f.write("a/x", "1"); };
const std::function<void(const Folder&)> kKubernetes = [](const Folder& f) {
    f.write("a/..1/x", "1");
    f.link("..1", "a/..data");
    f.link("..data/x", "a/x");
};
// As certbot has it.
const std::function<void(const Folder&)> kLive = [](const Folder& f) {
    f.write("archive/x1", "1");
    fs::create_directories(f.path("live"));
    f.link("../archive/x1", "live/x");
};

const Kind kKinds[] = {
    {"written", "a/x", kFile, [](const Folder& f) { f.write("a/x", "2"); }},
    {"appended to", "a/x", kFile, [](const Folder& f) { std::ofstream(f.path("a/x"), std::ios::app) << "2"; }},
    {"replaced", "a/x", kFile, [](const Folder& f) { f.write("b", "2"), f.move("b", "a/x"); }},
    {"removed", "a/x", kFile, [](const Folder& f) { fs::remove(f.path("a/x")); }},
    {"made", "a/x", [](const Folder& f) { fs::create_directory(f.path("a")); },
     [](const Folder& f) { f.write("a/x", "1"); }},
    {"made with its folders", "a/b/c/x", [](const Folder&) {},
     [](const Folder& f) { fs::create_directory(f.path("a")); }},
    {"mode", "a/x", kFile, [](const Folder& f) { chmod(f.path("a/x").c_str(), 0666); }},
    {"mode of its folder", "a/x", kFile, [](const Folder& f) { chmod(f.path("a").c_str(), 0777); }},
    {"folder renamed", "a/b/x", [](const Folder& f) { f.write("a/b/x", "1"); },
     [](const Folder& f) { f.move("a", "elsewhere"); }},
    {"folder replaced", "a/x", [](const Folder& f) { f.write("a/x", "1"), f.write("b/x", "2"); },
     [](const Folder& f) { f.move("a", "c"), f.move("b", "a"); }},
    {"link exchanged", "live/x", kLive,
     [](const Folder& f) { f.write("archive/x2", "2"), f.link("../archive/x2", "live/x"); }},
    {"written behind a link", "live/x", kLive, [](const Folder& f) { f.write("archive/x1", "2"); }},
    {"link of a folder exchanged", "a/x", kKubernetes,
     [](const Folder& f) { f.write("a/..2/x", "2"), f.link("..2", "a/..data"); }},
    {"written behind two links", "a/x", kKubernetes, [](const Folder& f) { f.write("a/..1/x", "2"); }},
    {"link of a folder exchanged, by a pattern", "a/*", kKubernetes,
     [](const Folder& f) { f.write("a/..2/x", "2"), f.link("..2", "a/..data"); }},
    {"link that led nowhere", "a/x", [](const Folder& f) { fs::create_directory(f.path("a")), f.link("../y", "a/x"); },
     [](const Folder& f) { f.write("y", "1"); }},
    {"one more fits the pattern", "a/*.conf", kFile, [](const Folder& f) { f.write("a/y.conf", "1"); }},
    {"one fewer fits the pattern", "a/*", kFile, [](const Folder& f) { fs::remove(f.path("a/x")); }},
    {"one more folder fits the pattern", "a/*/x", [](const Folder& f) { f.write("a/b/x", "1"); },
     [](const Folder& f) { f.write("a/c/x", "1"); }},
    {"filled a folder that fits the pattern", "a/*/c/x",
     [](const Folder& f) { fs::create_directories(f.path("a/b/c")); },
     [](const Folder& f) { f.write("a/b/c/x", "1"); }},
    {"folder of a pattern made", "a/*.conf", [](const Folder&) {},
     [](const Folder& f) { fs::create_directory(f.path("a")); }},
};

// Without events from the preparation.
void follow(FileWatch& watch, const std::vector<std::string>& names) {
    watch.follow(names);
    watch.forget();
    CHECK(!watch.follow(names));
}

}  // namespace

CLAIM(the_kernel_tells_whatever_leads_to_another_content) {
    for (const Kind& kind : kKinds) {
        Folder folder;
        kind.before(folder);
        FileWatch watch;
        follow(watch, {folder.path(kind.name)});
        test::check_equal(watch.is_complete(), folder.is_local(), kind.what, __FILE__, __LINE__);
        test::check(!watch.wait(milliseconds(0)), kind.what, __FILE__, __LINE__);
        kind.then(folder);
        test::check(watch.wait(kLong), kind.what, __FILE__, __LINE__);
        // What it leads to now is followed, too.
        follow(watch, {folder.path(kind.name)});
        test::check(!watch.wait(milliseconds(0)), kind.what, __FILE__, __LINE__);
    }
}

CLAIM(a_link_that_was_exchanged_is_followed_to_where_it_leads_now) {
    Folder folder;
    kKubernetes(folder);
    const std::vector<std::string> names = {folder.path("a/x")};
    FileWatch watch;
    follow(watch, names);
    folder.write("a/..2/x", "2");
    folder.link("..2", "a/..data");
    // A folder that it did not watch: what happened there before was not told.
    CHECK(watch.follow(names));
    watch.forget();
    folder.write("a/..2/x", "3");
    CHECK(watch.wait(kLong));
    watch.forget();
    folder.write("a/..1/x", "3");
    CHECK(!watch.wait(kShort));
}

CLAIM(what_happens_beside_the_files_is_not_told) {
    Folder folder;
    folder.write("a/x", "1");
    FileWatch watch;
    follow(watch, {folder.path("a/x"), folder.path("a/none.conf")});
    folder.write("a/y", "1");
    folder.write("b/x", "1");
    fs::remove(folder.path("a/y"));
    CHECK(!watch.wait(kShort));
    folder.write("a/none.conf", "1");
    CHECK(watch.wait(kLong));
}

CLAIM(of_a_folder_with_many_files_everything_is_told) {
    Folder folder;
    std::vector<std::string> names;
    for (int i = 0; i < 100; ++i) {
        folder.write("a/x" + std::to_string(i), "1");
        names.push_back(folder.path("a/x" + std::to_string(i)));
    }
    FileWatch watch;
    follow(watch, names);
    folder.write("a/x99", "2");
    CHECK(watch.wait(kLong));
}

CLAIM(a_mount_over_a_folder_and_its_end_are_told) {
    Folder folder;
    folder.write("a/x", "1");
    const std::vector<std::string> names = {folder.path("a/*")};
    FileWatch watch;
    follow(watch, names);
    if (mount("none", folder.path("a").c_str(), "tmpfs", 0, "size=64k") != 0) {
        std::printf("left out: only root mounts\n");
        return;
    }
    CHECK(watch.wait(kLong));
    CHECK(watch.follow(names));
    watch.forget();
    folder.write("a/y", "1");
    CHECK(watch.wait(kLong));
    watch.forget();
    CHECK_EQUAL(umount2(folder.path("a").c_str(), MNT_DETACH), 0);
    CHECK(watch.wait(kLong));
    // A file that is mounted over another one has its folder elsewhere.
    folder.write("other", "1");
    CHECK_EQUAL(mount(folder.path("other").c_str(), folder.path("a/x").c_str(), "", MS_BIND, nullptr), 0);
    watch.follow({folder.path("a/x")});
    const bool is_complete = watch.is_complete();
    umount2(folder.path("a/x").c_str(), MNT_DETACH);
    CHECK(!is_complete);
}

CLAIM(a_network_or_unknown_file_system_is_not_trusted_to_tell) {
    CHECK(!mtls::is_on_local_file_system("/proc/self"));
    CHECK(!mtls::is_on_local_file_system("/nonexistent"));
    FileWatch watch;
    watch.follow({"/proc/self/status"});
    CHECK(!watch.is_complete());
}

CLAIM(too_much_at_once_is_told_as_a_change) {
    Folder folder;
    folder.write("a/x", "1");
    folder.write("a/noise", "1");
    folder.write("a/other", "1");
    FileWatch watch;
    follow(watch, {folder.path("a/x")});
    std::size_t most = 0;
    std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> most;
    CHECK(most > 0 && most < 1000000);
    for (std::size_t i = 0; i <= most; ++i) chmod(folder.path(i % 2 == 0 ? "a/noise" : "a/other").c_str(), 0600);
    CHECK(watch.wait(kLong));
}

namespace {

// Runs it where the kernel allows so much, in a process of its own. Returns what it returned, or -1 where that cannot
// be had.
int with_limit(const std::string& name, int limit, const std::function<int()>& what) {
    const pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWUSER) != 0) _exit(255);
        std::ofstream file("/proc/sys/user/" + name);
        file << limit << std::flush;
        if (!file.good()) _exit(255);
        _exit(what());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) != 255 ? WEXITSTATUS(status) : -1;
}

}  // namespace

CLAIM(a_limit_of_the_kernel_is_named_with_what_raises_it) {
    Folder folder;
    folder.write("a/x", "1");
    const auto names_limit = [&folder](const std::string& sysctl) {
        return [&folder, sysctl] {
            FileWatch watch;
            watch.follow({folder.path("a/x")});
            const bool is_named = watch.take_fault().find(sysctl) != std::string::npos;
            // It goes on, and every look finds what is not told.
            return is_named && !watch.is_complete() && !watch.wait(milliseconds(1)) && !watch.forget() ? 0 : 1;
        };
    };
    const int watches = with_limit("max_inotify_watches", 1, names_limit("fs.inotify.max_user_watches"));
    const int instances = with_limit("max_inotify_instances", 0, names_limit("fs.inotify.max_user_instances"));
    if (watches < 0 || instances < 0) std::printf("left out: no limits of its own\n");
    CHECK(watches <= 0);
    CHECK(instances <= 0);
}

// ---- when a look is due ---------------------------------------------------------------------------------------------

namespace {

void look(PollTimer& pace, const std::vector<std::string>& names, bool waits = false) {
    pace.begin_poll();
    pace.end_poll(names, waits);
}

void wait_for(PollTimer& pace) {
    while (!pace.wait()) {
    }
}

// From `begun` on. What holds of the least time is measured from before the look, since a process may rest at its end.
double seconds_until_due(PollTimer& pace, PollTimer::Clock::time_point begun = PollTimer::Clock::now()) {
    wait_for(pace);
    return std::chrono::duration<double>(PollTimer::Clock::now() - begun).count();
}

}  // namespace

CLAIM(a_change_makes_a_look_due_long_before_its_time) {
    Folder folder;
    folder.write("a/x", "1");
    const std::vector<std::string> names = {folder.path("a/x")};
    PollTimer pace(std::chrono::hours(1), milliseconds(500));
    look(pace, names);
    // Once more at once: a change may have come before the folder was watched.
    CHECK(seconds_until_due(pace) < 60);
    look(pace, names);
    CHECK(!pace.wait());
    folder.write("a/x", "2");
    CHECK(seconds_until_due(pace) < 60);
    look(pace, names);
    CHECK(!pace.wait());
}

CLAIM(what_is_told_during_a_look_makes_another_one_due) {
    Folder folder;
    folder.write("a/x", "1");
    const std::vector<std::string> names = {folder.path("a/x")};
    PollTimer pace(std::chrono::hours(1), milliseconds(500));
    look(pace, names);
    look(pace, names);
    pace.begin_poll();
    folder.write("a/x", "2");
    pace.end_poll(names, false);
    CHECK(seconds_until_due(pace) < 60);
}

CLAIM(the_second_look_waits_for_its_pause_whatever_is_told) {
    Folder folder;
    folder.write("a/x", "1");
    const std::vector<std::string> names = {folder.path("a/x")};
    PollTimer pace(std::chrono::hours(1), milliseconds(300));
    look(pace, names);
    look(pace, names);
    folder.write("a/x", "2");
    wait_for(pace);
    pace.begin_poll();
    folder.write("a/x", "3");
    const auto looked = PollTimer::Clock::now();
    pace.end_poll(names, true);
    CHECK(seconds_until_due(pace, looked) > 0.25);
}

CLAIM(few_files_are_looked_at_in_each_interval_and_many_seldom_but_ever) {
    Folder folder;
    std::vector<std::string> few = {folder.path("a/x")}, many;
    folder.write("a/x", "1");
    for (std::size_t i = 0; i <= PollTimer::kFew; ++i) many.push_back(folder.path("a/x" + std::to_string(i)));
    const auto time_of = [](const std::vector<std::string>& names) {
        PollTimer pace(milliseconds(100), milliseconds(100), std::chrono::seconds(2));
        look(pace, names);
        const auto looked = PollTimer::Clock::now();
        look(pace, names);
        return seconds_until_due(pace, looked);
    };
    CHECK(time_of(few) >= 0.09);
    if (!folder.is_local()) return;
    CHECK(time_of(many) > 1.5);
    // Where the kernel tells not all, many are looked at like few.
    many.push_back("/proc/self/status");
    CHECK(time_of(many) < 1.5);
}

#endif
