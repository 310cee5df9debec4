// Reads the files that the configuration names: whole, and only if no one but their owners can have changed them.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mtls_authz/base/result.hpp"

namespace mtls {

// Ownership rules for files that decide access. A file passes if it is a regular file, is owned by root, the starter or
// the fetcher and not by the run-time user, and is writable neither by others nor by the run-time user's groups. Every
// folder on its path must pass too, with symbolic links resolved (sticky folders of root may be writable by others).
struct FileTrust {
    uid_t starter = 0;                    // user who started the server
    uid_t run_user = 0;                   // user of the server's children
    gid_t run_group = 0;                  // group of the server's children
    std::vector<gid_t> more_groups = {};  // supplementary groups of the run-time user
    std::optional<uid_t> fetcher = {};    // MTLSFetchUser: may also own the files that it fetches

    bool has_own_user() const { return run_user != starter; }
    bool runs_with(gid_t group) const;
};

// The reason why a file cannot be trusted, with the command that corrects it; "" if it can.
std::string find_trust_fault(const std::string& path, const FileTrust& trust);
// Whether the run-time user can read a file, or list a folder, according to its mode and the modes of the folders
// above.
bool is_readable_by_run_user(const std::string& path, const FileTrust& trust);
// A suffix for a message about a file or folder that the run-time user cannot read: "; " and a chmod command for each
// component whose mode prevents it. Empty if none does, if the file does not exist, and without `trust`. Components
// below a folder that this process itself cannot enter are not checked.
std::string hint_of_unreadable(const std::string& path, const FileTrust* trust);

// Resolves an absolute path as the kernel does, symbolic links included. Calls `step` for each component with its
// folder, its name and both as a path; `step` returns what exists there. Returns the path without links, or "" if a
// component is missing or the links form a loop.
enum class StepKind { kNothing, kLink, kOther };
using PathStep = std::function<StepKind(const std::string& folder, const std::string& name, const std::string& path)>;
std::string follow_path(const std::string& path, const PathStep& step);

// One component of a path as the kernel resolves it: a folder, a symbolic link, or the file itself.
struct PathComponent {
    std::string path;
    struct stat info {};
};

// The folder of the file that was read last. It is walked once for consecutive files of one folder.
struct WalkedFolder {
    std::string folder;
    std::vector<PathComponent> components;  // empty if one is missing or the links form a loop
};

// The content of a regular file of at most `limit` bytes, or the reason why it cannot be read. With `trust`, checks the
// owner and mode of the opened file, and of the folders above it unless `walked` has them.
Result<std::string> read_whole_file(const std::string& path, std::size_t limit, const FileTrust* trust = nullptr,
                                    WalkedFolder* walked = nullptr);

// SHA-256 of that content, without keeping it in memory.
Result<std::string> file_sha256(const std::string& path, std::size_t limit, const FileTrust* trust = nullptr,
                                WalkedFolder* walked = nullptr);

// A text that differs when the file was replaced or changed (device, inode, size, mtime, ctime), without reading it.
// Empty if there is no file, or if it changed less than 2 s ago: the file system's clock may be too coarse to show one
// more change.
std::string settled_stamp(const std::string& path);

// The folder above the first wildcard of a pattern.
std::string glob_folder(const std::string& pattern);

// Whether a name contains wildcards of glob(7).
bool is_glob(const std::string& pattern);

// The files that match a pattern now, sorted. An error if a folder cannot be read, so that an empty result means
// "none"; with `trust`, it ends with hint_of_unreadable(). A name without wildcards is returned as it is, whether or
// not the file exists; so is one with them that fits no file but is the name of one.
Result<std::vector<std::string>> expand(const std::string& pattern, const FileTrust* trust = nullptr);
// The same past folders that cannot be read. `fault`: what expand() would return; "" if all were read.
struct Matches {
    std::vector<std::string> files;
    std::string fault;
};
Matches expand_readable(const std::string& pattern, const FileTrust* trust = nullptr);
// Whether expand() would find a file of this path, if it existed.
bool is_match(const std::string& pattern, const std::string& path);

// Whether the file certainly does not exist: its folder can be listed and does not contain it.
bool is_certainly_gone(const std::string& path);

// A suffix for a message about a file that does not exist: the missing folder with the command that makes it, or the
// most similar name in the folder. Empty if the file exists.
std::string hint_of_missing(const std::string& path);

// The argument of a directive that names files: one absolute path or glob(7) pattern.
struct WatchedFiles {
    std::string pattern;
    std::string spelled;  // as written in the directive
    Where where;
};

}  // namespace mtls
