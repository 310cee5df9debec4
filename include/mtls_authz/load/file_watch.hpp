// Reports by inotify(7) that files may have changed, so that many files need not be read at every poll. Some changes
// are not reported, so the files must still be polled from time to time.
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
// other local ones. False for NFS, CIFS, FUSE and 9p, which other hosts can change, and for unknown types.
bool is_on_local_file_system(const std::string& path);

// Not thread-safe.
class FileWatch {
public:
    FileWatch() = default;
    ~FileWatch();
    FileWatch(const FileWatch&) = delete;
    FileWatch& operator=(const FileWatch&) = delete;

    // Watches everything that determines the files and content of these names (files and glob(7) patterns): every
    // folder on the path, symbolic links resolved. Replaces the previous set. Returns whether it watches a new folder:
    // earlier changes there were not reported, so the caller must poll once more.
    bool follow(const std::vector<std::string>& names);

    // Whether the kernel reports every change that a poll could find. False for network file systems. Changes through
    // another hard link or the lower layer of an overlay are never reported.
    bool is_complete() const { return is_complete_; }
    // A kernel limit that was reached since the last call, with the setting that raises it; "" for none.
    std::string take_fault() { return std::exchange(fault_, {}); }

    // Waits at most `most`. Returns true as soon as a file may have changed.
    bool wait(std::chrono::milliseconds most);
    // Discards pending events, because a poll that starts now sees their changes. Returns whether there were any.
    bool forget();

private:
    // The relevant changes in a folder: all, or those of these names.
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

    int events_ = -1;  // the inotify descriptor
    int mounts_ = -1;  // /proc/self/mountinfo; signals mounts and unmounts
    std::map<int, Folder> watched_;
    bool is_complete_ = false;
    std::string fault_;
};

}  // namespace mtls
