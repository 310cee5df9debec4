#include "mtls_authz/load/file_watch.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "mtls_authz/base/file.hpp"
#include "mtls_authz/system/system.hpp"
#ifdef MTLS_AUTHZ_LINUX
#include <poll.h>
#include <sys/inotify.h>
#include <sys/statfs.h>
#endif

namespace mtls {

#ifdef MTLS_AUTHZ_LINUX

namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMostNames = 64;  // per folder; above this, every change in it counts
constexpr std::uint32_t kChanges =
    IN_ATTRIB | IN_MODIFY | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF;

// Magic numbers of local file systems; linux/magic.h does not have all of them.
constexpr std::uint32_t kLocal[] = {
    0xEF53,      // ext2, ext3, ext4
    0x58465342,  // XFS
    0x9123683E,  // Btrfs
    0x2FC12FC1,  // ZFS
    0xCA451A4E,  // bcachefs
    0xF2F52010,  // F2FS
    0x01021994,  // tmpfs
    0x858458F6,  // ramfs
    0x794C7630,  // overlayfs: changes of the lower layer are not allowed by the kernel
    0x73717368,  // SquashFS
    0xE0F5E1E2,  // EROFS
};

}  // namespace

bool is_on_local_file_system(const std::string& path) {
    struct statfs info {};
    return statfs(path.c_str(), &info) == 0 &&
           std::find(std::begin(kLocal), std::end(kLocal), static_cast<std::uint32_t>(info.f_type)) != std::end(kLocal);
}

void FileWatch::Folder::add(const std::string& name) {
    if (is_whole) return;
    names.insert(name);
    if (names.size() <= kMostNames) return;
    is_whole = true;
    names.clear();
}

void FileWatch::Folder::add(const Folder& other) {
    is_whole = is_whole || other.is_whole;
    for (const std::string& name : other.names) add(name);
}

// The folders that the kernel walks through for a set of names, with the names that matter in each.
class FileWatch::Route {
public:
    void add_file(const std::string& path) {
        const std::size_t slash = path.rfind('/') + 1;
        const std::string& folder = end_of(path.substr(0, slash));
        if (folder.empty()) return;
        // A shortcut, because most files are no links and share their folder.
        folders[folder].add(path.substr(slash));
        if (is_link(join(folder, path.substr(slash)))) walk(path);
    }
    // The folder with all its present and future content.
    void add_folder(const std::string& path) {
        const std::string& folder = end_of(path);
        if (!folder.empty()) folders[folder] = {true, {}};
    }

    std::map<std::string, Folder> folders;
    bool has_mounted_files = false;  // a file is mounted over another one: the folder of its content is unknown

private:
    static std::string join(const std::string& folder, const std::string& name) {
        return folder == "/" ? folder + name : folder + "/" + name;
    }

    bool is_link(const std::string& path) {
        struct statx info {};
        if (statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &info) != 0) return false;
        if (!S_ISDIR(info.stx_mode) && (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) has_mounted_files = true;
        return S_ISLNK(info.stx_mode);
    }

    const std::string& end_of(const std::string& folder) {
        const auto [entry, is_new] = ends_.try_emplace(folder);
        if (is_new) entry->second = walk(folder);
        return entry->second;
    }

    // Returns the resolved path, or "" if it does not exist.
    std::string walk(const std::string& path) {
        return follow_path(path, [this](const std::string& folder, const std::string& name, const std::string& at) {
            folders[folder].add(name);
            if (is_link(at)) return StepKind::kLink;
            return access(at.c_str(), F_OK) == 0 ? StepKind::kOther : StepKind::kNothing;
        });
    }

    std::map<std::string, std::string> ends_;  // results of walk(), by the folder's name as written
};

