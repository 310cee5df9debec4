#include "working_copy.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "../terminal.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/system/file_passing.hpp"

namespace mtls::tool {

namespace fs = std::filesystem;

namespace {

// Adds the line `revision N` or `KIND/NAME SHA-256` to `to`. Returns whether it is one.
bool add_base_line(std::string_view line, BaseRevision& to, bool& has_revision) {
    constexpr std::size_t kHexDigits = 64;
    const std::size_t blank = std::min(line.find(' '), line.size()), slash = line.find('/');
    const std::string_view word = line.substr(0, blank), value = line.substr(std::min(blank + 1, line.size()));
    if (word == "revision") {
        const auto [end, wrong] = std::from_chars(value.data(), value.data() + value.size(), to.revision);
        has_revision = wrong == std::errc() && end == value.data() + value.size();
        return has_revision;
    }
    if (slash >= blank || !is_kind(word.substr(0, slash)) || !is_valid_row_name(word.substr(slash + 1))) return false;
    const bool is_digest =
        value.size() == kHexDigits && value.find_first_not_of("0123456789abcdef") == std::string_view::npos;
    return is_digest && to.digests.emplace(word, value).second;
}

}  // namespace

bool is_kind(std::string_view word) {
    return std::find(std::begin(kRowKinds), std::end(kRowKinds), word) != std::end(kRowKinds);
}

Result<std::optional<BaseRevision>> read_base(const std::string& folder) {
    constexpr std::size_t kLargest = 256UL << 20;
    const std::string file = folder + "/" + kBaseFile;
    if (!fs::exists(file)) return std::optional<BaseRevision>();
    const auto content = read_whole_file(file, kLargest);
    if (!content) return Error{file + ": " + content.error()};
    BaseRevision out;
    bool has_revision = false;
    std::size_t number = 0;
    for (const std::string_view line : split(content.value(), '\n')) {
        ++number;
        if (line.empty() || line.starts_with('#') || add_base_line(line, out, has_revision)) continue;
        return Error{file + ":" + std::to_string(number) + ": '" + escape_for_log(line, 200) +
                     "': expected 'revision 7' or 'KIND/NAME SHA-256', with the kind and the name of a row"};
    }
    if (!has_revision) return Error{file + ": expected a line like 'revision 7'"};
    return std::optional(std::move(out));
}

std::string place_of(const std::string& name, const DatabaseRow& row) { return row.kind + "/" + name; }

namespace {

constexpr std::string_view kUnfinished = ".mtls-authz-";
constexpr std::size_t kRandomLetters = 6;  // of mkstemp()

// A new file beside `file`, under a name that neither a row nor a file of the user can have. It is locked while this
// process runs.
class Unfinished {
public:
    explicit Unfinished(const fs::path& file)
        : name_((file.parent_path() / (std::string(kUnfinished) + std::string(kRandomLetters, 'X'))).string()) {
        fd_ = mkostemp(name_.data(), O_CLOEXEC);
        if (fd_ >= 0) flock(fd_, LOCK_EX | LOCK_NB);
    }
    ~Unfinished() {
        if (fd_ < 0) return;
        close(fd_);
        if (!is_renamed_) unlink(name_.c_str());
    }
    Unfinished(const Unfinished&) = delete;
    Unfinished& operator=(const Unfinished&) = delete;

    // Returns whether that succeeded; otherwise errno says why.
    bool become(const fs::path& file, std::string_view content) {
        const mode_t mask = umask(0);
        umask(mask);
        is_renamed_ = fd_ >= 0 && write(content) && fchmod(fd_, 0666 & ~mask) == 0 && fsync(fd_) == 0 &&
                      rename(name_.c_str(), file.c_str()) == 0;
        return is_renamed_;
    }

private:
    bool write(std::string_view content) const {
        while (!content.empty()) {
            const ssize_t n = ::write(fd_, content.data(), content.size());
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) return false;
            content.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }

    std::string name_;
    int fd_ = -1;
    bool is_renamed_ = false;
};

}  // namespace

void remove_unfinished(const std::string& folder) {
    std::vector<fs::path> places = {folder};
    for (const std::string_view kind : kRowKinds) places.push_back(fs::path(folder) / kind);
    std::error_code ignored;
    for (const fs::path& place : places) {
        for (const auto& entry : fs::directory_iterator(place, ignored)) {
            const std::string name = entry.path().filename().string();
            const bool is_named_so =
                name.starts_with(kUnfinished) && name.size() == kUnfinished.size() + kRandomLetters;
            if (!is_named_so || !fs::is_regular_file(entry.symlink_status(ignored))) continue;
            const OwnedFile file(open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
            if (file.get() >= 0 && flock(file.get(), LOCK_EX | LOCK_NB) == 0) unlink(entry.path().c_str());
        }
    }
}

std::string write_file(const std::string& file, const std::string& content) {
    std::error_code ignored;
    fs::create_directories(fs::path(file).parent_path(), ignored);
    Unfinished unfinished(file);
    return unfinished.become(file, content) ? "" : file + ": cannot be written: " + std::strerror(errno);
}

std::string write_base(const std::string& folder, const DatabaseRows& rows) {
    std::string text = "# Of mtls-authz pull: what was in the database when these files were as there.\nrevision " +
                       std::to_string(rows.revision) + "\n";
    for (const auto& [name, row] : rows.by_name) text += place_of(name, row) + " " + hex(bytes_of(row.digest)) + "\n";
    return write_file(folder + "/" + kBaseFile, text);
}

Result<std::unique_ptr<Database>> open_database(const std::pair<std::string, std::string>& driver_and_file) {
    const auto& [driver, file] = driver_and_file;
    if (std::find(std::begin(kDatabaseDrivers), std::end(kDatabaseDrivers), driver) == std::end(kDatabaseDrivers)) {
        return Error{"there is no driver '" + escape_for_log(driver, 60) + "'" +
                     did_you_mean(driver, kDatabaseDrivers) + ": expected pgsql, sqlite3 or mysql"};
    }
    const auto access = read_database_access(driver, file, nullptr);
    if (!access) return Error{access.error()};
    std::error_code ignored;
    // The parameters may be those of another driver, with a password.
    if (driver == "sqlite3" && !fs::exists(access.value().parameters, ignored)) {
        return Error{"'" + shown(file) + "' does not name a file that exists: expected the path of a SQLite database"};
    }
    auto opened = Database::open(access.value());
    if (!opened || driver != "sqlite3") return opened;
    // SQLite locks readers out while a writer commits, and APR does not wait for that. In milliseconds.
    const auto waits = opened.value()->select("PRAGMA busy_timeout = 5000", 1);
    if (!waits) return Error{waits.error()};
    return opened;
}

}  // namespace mtls::tool
