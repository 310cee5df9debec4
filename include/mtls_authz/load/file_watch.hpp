// Reports that files may have changed, by inotify(7), so that many of them need not be read again and again. Silence
// proves nothing: some changes are not reported, so the files still have to be looked at from time to time.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace mtls {

// Whether inotify reports every change on the file system of this file or folder. True for ext4, XFS, Btrfs, tmpfs and
// other local ones. False for NFS, CIFS, FUSE and 9p, which others can change, and for every type that is not known.
bool is_on_local_file_system(const std::string& path);

// Not thread-safe.
class FileWatch {
public:
    FileWatch() = default;
    ~FileWatch();
    FileWatch(const FileWatch&) = delete;
    FileWatch& operator=(const FileWatch&) = delete;

    // Watches what decides whether these names, files and glob(7) patterns, lead to something else or other content:
    // every folder on the way, symbolic links resolved. Forgets what it watched before. Returns whether it watches a
    // folder that it did not: what happened before that was not told, so the files have to be looked at once more.
    bool follow(const std::vector<std::string>& names);

    // Whether the kernel tells all changes that a look could find. Not those of network file systems; nor those through
    // another hard link or the lower layer of an overlay, which only a look finds.
    bool is_complete() const { return is_complete_; }
    // A limit of the kernel that it met since this was asked last, with the setting that raises it; "" for none.
    std::string take_fault() { return std::exchange(fault_, {}); }

    // Waits at most so long. Returns true as soon as something may have changed.
    bool wait(std::chrono::milliseconds most);
    // Forgets what was told so far: the look that begins now sees it. Returns whether there was something.
    bool forget();

private:
    // What counts of all that happens in a folder: everything, or what happens to these names.
    struct Folder {
        bool is_whole = false;
        std::set<std::string> names;

        void add(const std::string& name);
        void add(const Folder& other);
    };
    class Route;

    bool watch_all(const Route& route);
    bool read_events();
    void open_all();

    int events_ = -1;  // inotify's
    int mounts_ = -1;  // readable when something was mounted or unmounted
    std::map<int, Folder> watched_;
    bool is_complete_ = false;
    std::string fault_;
};

}  // namespace mtls
