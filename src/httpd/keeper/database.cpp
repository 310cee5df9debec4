#include "httpd/keeper/database.hpp"

#include <openssl/crypto.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "httpd/config/config.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/system/this_thread.hpp"

extern "C" {
#include <ap_listen.h>
#include <unixd.h>
}

namespace mtls::httpd {

namespace {

// The port distinguishes several servers of one machine.
std::string node_name() {
    std::array<char, 256> host{};
    gethostname(host.data(), host.size() - 1);
    std::string out = host.data();
    if (ap_listeners != nullptr && ap_listeners->bind_addr != nullptr) {
        out += ":" + std::to_string(ap_listeners->bind_addr->port);
    }
    return out;
}

std::optional<NodeState> state_of_node(const FileFaults& faults) {
    const LivePolicy& live = state().live.policy;
    const auto snapshot = live.current();
    NodeState out;
    out.node = state().database->node;
    out.revision = live.revision_in_force();
    if (snapshot) out.generation = snapshot->policy->generation();
    if (snapshot) out.since = live.in_force_since();
    const FileTroubles troubles = faults.troubles();
    if (troubles.policy && !troubles.policy->findings.empty()) {
        out.error = troubles.policy->findings.front();
    } else if (!troubles.gone.empty()) {
        out.error = "cannot be read: " + troubles.gone.begin()->first;
    } else if (!troubles.bad_lines.empty()) {
        out.error = troubles.bad_lines.front();
    }
    return out;
}

[[noreturn]] void poll_database(const server_rec* s, RowPart part, const FileFaults& faults) {
    using Clock = std::chrono::steady_clock;
    LivePolicy& live = state().live.policy;
    DatabaseView& view = part == RowPart::kPolicy ? live.database() : live.revocation_database();
    DatabaseReader reader(*state().database->access, part, view);
    const std::chrono::seconds interval(state().refresh_seconds), soon(10);
    for (;;) {
        const auto began = Clock::now();
        attempt(s, [&] {
            reader.poll();
            if (part == RowPart::kRevocations) return;
            const auto node = state_of_node(faults);
            const std::string fault = node ? reader.report(*node) : "";
            if (!fault.empty()) {
                ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                             "mtls_authz: table mtls_node: this server cannot tell the database what it has: %s",
                             fault.c_str());
            }
        });
        // After a fault polls soon again, however long the interval is.
        const auto due = began + (view.look().fault.empty() ? interval : std::min(interval, soon));
        std::this_thread::sleep_for(std::max<Clock::duration>(due - Clock::now(), std::chrono::milliseconds(100)));
    }
}

}  // namespace

HomeOfUser::HomeOfUser() {
    const passwd* const user = geteuid() == 0 ? getpwuid(ap_unixd_config.user_id) : nullptr;
    if (user == nullptr) return;
    const char* const home = std::getenv("HOME");
    if (home != nullptr) before_ = home;
    is_set_ = setenv("HOME", user->pw_dir, 1) == 0;
}

HomeOfUser::~HomeOfUser() {
    if (!is_set_) return;
    if (before_) setenv("HOME", before_->c_str(), 1);
    if (!before_) unsetenv("HOME");
}

void read_database() {
    PolicyDatabase* const database = state().database;
    if (database == nullptr) return;
    const HomeOfUser home;
    LivePolicy& live = state().live.policy;
    auto access = read_database_access(database->driver, database->file, live.trust());
    if (!access.ok()) {
        live.database().fail(access.error());
        live.revocation_database().fail(access.error());
        return;
    }
    database->access = std::move(access.value());
    // While the parent of a restart reads, no site is served: rows that take longer are read by the keeper.
    DatabaseAccess access_now = *database->access;
    constexpr std::chrono::seconds kLongest(10);
    if (is_restart()) access_now.until = std::chrono::steady_clock::now() + kLongest;
    DatabaseReader(access_now, RowPart::kPolicy, live.database()).poll();
    // After a fault of the first connection does not wait for a second one.
    const std::string fault = live.database().look().fault;
    if (live.database().look().rows == nullptr && !fault.empty()) return live.revocation_database().fail(fault);
    DatabaseReader(access_now, RowPart::kRevocations, live.revocation_database()).poll();
}

void start_reading_database(const server_rec* s, const FileFaults& faults) {
    if (state().database == nullptr || state().refresh_seconds == 0) return;
    if (!state().database->access) {
        // The keeper does not have the rights to read the parameters.
        const std::string fault = "the parameters could not be read when the server was restarted";
        state().live.policy.database().fail(fault);
        state().live.policy.revocation_database().fail(fault);
        return;
    }
    state().database->node = node_name();
    for (const RowPart part : {RowPart::kPolicy, RowPart::kRevocations}) {
        start_thread([s, part, &faults] { poll_database(s, part, faults); });
    }
}

void forget_database() noexcept {
    if (state().database == nullptr || !state().database->access) return;
    std::string& parameters = state().database->access->parameters;
    OPENSSL_cleanse(parameters.data(), parameters.size());
    parameters.clear();
}

}  // namespace mtls::httpd
