
#include "store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "mtls_authz/base/file.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::tool {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kNotes = "fetch-notes.json";
constexpr std::size_t kLargestFile = 512UL << 20;
// Readable for the server's users, writable for the fetch user only.
constexpr mode_t kFileMode = 0644;
constexpr mode_t kFolderMode = 0755;

std::string system_error(const std::string& path) { return path + ": " + std::strerror(errno); }

bool write_all(int fd, std::string_view content) {
    while (!content.empty()) {
        const ssize_t n = write(fd, content.data(), content.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        content.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const std::string& folder, bool dry) {
    std::unique_ptr<Store> out(new Store(std::filesystem::absolute(folder).lexically_normal(), dry));
    if (!dry) {
        for (const char* part : {"", "/crl", "/revoked", "/bundles"}) {
            const std::string path = out->folder_ + part;
            const bool is_new = mkdir(path.c_str(), kFolderMode) == 0;
            if (!is_new && errno != EEXIST) return Error{system_error(path)};
            // The umask may have taken rights away.
            if (is_new && chmod(path.c_str(), kFolderMode) != 0) return Error{system_error(path)};
        }
        const std::string lock = out->path(".lock");
        out->lock_ = OwnedFile(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kFileMode));
        if (out->lock_.get() < 0) return Error{system_error(lock)};
        if (flock(out->lock_.get(), LOCK_EX | LOCK_NB) != 0) {
            return Error{out->folder_ + ": another fetch is writing there"};
        }
    }
    out->read_notes();
    return out;
}

Result<std::string> Store::read(const std::string& name) const {
    auto content = read_whole_file(path(name), kLargestFile);
    if (!content && content.error() == std::strerror(ENOENT)) return std::string();
    return content;
}

std::string Store::write(const std::string& name, const std::string& content) const {
    if (dry_) return {};
    const std::string to = path(name);
    const std::size_t slash = to.rfind('/');
    const std::string folder = to.substr(0, slash), beside = folder + "/." + to.substr(slash + 1) + ".new";
    {
        // A killed run may have left it.
        unlink(beside.c_str());
        const OwnedFile file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kFileMode));
        if (file.get() < 0) return system_error(beside);
        const bool is_written =
            write_all(file.get(), content) && fchmod(file.get(), kFileMode) == 0 && fsync(file.get()) == 0;
        if (!is_written) {
            std::string fault = system_error(beside);
            unlink(beside.c_str());
            return fault;
        }
    }
    if (rename(beside.c_str(), to.c_str()) != 0) return system_error(to);
    const OwnedFile at(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return at.get() >= 0 && fsync(at.get()) == 0 ? std::string() : system_error(folder);
}

void Store::read_notes() {
    const auto content = read(kNotes);
    if (content && content.value().empty()) return;
    const Json json = content ? Json::parse(content.value(), nullptr, false) : Json();
    try {
        for (const auto& [name, note] : json.at("files").items()) {
            files[name] = {note.at("url"), {note.at("etag"), note.at("last_modified")}, note.at("sha256")};
        }
        for (const auto& [id, note] : json.at("answers").items()) {
            answers[id] = {note.at("status"), note.at("this_update"), note.at("next_update"), note.at("line")};
        }
    } catch (const nlohmann::json::exception&) {
        files.clear();
        answers.clear();
        notes_fault_ = path(kNotes) + (content ? " does not decode" : " cannot be read: " + content.error()) +
                       ": what is fetched is compared with the files alone";
    }
}

std::string Store::write_notes() const {
    Json json = {{"files", Json::object()}, {"answers", Json::object()}};
    for (const auto& [name, note] : files) {
        json["files"][name] = {{"url", note.url},
                               {"etag", note.validators.etag},
                               {"last_modified", note.validators.last_modified},
                               {"sha256", note.sha256}};
    }
    for (const auto& [id, note] : answers) {
        json["answers"][id] = {{"status", note.status},
                               {"this_update", note.this_update},
                               {"next_update", note.next_update},
                               {"line", note.line}};
    }
    constexpr int kIndent = 1;
    constexpr bool kAscii = true;
    return write(kNotes, json.dump(kIndent, ' ', kAscii, Json::error_handler_t::replace) + "\n");
}

}  // namespace mtls::tool
