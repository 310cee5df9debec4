#include "mtls_authz/base/file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <grp.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "mtls_authz/base/digest.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/system/access_acl.hpp"
#include "mtls_authz/system/file_passing.hpp"
#include "mtls_authz/system/file_times.hpp"

namespace mtls {

namespace {

bool can_list(const std::string& folder) {
    DIR* const open = opendir(folder.c_str());
    if (open != nullptr) closedir(open);
    return open != nullptr;
}

std::string user_name(uid_t user) {
    std::string buffer(4096, '\0');
    passwd entry{};
    passwd* found = nullptr;
    const bool is_found = getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
    return is_found ? found->pw_name : std::to_string(user);
}

std::string group_name(gid_t group) {
    std::string buffer(65536, '\0');
    ::group entry{};
    ::group* found = nullptr;
    const bool is_found = getgrgid_r(group, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
    return is_found ? found->gr_name : std::to_string(group);
}

// Empty if a component is missing or the links form a loop.
std::vector<PathComponent> walk(const std::string& path) {
    std::vector<PathComponent> out;
    const auto add = [&out](const std::string& at) {
        PathComponent component{at, {}};
        if (lstat(at.c_str(), &component.info) != 0) return StepKind::kNothing;
        out.push_back(std::move(component));
        return S_ISLNK(out.back().info.st_mode) ? StepKind::kLink : StepKind::kOther;
    };
    if (add("/") == StepKind::kNothing) return {};
    const std::string end =
        follow_path(path, [&add](const std::string&, const std::string&, const std::string& at) { return add(at); });
    return end.empty() ? std::vector<PathComponent>() : out;
}

// The same, for a file whose folder may have been walked.
std::vector<PathComponent> walk(const std::string& path, WalkedFolder& walked) {
    const std::size_t slash = path.rfind('/');
    const std::string folder = path.substr(0, slash == std::string::npos ? 0 : slash);
    if (folder.empty()) return walk(path);
    if (walked.folder != folder) walked = {folder, walk(folder)};
    PathComponent file{path, {}};
    const bool is_there = !walked.components.empty() && lstat(path.c_str(), &file.info) == 0;
    if (!is_there || !S_ISREG(file.info.st_mode)) return walk(path);
    std::vector<PathComponent> out = walked.components;
    out.push_back(std::move(file));
    return out;
}

constexpr unsigned kRead = 4, kWrite = 2, kPass = 1;

constexpr std::string_view kStranger = "who is neither root nor who started it";

std::string written_by_acl(const std::string& path, const std::string& who, std::string_view why,
                           const std::string& entry) {
    return path + " can be written, by its ACL, by " + who + ", " + std::string(why) + ": setfacl -x " + entry + " " +
           path;
}

// Whom the group's bits of the mode let write: these are the mask where there is an ACL, and then a named user can be
// meant. One is trusted who may also own the file; a group, as without an ACL, with which the server does not run.
std::string fault_of_group_bits(const PathComponent& component, const FileTrust& trust) {
    const std::string path = shell_quoted(component.path);
    AccessAcl acl;
    acl.owning_group = kWrite;
    if (read_access_acl(component.path, acl) == AclAnswer::kUnreadable) {
        return path + " has an ACL that cannot be read (" + std::strerror(errno) + "): setfacl -b " + path;
    }
    if ((acl.owning_group & kWrite) != 0 && trust.runs_with(component.info.st_gid)) {
        return path + " can be written by a group with which the server runs: chmod g-w " + path;
    }
    for (const auto& [user, permissions] : acl.users) {
        const bool is_run_user = trust.has_own_user() && user == trust.run_user;
        const bool is_trusted = user == 0 || user == trust.starter || user == trust.fetcher;
        if ((permissions & kWrite) == 0 || (is_trusted && !is_run_user)) continue;
        const std::string name = user_name(user);
        return written_by_acl(path, name, is_run_user ? "as whom the server runs" : kStranger, "u:" + name);
    }
    for (const auto& [group, permissions] : acl.groups) {
        if ((permissions & kWrite) == 0 || !trust.runs_with(group)) continue;
        const std::string name = group_name(group);
        return written_by_acl(path, "the group " + name, "with which the server runs", "g:" + name);
    }
    return {};
}

std::string trust_fault_of(const PathComponent& component, const FileTrust& trust) {
    const struct stat& info = component.info;
    const auto quoted = [&] { return shell_quoted(component.path); };
    // If the children run as the starter, an attacker who takes over the server owns these files anyway; one warning at
    // start says so.
    if (trust.has_own_user()) {
        const bool owned_by_run_user = info.st_uid == trust.run_user;
        const bool owned_well = info.st_uid == 0 || info.st_uid == trust.starter || info.st_uid == trust.fetcher;
        if (owned_by_run_user || !owned_well) {
            return quoted() + " belongs to " + user_name(info.st_uid) +
                   (owned_by_run_user ? ", as whom the server runs" : ", who is neither root nor who started it") +
                   ": chown " + (S_ISLNK(info.st_mode) ? "-h " : "") + user_name(trust.starter) + " " + quoted();
        }
    }
    if (S_ISLNK(info.st_mode)) return {};
    const bool sticky = S_ISDIR(info.st_mode) && (info.st_mode & S_ISVTX) != 0 && info.st_uid == 0;
    if ((info.st_mode & S_IWOTH) != 0 && !sticky) {
        return quoted() + " can be written by everybody: chmod o-w " + quoted();
    }
    return (info.st_mode & S_IWGRP) != 0 && !sticky ? fault_of_group_bits(component, trust) : "";
}

std::string trust_fault_of(const std::vector<PathComponent>& path, const FileTrust& trust) {
    for (const PathComponent& component : path) {
        std::string fault = trust_fault_of(component, trust);
        if (!fault.empty()) return fault;
    }
    return {};
}

bool same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

}  // namespace

std::string follow_path(const std::string& path, const PathStep& step) {
    constexpr int kMostLinks = 40;   // the kernel's limit
    std::vector<std::string> ahead;  // components left to resolve, the next one last
    const auto push = [&ahead](std::string_view part) {
        const auto parts = split(part, '/');
        for (auto it = parts.rbegin(); it != parts.rend(); ++it) {
            if (!it->empty() && *it != ".") ahead.emplace_back(*it);
        }
    };
    push(path);
    std::string here = "/";
    for (int links = 0; !ahead.empty();) {
        const std::string name = std::move(ahead.back());
        ahead.pop_back();
        if (name == "..") {
            here = here.substr(0, std::max<std::size_t>(1, here.rfind('/')));
            continue;
        }
        std::string next = here;
        if (next != "/") next += '/';
        next += name;
        const StepKind kind = step(here, name, next);
        if (kind == StepKind::kNothing) return {};
        if (kind == StepKind::kOther) {
            here = std::move(next);
            continue;
        }
        char target[4096];
        const ssize_t n = readlink(next.c_str(), target, sizeof target);
        if (n <= 0 || n == static_cast<ssize_t>(sizeof target) || ++links > kMostLinks) return {};
        push({target, static_cast<std::size_t>(n)});
        if (target[0] == '/') here = "/";
    }
    return here;
}

bool FileTrust::runs_with(gid_t group) const {
    return group == run_group || std::find(more_groups.begin(), more_groups.end(), group) != more_groups.end();
}

std::string find_trust_fault(const std::string& path, const FileTrust& trust) {
    return trust_fault_of(walk(path), trust);
}

namespace {

constexpr char kByAcl = 'a';

// What the run-time user lacks to read a file, to list a folder that is the last component, or to pass another one.
struct Lack {
    char who;        // whose modes count: 'u', 'g' or 'o'; kByAcl: an entry of the file's ACL counts
    unsigned modes;  // of kRead and kPass
};
Lack lack_of(const PathComponent& component, bool is_last, const FileTrust& trust) {
    const struct stat& info = component.info;
    const unsigned wanted = !S_ISDIR(info.st_mode) ? kRead : is_last ? kRead | kPass : kPass;
    if (info.st_uid == trust.run_user) return {'u', wanted & ~(info.st_mode >> 6U)};
    const bool is_of_group = trust.runs_with(info.st_gid);
    const Lack by_mode = is_of_group ? Lack{'g', wanted & ~(info.st_mode >> 3U)} : Lack{'o', wanted & ~info.st_mode};
    // The group bits show the mask of an ACL, and no entry grants more than the mask: without all wanted bits there,
    // the ACL need not be read.
    AccessAcl acl;
    const bool may_be_named = (wanted & (info.st_mode >> 3U)) == wanted;
    if (!may_be_named || read_access_acl(component.path, acl) != AclAnswer::kRead) return by_mode;
    const auto lacks = [&](unsigned permissions) { return Lack{kByAcl, wanted & ~permissions}; };
    for (const auto& [user, permissions] : acl.users) {
        if (user == trust.run_user) return lacks(permissions);
    }
    std::optional<Lack> by_group;
    const auto add = [&](unsigned permissions) {
        if (!by_group || by_group->modes != 0) by_group = lacks(permissions);
    };
    if (is_of_group) add(acl.owning_group);
    for (const auto& [group, permissions] : acl.groups) {
        if (trust.runs_with(group)) add(permissions);
    }
    return by_group.value_or(by_mode);
}

}  // namespace

bool is_readable_by_run_user(const std::string& path, const FileTrust& trust) {
    if (!trust.has_own_user()) return true;
    const auto components = walk(path);
    return !components.empty() && std::all_of(components.begin(), components.end(), [&](const PathComponent& one) {
        return S_ISLNK(one.info.st_mode) || lack_of(one, &one == &components.back(), trust).modes == 0;
    });
}

namespace {

// Passes the content of a file to `take`, piece by piece. Returns "", or why that failed.
template <class Take>
std::string read_pieces(const std::string& path, std::size_t limit, const FileTrust* trust, WalkedFolder* walked,
                        Take&& take) {
    // Non-blocking: a path may name a pipe by now, and opening a pipe would block.
    const OwnedFile file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (file.get() < 0) return std::strerror(errno);
    struct stat info {};
    if (fstat(file.get(), &info) != 0) return std::strerror(errno);
    if (!S_ISREG(info.st_mode)) return "is not a regular file";
    if (trust != nullptr) {
        const auto components = walked != nullptr ? walk(path, *walked) : walk(path);
        if (components.empty()) return std::strerror(ENOENT);  // removed since it was opened
        if (!same_file(components.back().info, info)) return "changes while it is read";
        const std::string fault = trust_fault_of(components, *trust);
        if (!fault.empty()) return "is not safe: " + fault;
    }
    if (static_cast<std::size_t>(info.st_size) > limit) {
        return "is larger than " + std::to_string(limit >> 20) + " MiB";
    }
    std::size_t size = 0;
    // The content may be a secret, and children inherit the stack: erases what was read.
    struct Buffer {
        ~Buffer() { OPENSSL_cleanse(bytes, used); }
        std::size_t used = 0;
        char bytes[65536];
    } buffer;
    for (;;) {
        const ssize_t n = ::read(file.get(), buffer.bytes, sizeof buffer.bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return std::strerror(errno);
        if (n == 0) return {};
        buffer.used = std::max(buffer.used, static_cast<std::size_t>(n));
        size += static_cast<std::size_t>(n);
        if (size > limit) return "grows while it is read";
        take(std::string_view(buffer.bytes, static_cast<std::size_t>(n)));
    }
}

}  // namespace

Result<std::string> read_whole_file(const std::string& path, std::size_t limit, const FileTrust* trust,
                                    WalkedFolder* walked) {
    std::string content;
    struct stat info {};
    if (stat(path.c_str(), &info) == 0) content.reserve(std::min(limit, static_cast<std::size_t>(info.st_size)));
    std::string fault =
        read_pieces(path, limit, trust, walked, [&content](std::string_view piece) { content.append(piece); });
    if (!fault.empty()) return Error{std::move(fault)};
    return content;
}

Result<std::string> file_sha256(const std::string& path, std::size_t limit, const FileTrust* trust,
                                WalkedFolder* walked) {
    Sha256 digest;
    std::string fault =
        read_pieces(path, limit, trust, walked, [&digest](std::string_view piece) { digest.add(piece); });
    if (!fault.empty()) return Error{std::move(fault)};
    return digest.finish();
}

std::string glob_folder(const std::string& pattern) {
    const std::string fixed = pattern.substr(0, pattern.find_first_of("*?["));
    const std::string folder = fixed.substr(0, fixed.rfind('/') + 1);
    return folder.empty() ? "." : folder;
}

std::string settled_stamp(const std::string& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) return {};
    constexpr time_t kSettled = 2;
    const timespec modified = modified_at(info), changed = changed_at(info);
    if (std::time(nullptr) - std::max(modified.tv_sec, changed.tv_sec) < kSettled) return {};
    std::string out;
    for (const auto part : {static_cast<long long>(info.st_dev), static_cast<long long>(info.st_ino),
                            static_cast<long long>(info.st_size), static_cast<long long>(modified.tv_sec),
                            static_cast<long long>(modified.tv_nsec), static_cast<long long>(changed.tv_sec),
                            static_cast<long long>(changed.tv_nsec)}) {
        out += std::to_string(part) + ".";
    }
    return out;
}

bool is_glob(const std::string& pattern) { return pattern.find_first_of("*?[") != std::string::npos; }

namespace {

// False if a folder cannot be read. A missing one counts as empty.
bool find_matches(const std::string& pattern, int flags, std::vector<std::string>& files) {
    glob_t found{};
    const int status = glob(pattern.c_str(), flags, nullptr, &found);
    files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    globfree(&found);
    return status == 0 || status == GLOB_NOMATCH;
}

// What makes a folder that is missing: mkdir would fail below a link that leads nowhere.
std::string remedy_of_missing(const std::string& folder) {
    for (std::size_t slash = 0; slash < folder.size();) {
        slash = std::min(folder.find('/', slash + 1), folder.size());
        const std::string above = folder.substr(0, slash);
        struct stat info {};
        const bool is_link = lstat(above.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
        if (is_link && access(above.c_str(), F_OK) != 0) {
            return shell_quoted(above) + " is a link that leads nowhere: ln -sfn FOLDER " + shell_quoted(above);
        }
    }
    return "mkdir -p " + shell_quoted(folder);
}

// The first folder of a pattern that cannot be listed.
std::string unreadable_folder(const std::string& pattern) {
    for (std::size_t slash = pattern.find('/'); slash != std::string::npos; slash = pattern.find('/', slash + 1)) {
        const std::size_t length = pattern.find('/', slash + 1) - slash - 1;
        if (!is_glob(pattern.substr(slash + 1, length))) continue;
        std::vector<std::string> folders;
        find_matches(pattern.substr(0, std::max<std::size_t>(1, slash)), 0, folders);
        for (const std::string& folder : folders) {
            if (!can_list(folder) && errno != ENOTDIR) return folder;
        }
    }
    return glob_folder(pattern);
}

}  // namespace

Matches expand_readable(const std::string& pattern, const FileTrust* trust) {
    if (!is_glob(pattern)) return {{pattern}, ""};
    Matches out;
    std::string folder = glob_folder(pattern);
    errno = 0;
    const bool is_listed = can_list(folder);
    if (find_matches(pattern, GLOB_ERR, out.files) && is_listed) {
        // app[prod]/revoked.conf: a name by itself
        if (out.files.empty() && access(pattern.c_str(), F_OK) == 0) out.files = {pattern};
        return out;
    }
    const int cause = errno;
    find_matches(pattern, 0, out.files);
    const bool is_missing = !is_listed && access(folder.c_str(), F_OK) != 0 && errno == ENOENT;
    out.fault = "a folder of " + pattern + " cannot be read";
    const bool is_told_below = cause == 0 || cause == ENOENT || cause == EACCES || cause == ENOTDIR;
    if (!is_told_below) out.fault += std::string(" (") + std::strerror(cause) + ")";
    if (is_missing) out.fault += ": there is no " + shell_quoted(folder) + "; " + remedy_of_missing(folder);
    if (is_listed) {
        folder = unreadable_folder(pattern);
        out.fault += ": " + shell_quoted(folder);
    }
    out.fault += hint_of_unreadable(folder, trust);
    return out;
}

Result<std::vector<std::string>> expand(const std::string& pattern, const FileTrust* trust) {
    Matches out = expand_readable(pattern, trust);
    if (!out.fault.empty()) return Error{std::move(out.fault)};
    return std::move(out.files);
}

bool is_match(const std::string& pattern, const std::string& path) {
    return pattern == path ||
           (is_glob(pattern) && fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0);
}

namespace {

std::string hint_of_folder(const std::string& folder) {
    return "; there is no folder " + shell_quoted(folder) + ": " + remedy_of_missing(folder);
}

std::vector<std::string> names_in(const std::string& folder) {
    constexpr std::size_t kMost = 1000;
    std::vector<std::string> out;
    DIR* const open = opendir(folder.c_str());
    if (open == nullptr) return out;
    while (const dirent* const entry = readdir(open)) {
        if (out.size() < kMost) out.emplace_back(entry->d_name);
    }
    closedir(open);
    return out;
}

}  // namespace

std::string hint_of_missing(const std::string& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) == 0 || errno != ENOENT) return {};
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(1, slash));
    if (stat(folder.c_str(), &info) != 0) return errno == ENOENT ? hint_of_folder(folder) : "";
    const std::vector<std::string> names = names_in(folder);
    const std::vector<std::string_view> candidates(names.begin(), names.end());
    return did_you_mean(path.substr(slash == std::string::npos ? 0 : slash + 1), candidates);
}

