#include "mtls_authz/keeper/live_policy.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <functional>
#include <stdexcept>
#include <thread>
#include <utility>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/keeper/poll_timer.hpp"
#include "mtls_authz/load/lint.hpp"
#include "mtls_authz/system/heap.hpp"

namespace mtls {

namespace {

// Warns of files that the run-time user cannot read: a reload cannot see them, so their contents stay until a restart.
void warn_of_unreadable(const std::vector<std::string>& paths, const FileTrust& trust,
                        std::vector<Diagnostic>& reported) {
    for (const std::string& path : paths) {
        if (access(path.c_str(), F_OK) != 0 || is_readable_by_run_user(path, trust)) continue;
        reported.push_back({Diagnostic::Severity::kWarning,
                            {path, 0},
                            "will not reload: readable by root only; what it holds now stays until a restart" +
                                hint_of_unreadable(path, &trust)});
    }
}

void append_all(std::vector<Diagnostic>& to, std::vector<Diagnostic> more) {
    to.insert(to.end(), more.begin(), more.end());
}

// Polls one kind of files. An exception becomes a finding, once: it does not stop the other kinds, and the next poll
// retries. `last`: the exception of the last poll, or empty.
bool poll_guarded(const char* what, std::string& last, std::vector<Diagnostic>& findings,
                  const std::function<bool()>& look) {
    try {
        const bool is_changed = look();
        last.clear();
        return is_changed;
    } catch (const std::exception& e) {
        if (last == e.what()) return false;
        last = e.what();
        findings.push_back({Diagnostic::Severity::kError,
                            {},
                            std::string("the ") + what + " could not be looked at (" + e.what() +
                                "): what is in force stays so until a look that can"});
        return false;
    }
}

std::size_t index_of(Watched kind) { return static_cast<std::size_t>(kind); }

template <class T>
std::shared_ptr<const T> value_of(const std::shared_ptr<const Image>& image) {
    auto out = Image::root<T>(image);
    if (out == nullptr) throw std::runtime_error("it is damaged");
    return out;
}

const char* name_of(Watched kind) {
    switch (kind) {
        case Watched::kRefusals:
            return "revocations";
        case Watched::kCrls:
            return "CRLs";
        case Watched::kPolicy:
            break;
    }
    return "policy";
}

}  // namespace

// ---- before other processes are forked ------------------------------------------------------------------------------

void LivePolicy::set_trust(const FileTrust& trust) {
    disk_.set_trust(trust);
    revocation_files_.set_trust(*disk_.fetched_trust());
    crl_files_.set_trust(*disk_.fetched_trust());
}

void LivePolicy::add_server_ca(X509& ca) {
    server_cas_.emplace(read_name(*X509_get_subject_name(&ca)).canonical, &ca);
    crls_->verify_signers(known_cas(policy()));
}

void LivePolicy::share_between_processes(KeeperBoard& board) {
    board_ = &board;
    shelf_ = board.shelf;
    policy_rows_.set_floor(board.revision);
    revocation_rows_.set_floor(board.revocation_revision);
    source_.share();
    revocation_files_.share();
    crl_files_.share();
}

void LivePolicy::use_database(const std::string& spelled, const Where& where) {
    database_at_ = where;
    has_database_ = true;
    const WatchedFiles all{kAllRows, spelled, where};
    disk_.set_database(policy_rows_);
    source_.watch(all);
    crl_files_.set_database(policy_rows_);
    revocation_files_.set_database(revocation_rows_);
    revocation_files_.watch(all);
}

void LivePolicy::close_gates() {
    source_.invalidate();
    drop_policy();
}

// `is_restored`: what was in force before a restart is so now, and the look starts from it: a file that is gone or
// broken takes nothing away. Without it, revoked certificates would pass if `look` throws: no policy is used then.
void LivePolicy::look_at_start(Watched kind, bool is_restored, std::vector<Diagnostic>& findings,
                               const std::function<void()>& look) {
    try {
        look();
    } catch (const std::exception& e) {
        findings.push_back({is_restored ? Diagnostic::Severity::kWarning : Diagnostic::Severity::kError,
                            {},
                            std::string("the ") + name_of(kind) + " could not be read (" + e.what() +
                                "): " + (is_restored ? "what was in force stays so" : "the gates stay closed")});
        if (is_restored) return;
        lacks_refusals_ = kind == Watched::kRefusals;
        close_gates();
    }
}

void LivePolicy::look_at_refusals(std::vector<Diagnostic>& findings) {
    revocation_files_.end_unnamed();
    revocation_files_.look(findings);
    // Only two equal looks take lines away. The keeper may not look at all (MTLSPolicyRefresh 0), or not be able to
    // read what root can.
    if (revocation_files_.is_waiting()) {
        std::this_thread::sleep_for(PollTimer::kPause);
        revocation_files_.look(findings);
    }
    revocation_files_.take_added();
    refusals_ = revocation_files_.refusals();
}

void LivePolicy::note_revision() {
    if (const auto revision = source_.revision_in_force()) policy_rows_.raise_floor(*revision);
}

std::shared_ptr<const Policy> LivePolicy::start(std::vector<Diagnostic>& findings, std::vector<Diagnostic>& reported) {
    auto before = board_ != nullptr ? shelf_.look_at_kept() : std::nullopt;
    // Takes what was in force before a restart, if it is usable.
    const auto restore = [&](Watched kind) {
        std::vector<Diagnostic> unusable;
        return before && before->serials[index_of(kind)] != 0 && take(kind, *before, unusable);
    };
    const bool has_policy = restore(Watched::kPolicy), has_refusals = restore(Watched::kRefusals);
    const DatabaseSight rows = revocation_rows_.look();
    // A policy that is kept without an image of refusals was in force without any.
    const bool is_kept = has_policy && (has_refusals || before->serials[index_of(Watched::kRefusals)] == 0);
    const bool lacks_rows = has_database_ && rows.rows == nullptr && !(is_kept && revocation_rows_.floor() > 0);
    is_recalled_ = has_policy;  // also where an exception ends this: the keeper then builds anew
    std::shared_ptr<const Policy> built;
    try {
        if (!has_policy || !lacks_rows) built = source_.build(findings);
    } catch (const std::exception& e) {
        if (!has_policy) throw;
        findings.push_back({Diagnostic::Severity::kError,
                            {},
                            std::string("the policy cannot be built (") + e.what() +
                                "): the one from before the restart stays in force until the keeper has built one"});
    }
    name_tables(findings);
    is_recalled_ = has_policy && !built;
    if (lacks_rows) {
        findings.push_back({Diagnostic::Severity::kError, database_at_,
                            "MTLSPolicyDatabase: its revocation rows cannot be read: " + rows.fault});
        if (!has_policy) close_gates();
    } else if (built) {
        put_in_force(std::move(built));
    }
    note_revision();
    if (policy_ && board_ != nullptr) board_->in_force_since = in_force_since();
    look_at_start(Watched::kRefusals, has_refusals, findings, [&] { look_at_refusals(reported); });
    look_at_start(Watched::kCrls, restore(Watched::kCrls), findings, [&] { read_crls(policy_, {}, reported); });
    name_tables(reported);
    publish_images({{Watched::kRefusals, revocation_files_.image()},
                    {Watched::kCrls, crl_files_.image()},
                    {Watched::kPolicy, source_.image()}});
    if (!policy_) {
        // These findings go to standard error only. The keeper's first poll writes them to the error log.
        source_.report_database_again();
        return nullptr;
    }
    if (disk_.trust()) {
        warn_of_unreadable(source_.paths(), *disk_.trust(), reported);
        warn_of_unreadable(revocation_files_.paths(), *disk_.trust(), reported);
        warn_of_unreadable(crl_files_.paths(), *disk_.trust(), reported);
    }
    append_all(reported, lint_refusals(*policy_, *refusals_));
    publish();
    release_free_memory();
    return policy_;
}

void LivePolicy::report_again() {
    revocation_files_.report_again();
    crl_files_.report_again();
}

// The images stay on the shelf.
void LivePolicy::release() {
    policy_rows_.forget();
    revocation_rows_.forget();
    source_.invalidate();
    drop_policy();
    images_ = {};
}

// ---- in the keeper --------------------------------------------------------------------------------------------------

void LivePolicy::take_over() {
    std::vector<Diagnostic> unusable;  // ignored: these images are rebuilt from the files
    serials_ = {};
    if (auto shelf = shelf_.look_at_kept()) {
        // The previous keeper may have been killed between put() and the update of `changes`.
        board_->changes = shelf->serial;
        for (const Watched kind : {Watched::kRefusals, Watched::kPolicy, Watched::kCrls}) take(kind, *shelf, unusable);
    }
    // The files that were refused need not be among those of the policy in force: httpd.conf may name others by now.
    if (is_recalled_) source_.build_anew();
    images_ = {revocation_files_.image(), crl_files_.image(), source_.image()};
    publish_images({});
    ensure_published();
    unchanged_since_ = monotonic_seconds();
    publish();
}

// Replaces the images of these kinds in one step. Processes from before a graceful restart receive them too.
void LivePolicy::publish_images(std::initializer_list<std::pair<Watched, std::shared_ptr<const Image>>> images) {
    if (board_ == nullptr) return;
    const std::lock_guard lock(publishing_);
    bool is_new = false;
    for (const auto& [kind, image] : images) {
        is_new = is_new || images_[index_of(kind)] != image;
        if (images_[index_of(kind)] != image) serials_[index_of(kind)] = 0;
        images_[index_of(kind)] = image;
    }
    for (std::size_t i = 0; i < kWatched; ++i) {
        if (images_[i] == nullptr || serials_[i] != 0) continue;
        serials_[i] = ++board_->last_serial;
        is_new = true;
    }
    if (!is_new) return;
    put_on_shelf();
    unchanged_since_ = monotonic_seconds();
}

bool LivePolicy::put_on_shelf() {
    std::array<int, kWatched> files{};
    for (std::size_t i = 0; i < kWatched; ++i) files[i] = images_[i] != nullptr ? images_[i]->file() : -1;
    const std::uint64_t serial = ++board_->last_serial;
    if (!shelf_.put(serial, serials_, files)) return false;
    board_->changes = serial;
    return true;
}

bool LivePolicy::ensure_published() {
    const std::lock_guard lock(publishing_);
    const auto there = shelf_.look();
    return (there && there->serial == board_->changes && there->serials == serials_) || put_on_shelf();
}

void LivePolicy::poll_refusals(PollResult& outcome) {
    const std::lock_guard lock(refusals_polling_);
    outcome.refusals_changed =
        poll_guarded("revocation files", exceptions_[index_of(Watched::kRefusals)], outcome.findings, [&] {
            const bool is_changed = revocation_files_.look(outcome.findings);
            lacks_refusals_ = false;
            return is_changed;
        });
    name_tables(outcome.findings);
    outcome.added_refusals = revocation_files_.take_added();
    outcome.ended_refusals = revocation_files_.take_ended();
    outcome.missing = revocation_files_.missing();
    outcome.bad_lines = revocation_files_.bad_lines();
    name_tables(outcome.bad_lines);
    publish_images({{Watched::kRefusals, revocation_files_.image()}});
    if (outcome.refusals_changed) {
        {
            const std::lock_guard published(mutex_);
            refusals_ = revocation_files_.refusals();
        }
        publish();
        release_free_memory();
        are_refusals_linted_ = false;
    }
    // Removed lines stay in force until the next look. Warnings wait for it, so that none is about a removed line.
    if (are_refusals_linted_ || revocation_files_.is_waiting()) return;
    are_refusals_linted_ = true;
    if (const auto now = policy()) append_all(outcome.findings, lint_refusals(*now, *revocation_files_.refusals()));
}

void LivePolicy::poll_crls(PollResult& outcome) {
    const std::lock_guard lock(crls_polling_);
    outcome.crls_changed = poll_guarded("CRL files", exceptions_[index_of(Watched::kCrls)], outcome.findings,
                                        [&] { return read_crls(policy(), {}, outcome.findings); });
    name_tables(outcome.findings);
    outcome.missing_crls = crl_files_.missing();
    publish_images({{Watched::kCrls, crl_files_.image()}});
    if (!outcome.crls_changed) return;
    publish();
    release_free_memory();
}

// `by`: the policy that names the CRL files, beside `more` ones, and the CAs that sign them; may be null. The caller
// holds crls_polling_, or is the only thread.
bool LivePolicy::read_crls(const std::shared_ptr<const Policy>& by, const std::vector<WatchedFiles>& more,
                           std::vector<Diagnostic>& findings) {
    const CasByName cas = known_cas(by);
    bool changed = false;
    if (by != nullptr) {
        auto files = by->crl_files();
        files.insert(files.end(), more.begin(), more.end());
        changed = crl_files_.watch(files, cas);
    }
    crl_files_.crls()->verify_signers(cas);
    changed = crl_files_.look(cas, known_anchors(by), findings) || changed;
    const std::lock_guard lock(mutex_);
    crls_ = crl_files_.crls();
    return changed;
}

void LivePolicy::poll_policy(PollResult& outcome) {
    const std::lock_guard lock(policy_polling_);
    outcome.before = policy();
    // After a start with closed gates, revocations are in force before the first policy.
    if (outcome.before == nullptr && (has_database_ || lacks_refusals_)) {
        if (has_database_ && revocation_rows_.look().rows == nullptr) return source_.look_at_database(outcome.findings);
        poll_refusals(outcome);
        if (lacks_refusals_) return;
    }
    // Load the CRLs that a new policy names before it comes into force.
    const auto prepare = [&](const std::shared_ptr<const Policy>& next) {
        const auto had = outcome.before ? outcome.before->crl_files() : std::vector<WatchedFiles>();
        const auto all = next->crl_files();
        const auto is_known = [&](const WatchedFiles& files) {
            return std::any_of(had.begin(), had.end(),
                               [&](const WatchedFiles& w) { return w.pattern == files.pattern; });
        };
        if (std::all_of(all.begin(), all.end(), is_known)) return;
        const std::lock_guard crls(crls_polling_);
        if (read_crls(next, had, outcome.findings)) outcome.crls_changed = true;
        publish_images({{Watched::kCrls, crl_files_.image()}});
    };
    const std::size_t findings_before = outcome.findings.size();
    outcome.policy_changed =
        poll_guarded("policy files", exceptions_[index_of(Watched::kPolicy)], outcome.findings, [&] {
            auto policy = source_.look(outcome.findings, prepare);
            if (!policy) return false;
            put_in_force(std::move(policy));
            return true;
        });
    name_tables(outcome.findings);
    if (source_.is_failing() && outcome.findings.size() > findings_before) outcome.refused = source_.failing_content();
    outcome.policy_clean = !source_.is_failing() && !source_.is_waiting();
    note_revision();
    if (!outcome.policy_changed) return;
    if (board_ != nullptr) board_->in_force_since = in_force_since();
    publish_images({{Watched::kPolicy, source_.image()}});
    publish();
    release_free_memory();
    const auto snapshot = current();
    append_all(outcome.findings, lint_refusals(*snapshot->policy, *snapshot->refusals));
}

PollResult LivePolicy::look() {
    PollResult outcome;
    poll_refusals(outcome);
    poll_crls(outcome);
    poll_policy(outcome);
    if (outcome.policy_changed) poll_crls(outcome);
    return outcome;
}

bool LivePolicy::is_waiting(Watched what) {
    switch (what) {
        case Watched::kRefusals: {
            const std::lock_guard lock(refusals_polling_);
            return revocation_files_.is_waiting();
        }
        case Watched::kCrls:
            return false;
        case Watched::kPolicy:
            break;
    }
    const std::lock_guard lock(policy_polling_);
    return source_.is_waiting();
}

std::vector<std::string> LivePolicy::names_of(Watched what) {
    switch (what) {
        case Watched::kRefusals: {
            const std::lock_guard lock(refusals_polling_);
            return revocation_files_.names();
        }
        case Watched::kCrls: {
            const std::lock_guard lock(crls_polling_);
            return crl_files_.names();
        }
        case Watched::kPolicy:
            break;
    }
    const std::lock_guard lock(policy_polling_);
    return source_.names();
}

bool LivePolicy::is_failing() {
    const std::lock_guard lock(policy_polling_);
    return source_.is_failing();
}

// ---- in every other process -----------------------------------------------------------------------------------------

std::vector<Diagnostic> LivePolicy::join(bool asks) {
    if (board_ == nullptr) return {};
    shelf_.become_reader();
    drop_policy();
    if (asks) asked_ = ++board_->asked;
    is_new_ = asks;
    serials_ = {};
    seen_changes_ = UINT64_MAX;
    return follow();
}

// Read `answered` before the shelf, so that the images are at least as new as the answer. If one image is unusable, use
// none: the old policy may let in a partner that the new one refuses.
std::vector<Diagnostic> LivePolicy::follow() {
    std::vector<Diagnostic> findings;
    const std::unique_lock lock(following_, std::try_to_lock);
    if (!lock || board_ == nullptr) return findings;
    const bool is_answered = is_new_ && board_->answered >= asked_;
    auto shelf = shelf_.look();
    if (!shelf) return findings;  // until the shelf has images, each request retries
    const auto before = serials_;
    bool is_whole = true;
    for (const Watched kind : {Watched::kRefusals, Watched::kPolicy, Watched::kCrls}) {
        const std::size_t i = index_of(kind);
        is_whole = is_whole && (shelf->serials[i] == serials_[i] || take(kind, *shelf, findings));
    }
    if (!is_whole) {
        drop_policy();
        serials_[index_of(Watched::kPolicy)] = 0;
        return findings;
    }
    if (is_answered) is_new_ = false;
    if (serials_ != before || is_answered) publish();
    if (!is_new_) seen_changes_ = shelf->serial;
    return findings;
}

// False if the image cannot be used. Each unusable image is reported once.
bool LivePolicy::take(Watched kind, ShelfContents& shelf, std::vector<Diagnostic>& findings) {
    const std::uint64_t serial = shelf.serials[index_of(kind)];
    try {
        std::shared_ptr<const Image> image;
        if (serial != 0) {
            if (shelf.files[index_of(kind)].get() < 0) throw std::runtime_error("no descriptor is free: ulimit -n");
            auto opened = Image::open(shelf.files[index_of(kind)].release(), kind);
            if (!opened.ok()) throw std::runtime_error(opened.error());
            image = std::move(opened.value());
        }
        take_image(kind, std::move(image));
        serials_[index_of(kind)] = serial;
        return true;
    } catch (const std::exception& e) {
        if (std::exchange(faulty_[index_of(kind)], serial) == serial) return false;
        findings.push_back({Diagnostic::Severity::kError,
                            {},
                            std::string("the ") + name_of(kind) + " in force cannot be used (" + e.what() +
                                "): this process refuses everything until it can, or others are in force"});
        return false;
    }
}

// `image` null: there is none. Without a policy image this process has no policy and denies.
void LivePolicy::take_image(Watched kind, std::shared_ptr<const Image> image) {
    switch (kind) {
        case Watched::kRefusals: {
            if (image == nullptr) return;
            revocation_files_.take(value_of<Refusals>(image), image);
            const std::lock_guard lock(mutex_);
            refusals_ = revocation_files_.refusals();
            return;
        }
        case Watched::kCrls: {
            if (image == nullptr) return;
            crl_files_.take(value_of<CrlRecords>(image), image, known_cas(policy()));
            const std::lock_guard lock(mutex_);
            crls_ = crl_files_.crls();
            return;
        }
        case Watched::kPolicy:
            break;
    }
    if (image == nullptr) return drop_policy();
    auto policy = value_of<Policy>(image);
    source_.follow(policy, std::move(image));
    put_in_force(policy);
    if (board_ != nullptr) in_force_since_ = board_->in_force_since.load();
    crl_files_.crls()->verify_signers(known_cas(policy));
}

void LivePolicy::stop_following() {
    constexpr int kTries = 300;
    constexpr timespec kSoon = {0, 10'000'000};
    for (int i = 0; i < kTries && !following_.try_lock(); ++i) nanosleep(&kSoon, nullptr);
}

// ---- publishing -----------------------------------------------------------------------------------------------------

std::shared_ptr<const Policy> LivePolicy::policy() const {
    const std::lock_guard lock(mutex_);
    return policy_;
}

void LivePolicy::put_in_force(std::shared_ptr<const Policy> policy) {
    in_force_since_ = std::time(nullptr);
    const std::lock_guard lock(mutex_);
    policy_ = std::move(policy);
}

// Removes the current policy: requests are denied from here on.
void LivePolicy::drop_policy() {
    const std::lock_guard lock(mutex_);
    policy_ = nullptr;
    current_.publish(nullptr);
    has_fronts_ = false;
}

// CAs of this policy and of mod_ssl.
CasByName LivePolicy::known_cas(const std::shared_ptr<const Policy>& by) const {
    return [this, by](const std::string& name) {
        auto out = by ? by->cas().cas_named(name) : std::vector<X509Ptr>();
        const auto [first, last] = server_cas_.equal_range(name);
        for (auto it = first; it != last; ++it) out.push_back(share(*it->second));
        return out;
    };
}

CasByName LivePolicy::known_anchors(const std::shared_ptr<const Policy>& by) const {
    return [this, by](const std::string& name) {
        std::vector<X509Ptr> servers;  // only here: most polls find no new list, and ask nothing
        for (const auto& [subject, ca] : server_cas_) servers.push_back(share(*ca));
        return by ? by->ends_named(name, servers) : std::vector<X509Ptr>();
    };
}

void LivePolicy::publish() {
    const std::lock_guard lock(mutex_);
    current_.reclaim();
    if (!policy_ || is_new_) return;
    auto next = std::make_unique<Snapshot>();
    next->policy = policy_;
    next->refusals = refusals_;
    next->crls = crls_;
    next->serial = ++last_serial_;
    // Look for a new front's header before any request can be decided with it.
    if (!policy_->front_keys().empty()) has_fronts_ = true;
    current_.publish(std::move(next));
    has_fronts_ = !policy_->front_keys().empty();
}

}  // namespace mtls
