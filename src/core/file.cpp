#include "mtls_authz/file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace mtls {

namespace {

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

private:
    int fd_;
};

bool can_list(const std::string& folder) {
    DIR* const open = opendir(folder.c_str());
    if (open != nullptr) closedir(open);
    return open != nullptr;
}

}  // namespace

Result<std::string> read_whole_file(const std::string& path, std::size_t limit) {
    // Not blocking: what was a file yesterday may be a pipe today.
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (file.get() < 0) return Error{std::strerror(errno)};
    struct stat info {};
    if (fstat(file.get(), &info) != 0) return Error{std::strerror(errno)};
    if (!S_ISREG(info.st_mode)) return Error{"is not a regular file"};
    if (static_cast<std::size_t>(info.st_size) > limit) {
        return Error{"is larger than " + std::to_string(limit >> 20) + " MiB"};
    }
    std::string content;
    char buffer[65536];
    for (;;) {
        const ssize_t n = read(file.get(), buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return Error{std::strerror(errno)};
        if (n == 0) return content;
        content.append(buffer, static_cast<std::size_t>(n));
        if (content.size() > limit) return Error{"grows while it is read"};
    }
}

std::string settled_stamp(const std::string& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) return {};
    constexpr time_t kSettled = 2;
    if (std::time(nullptr) - std::max(info.st_mtim.tv_sec, info.st_ctim.tv_sec) < kSettled) return {};
    std::string out;
    for (const auto part : {static_cast<long long>(info.st_dev), static_cast<long long>(info.st_ino),
                            static_cast<long long>(info.st_size), static_cast<long long>(info.st_mtim.tv_sec),
                            static_cast<long long>(info.st_mtim.tv_nsec), static_cast<long long>(info.st_ctim.tv_sec),
                            static_cast<long long>(info.st_ctim.tv_nsec)}) {
        out += std::to_string(part) + ".";
    }
    return out;
}

bool is_glob(const std::string& pattern) { return pattern.find_first_of("*?[") != std::string::npos; }

Result<std::vector<std::string>> expand(const std::string& pattern) {
    if (!is_glob(pattern)) return std::vector<std::string>{pattern};
    glob_t found{};
    const int status = glob(pattern.c_str(), GLOB_ERR, nullptr, &found);
    std::vector<std::string> files(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    globfree(&found);
    const std::string fixed = pattern.substr(0, pattern.find_first_of("*?["));
    const std::string folder = fixed.substr(0, fixed.rfind('/') + 1);
    // glob(3) takes a folder that is not there for an empty one.
    if ((status != 0 && status != GLOB_NOMATCH) || !can_list(folder.empty() ? "." : folder)) {
        return Error{"a folder of " + pattern + " cannot be read"};
    }
    return files;
}

bool is_certainly_gone(const std::string& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) == 0 || errno != ENOENT) return false;
    const std::size_t slash = path.rfind('/');
    return can_list(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

}  // namespace mtls