bool is_certainly_gone(const std::string& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) == 0 || errno != ENOENT) return false;
    const std::size_t slash = path.rfind('/');
    return can_list(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

std::string hint_of_unreadable(const std::string& path, const FileTrust* trust) {
    // Modes do not stop root.
    if (trust == nullptr || trust->run_user == 0) return {};
    std::vector<PathComponent> components;  // without links
    bool is_missing = false;
    const std::string end = follow_path(path, [&](const std::string&, const std::string&, const std::string& at) {
        PathComponent component{at, {}};
        if (lstat(at.c_str(), &component.info) != 0) {
            is_missing = errno != EACCES;
            return StepKind::kNothing;
        }
        if (S_ISLNK(component.info.st_mode)) return StepKind::kLink;
        components.push_back(std::move(component));
        return StepKind::kOther;
    });
    if (is_missing) return {};
    std::string out;
    for (const PathComponent& one : components) {
        const auto [who, modes] = lack_of(one, one.path == end, *trust);
        if (modes == 0) continue;
        out += out.empty() ? "; " : " && ";
        const std::string missing = std::string((modes & kRead) != 0 ? "r" : "") + ((modes & kPass) != 0 ? "x" : "");
        // What an entry has already is as good as what the command adds.
        out += who == kByAcl
                   ? "setfacl -m u:" + user_name(trust->run_user) + ":r" + (S_ISDIR(one.info.st_mode) ? "x" : "")
                   : std::string("chmod ") + who + "+" + missing;
        out += " " + shell_quoted(one.path);
    }
    return out;
}

}  // namespace mtls
