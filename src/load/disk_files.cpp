#include "mtls_authz/load/disk_files.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/load/policy_builder.hpp"

namespace mtls {

void DiskFiles::set_trust(const FileTrust& trust) {
    fetched_trust_ = trust_ = trust;
    trust_->fetcher.reset();
}

const FileTrust* DiskFiles::trust_for(const std::string& path) const {
    const auto& trust = fetched_.contains(path) ? fetched_trust_ : trust_;
    return trust ? &*trust : nullptr;
}

bool DiskFiles::is_hidden_from_run_user(const std::string& path) const {
    return trust_ && geteuid() == trust_->starter && !is_readable_by_run_user(path, *trust_);
}

void DiskFiles::keep_cached(const Policy& in_force) {
    if (pinned_.empty() && pinned_patterns_.empty()) return;
    std::map<std::string_view, std::string_view> digests;
    for (const PolicyFile& file : in_force.files()) digests.emplace(file.name.view(), file.digest.view());
    const auto is_in_force = [&](const std::string& name, const std::string& digest) {
        const auto file = digests.find(name);
        return file != digests.end() && file->second == digest;
    };
    std::erase_if(pinned_, [&](const auto& file) { return !is_in_force(file.first, sha256(file.second)); });
    std::erase_if(pinned_patterns_,
                  [&](const auto& files) { return !is_in_force(files.first, digest_of_names(files.second)); });
}

Result<std::vector<std::string>> DiskFiles::files_of(const std::string& pattern) {
    if (is_database_name(pattern)) return sight_.files_of(pattern, row_kind::kPolicy);
    auto files = expand(pattern, trust_ ? &*trust_ : nullptr);
    if (files.ok() && is_glob(pattern) && is_hidden_from_run_user(glob_folder(pattern))) {
        pinned_patterns_[pattern] = files.value();
    }
    const auto pinned = files.ok() ? pinned_patterns_.end() : pinned_patterns_.find(pattern);
    if (pinned != pinned_patterns_.end()) return pinned->second;
    return files;
}

Result<std::string> DiskFiles::read(const std::string& path, std::size_t limit) {
    if (is_database_name(path)) return sight_.read(path, limit);
    auto content = read_whole_file(path, limit, trust_for(path), &walked_);
    if (!trust_) return content;
    if (content.ok() && is_hidden_from_run_user(path)) pinned_[path] = content.value();
    if (!content.ok() && content.error() == std::strerror(EACCES)) {
        const auto pinned = pinned_.find(path);
        if (pinned != pinned_.end()) return pinned->second;
    }
    return content;
}

Result<std::string> DiskFiles::digest_of(const std::string& path, std::size_t limit) {
    if (is_database_name(path)) return sight_.digest_of(path);
    auto digest = file_sha256(path, limit, trust_for(path), &walked_);
    const bool is_hidden = !digest.ok() && digest.error() == std::strerror(EACCES);
    const auto pinned = is_hidden ? pinned_.find(path) : pinned_.end();
    if (pinned != pinned_.end()) return sha256(pinned->second);
    return digest;
}

}  // namespace mtls
