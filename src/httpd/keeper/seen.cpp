#include "httpd/keeper/seen.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "httpd/config/config.hpp"
#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/ledger/sighting_file.hpp"

extern "C" {
#include <unixd.h>
}

namespace mtls::httpd {

namespace {

// Creates or checks the folder; returns the fault, or "". Refuses a link, and a folder of another user.
std::string make_folder(const char* path) {
    constexpr mode_t kOwnerAlone = 0700;
    const bool is_root = geteuid() == 0;
    const uid_t owner = is_root ? ap_unixd_config.user_id : geteuid();
    const bool is_new = mkdir(path, kOwnerAlone) == 0;
    if (!is_new && errno != EEXIST) return std::strerror(errno);
    if (is_new && is_root && lchown(path, owner, ap_unixd_config.group_id) != 0) return std::strerror(errno);
    struct stat info {};
    if (lstat(path, &info) != 0) return std::strerror(errno);
    return S_ISDIR(info.st_mode) && info.st_uid == owner ? "" : "it is not a folder of the run-time user's";
}

}  // namespace

void open_seen_folder(apr_pool_t* pconf, server_rec* s) {
    attempt(s, [&] {
        const char* const folder = ap_runtime_dir_relative(pconf, "mtls_authz-seen");
        const std::string fault = folder != nullptr ? make_folder(folder) : "there is no DefaultRuntimeDir";
        if (folder != nullptr && fault.empty()) {
            state().seen_file = std::string(folder) + "/sightings";
        } else {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                         "mtls_authz: the status page forgets at a restart who was seen: there is no folder %s: %s",
                         folder != nullptr ? folder : "-", fault.c_str());
        }
    });
}

// Runs once per ledger: a replacement keeper finds the restored sightings there.
void StatusUpdater::restore() const {
    Ledger& ledger = *state().ledger;
    const std::string& path = state().seen_file;
    if (ledger.is_restored.exchange(true) || path.empty() || is_certainly_gone(path)) return;
    const auto content = read_whole_file(path, kMostSightingBytes);
    const auto snapshot = state().live.policy.current();
    const auto since =
        content ? restore_sightings(content.value(), snapshot ? snapshot->policy.get() : nullptr, ledger.sightings)
                : Result<std::int64_t>(Error{content.error()});
    if (since) {
        ledger.watched_since = std::min(since.value(), ledger.since);
    } else {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server_,
                     "mtls_authz: %s is not used (%s): the status page does not know who was seen before the start",
                     path.c_str(), since.error().c_str());
    }
}

// Saves soon after a new certificate, else once a minute for changed times.
void StatusUpdater::save(std::int64_t now) {
    constexpr std::int64_t kLongest = 60;
    const Ledger& ledger = *state().ledger;
    const std::string& path = state().seen_file;
    if (path.empty()) return;
    std::uint64_t certificates = 1, times = 1;
    for (const Sightings::Seen& seen : ledger.sightings.all()) {
        for (const auto& certificate : seen.certificates) {
            certificates = mixed(mixed(certificates, seen.number), certificate.sighting.sha256.view());
            times = mixed(times, static_cast<std::uint64_t>(certificate.sighting.seen));
        }
    }
    if (certificates == certificates_digest_ && (times == times_digest_ || now - saved_ < kLongest)) return;
    const std::string text = sightings_text(ledger.sightings, ledger.watched_since);
    const std::string fault =
        text.size() <= kMostSightingBytes ? write_sightings(path, text) : "what was seen is too much for a file";
    saved_ = now;
    if (!fault.empty() && !std::exchange(is_failing_, true)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server_,
                     "mtls_authz: the status page will have forgotten after a restart who was seen: %s", fault.c_str());
    }
    if (!fault.empty()) return;
    certificates_digest_ = certificates;
    times_digest_ = times;
    is_failing_ = false;
}

void StatusUpdater::turn() {
    constexpr std::int64_t kHoursPause = 30, kLookPause = 5;
    const std::int64_t now = monotonic_seconds();
    restore();
    if (noted_ == 0 || now - noted_ >= kHoursPause) {
        state().ledger->note_hours(std::time(nullptr));
        noted_ = now;
    }
    if (compared_ != 0 && now - compared_ < kLookPause) return;
    compared_ = now;
    if (const auto snapshot = state().live.policy.current())
        marks_.update(state().ledger->sightings, *snapshot, std::time(nullptr));
    save(now);
}

}  // namespace mtls::httpd
