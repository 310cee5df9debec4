// Files as the configuration names them: read whole, and only where nobody but their owners can have changed them.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mtls_authz/base/result.hpp"

namespace mtls {

// Who could change a file that decides who is let in. A file passes where it is a regular one, owned by root, the
// starter or the fetcher and not by the run-time user, and writable by neither others nor the run-time user's groups;
// so does every folder on the way to it, symbolic links resolved (sticky folders of root may be writable by others).
struct FileTrust {
    uid_t starter = 0;                    // whoever started the server
    uid_t run_user = 0;                   // as whom its children run
    gid_t run_group = 0;                  // and with which group
    std::vector<gid_t> more_groups = {};  // the others that the run-time user belongs to
    std::optional<uid_t> fetcher = {};    // MTLSFetchUser: may own what it fetches, too

    bool has_own_user() const { return run_user != starter; }
    bool runs_with(gid_t group) const;
};

// Why a file cannot be trusted, with the command that mends it; "" where it can.
std::string find_trust_fault(const std::string& path, const FileTrust& trust);
// Whether the run-time user can read a file, or list a folder, by its mode and those of the folders on the way.
bool is_readable_by_run_user(const std::string& path, const FileTrust& trust);

// Follows an absolute path as the kernel does, symbolic links included. `step` is called for each component, with the
// folder that it is in, its name, and both as a path, and says what is there. Returns the path without links, or ""
// where it leads nowhere or in circles.
enum class StepKind { kNothing, kLink, kOther };
using PathStep = std::function<StepKind(const std::string& folder, const std::string& name, const std::string& path)>;
std::string follow_path(const std::string& path, const PathStep& step);

// The content of a regular file of at most `limit` bytes; otherwise why it cannot be had. With `trust`, what was opened
// is judged.
Result<std::string> read_whole_file(const std::string& path, std::size_t limit, const FileTrust* trust = nullptr);

// SHA-256 of that content, which is not kept.
Result<std::string> file_sha256(const std::string& path, std::size_t limit, const FileTrust* trust = nullptr);

// What tells two states of a file apart without reading it; empty where there is no file, or it was changed so recently
// that the clock of the file system could not tell one more change.
std::string settled_stamp(const std::string& path);

// The folder above a pattern's first wildcard.
std::string glob_folder(const std::string& pattern);

// Whether a name holds wildcards of glob(7).
bool is_glob(const std::string& pattern);

// The files that a pattern names now, sorted; an error where a folder cannot be read, so that "none" is certain.
// A name without wildcards names itself, whether or not it exists.
Result<std::vector<std::string>> expand(const std::string& pattern);

// Whether the file is certainly not there: its folder can be read and does not hold it.
bool is_certainly_gone(const std::string& path);

// Files that a directive names, as one absolute name or glob(7) pattern.
struct WatchedFiles {
    std::string pattern;
    std::string spelled;  // as the directive has it
    Where where;
};

}  // namespace mtls
