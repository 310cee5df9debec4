// The names of watched files: which a file system can watch (all but the rows of a database), and which a pattern
// names.
#pragma once

#include <sys/stat.h>

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mtls_authz/base/file.hpp"
#include "mtls_authz/load/database_view.hpp"

namespace mtls {

// `files`: a map by path.
template <class Files>
std::vector<std::string> paths_on_disk(const Files& files) {
    std::vector<std::string> out;
    for (const auto& [path, file] : files) {
        if (!is_database_name(path)) out.push_back(path);
    }
    return out;
}

// The paths, and the patterns that may match more files later. `patterns`: each with its WatchedFiles.
template <class Files, class Patterns>
std::vector<std::string> names_on_disk(const Files& files, const Patterns& patterns) {
    auto out = paths_on_disk(files);
    for (const auto& pattern : patterns) {
        if (!is_database_name(pattern.files.pattern)) out.push_back(pattern.files.pattern);
    }
    return out;
}

// Whether this pattern names this file or row, be it there or not.
inline bool may_name(const std::string& pattern, const std::string& path) {
    return pattern == kAllRows ? is_database_name(path) : is_match(pattern, path);
}

// The rows of a pattern.
inline Matches matches_in_database(const std::string& pattern, const DatabaseSight& sight, std::string_view kind) {
    auto rows = sight.files_of(pattern, kind);
    return {rows.ok() ? std::move(rows.value()) : std::vector<std::string>(), sight.fault};
}

// The files on disk of a pattern: those that it finds, and beside a folder that cannot be listed the `known` ones that
// are there. `known`: a map by path.
template <class Files>
Matches matches_on_disk(const std::string& pattern, const FileTrust* trust, const Files& known) {
    Matches out = expand_readable(pattern, trust);
    if (out.fault.empty()) return out;
    const std::set<std::string> found(out.files.begin(), out.files.end());
    for (const auto& [path, file] : known) {
        struct stat info {};
        if (is_match(pattern, path) && !found.contains(path) && stat(path.c_str(), &info) == 0) {
            out.files.push_back(path);
        }
    }
    return out;
}

// Warns of a pattern that fits no file when it is looked at for the first time: if it is mistyped, the refusals that it
// should have found do not count. `was_seen`: set by the first call.
inline void warn_of_empty(std::string_view directive, std::string_view consequence, const WatchedFiles& files,
                          bool is_empty, bool& was_seen, std::vector<Diagnostic>& findings) {
    if (std::exchange(was_seen, true) || !is_empty) return;
    findings.push_back(
        {Diagnostic::Severity::kWarning, files.where,
         std::string(directive) + " " + files.spelled + ": no file fits yet: " + std::string(consequence)});
}

}  // namespace mtls