bool FileWatch::follow(const std::vector<std::string>& names) {
    Route route;
    for (const std::string& name : names) {
        const std::size_t wild = name.find_first_of("*?[");
        if (wild == std::string::npos) continue;
        // All folders at each level of a pattern: new files there may match.
        route.add_folder(name.substr(0, name.rfind('/', wild) + 1));
        for (std::size_t slash = name.find('/', wild); slash != std::string::npos; slash = name.find('/', slash + 1)) {
            const auto found = expand(name.substr(0, slash));
            if (!found.ok()) continue;
            for (const std::string& folder : found.value()) route.add_folder(folder);
        }
    }
    for (const std::string& name : names) {
        if (!is_glob(name)) route.add_file(name);
    }
    return watch_all(route);
}

bool FileWatch::watch_all(const Route& route) {
    open_all();
    is_complete_ = events_ >= 0 && !route.has_mounted_files;
    std::map<int, Folder> next;
    bool is_new = false;
    for (const auto& [path, folder] : route.folders) {
        const int number = events_ >= 0 ? inotify_add_watch(events_, path.c_str(), kChanges | IN_ONLYDIR) : -1;
        if (number < 0) {
            is_complete_ = false;
            if (events_ >= 0 && errno == ENOSPC) {
                fault_ = "no more folders can be watched (raise the limit with sysctl fs.inotify.max_user_watches)";
            }
            continue;
        }
        is_complete_ = is_complete_ && is_on_local_file_system(path);
        is_new = is_new || !watched_.contains(number);
        next[number].add(folder);  // one folder may be mounted in two places
    }
    for (const auto& [number, folder] : watched_) {
        if (!next.contains(number)) inotify_rm_watch(events_, number);
    }
    watched_ = std::move(next);
    return is_new;
}

void FileWatch::open_all() {
    if (events_ >= 0) return;
    events_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (events_ < 0 && errno == EMFILE) {
        fault_ =
            "no folder can be watched (raise the limit with sysctl fs.inotify.max_user_instances, or that of open "
            "files)";
    }
    if (events_ >= 0) mounts_ = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
}

FileWatch::~FileWatch() {
    for (const int file : {events_, mounts_}) {
        if (file >= 0) close(file);
    }
}

bool FileWatch::read_events() {
    bool is_relevant = false;
    alignas(inotify_event) char buffer[16384];
    for (;;) {
        const ssize_t n = read(events_, buffer, sizeof buffer);
        if (n <= 0) return is_relevant;
        for (ssize_t at = 0; at < n;) {
            const auto* const event = reinterpret_cast<const inotify_event*>(buffer + at);
            at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
            // The kernel dropped events.
            if ((event->mask & IN_Q_OVERFLOW) != 0) is_relevant = true;
            const auto folder = watched_.find(event->wd);
            // An event of a removed watch.
            if (folder == watched_.end()) continue;
            is_relevant =
                is_relevant || event->len == 0 || folder->second.is_whole || folder->second.names.contains(event->name);
        }
    }
}

bool FileWatch::wait(milliseconds most) {
    using Clock = std::chrono::steady_clock;
    constexpr milliseconds kBusy{50};  // pause after events that do not matter
    const auto end = Clock::now() + most;
    for (;;) {
        const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
        pollfd all[] = {{events_, POLLIN, 0}, {mounts_, POLLPRI, 0}};
        const int ready = poll(all, 2, static_cast<int>(std::max(left, milliseconds(0)).count()));
        if (ready > 0 && (all[1].revents != 0 || read_events())) return true;
        if (Clock::now() >= end) return false;
        if (ready > 0) std::this_thread::sleep_for(std::min(kBusy, left));
    }
}

bool FileWatch::forget() {
    pollfd mounts{mounts_, POLLPRI, 0};
    const bool is_mounted = poll(&mounts, 1, 0) > 0;
    return (events_ >= 0 && read_events()) || is_mounted;
}

#else

bool is_on_local_file_system(const std::string&) { return false; }
FileWatch::~FileWatch() = default;
bool FileWatch::follow(const std::vector<std::string>&) { return false; }
bool FileWatch::forget() { return false; }
bool FileWatch::wait(std::chrono::milliseconds most) {
    std::this_thread::sleep_for(most);
    return false;
}

#endif

}  // namespace mtls
