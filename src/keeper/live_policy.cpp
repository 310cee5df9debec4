#include "mtls_authz/keeper/live_policy.hpp"

#include <algorithm>
#include <ctime>
#include <functional>
#include <utility>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/load/lint.hpp"
#include "mtls_authz/system/heap.hpp"

namespace mtls {

// The keeper's part: polling, and what every process publishes.

namespace {

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

}  // namespace

// Without images on the shelf that count, this process goes on from what the parent has read.
bool LivePolicy::take_over() {
    std::vector<Diagnostic> unusable;  // ignored: these images are rebuilt from the files
    serials_ = {};
    if (auto shelf = board_->kept()) {
        // The previous keeper may have been killed between put() and the update of `changes`.
        board_->changes = shelf->serial;
        for (const Watched kind : {Watched::kRefusals, Watched::kPolicy, Watched::kCrls}) {
            if (take(kind, *shelf, unusable) == Taken::kLacking) return false;
        }
    }
    // The files that were refused need not be among those of the policy in force: httpd.conf may name others by now.
    if (is_recalled_) source_.build_anew();
    images_ = {revocation_files_.image(), crl_files_.image(), source_.image()};
    publish_images({});
    ensure_published();
    unchanged_since_ = monotonic_seconds();
    publish();
    return true;
}

// Replaces the images of these kinds in one step. Processes from before a graceful restart receive them too.
bool LivePolicy::publish_images(std::initializer_list<std::pair<Watched, std::shared_ptr<const Image>>> images) {
    if (board_ == nullptr) return true;
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
    if (!is_new) return true;
    unchanged_since_ = monotonic_seconds();
    return put_on_shelf();
}

void LivePolicy::begin_to_publish() {
    if (board_ != nullptr) publisher_ = ++board_->newest_publisher;
}

// A keeper may be stopped at any step, and go on after a restart: what it then does to the shelf is put right by
// ensure_published() of the newer one, and no process takes it meanwhile.
bool LivePolicy::put_on_shelf() {
    if (is_superseded()) return false;
    std::array<int, kWatched> files{};
    for (std::size_t i = 0; i < kWatched; ++i) files[i] = images_[i] != nullptr ? images_[i]->file() : -1;
    const std::uint64_t serial = ++board_->last_serial;
    if (!shelf_.put(serial, publisher_, serials_, files)) return false;
    board_->raise_least_publisher(publisher_);
    board_->changes = serial;
    return true;
}

// What is on the shelf counts no more, though nothing newer can be put there: the new policy may refuse whom the old
// one lets in. Children refuse everything until a keeper has put its images there.
void LivePolicy::withdraw_shelf() {
    is_unshelved_ = true;
    board_->raise_least_publisher(publisher_);
    board_->changes = ++board_->last_serial;
}

bool LivePolicy::ensure_published() {
    const std::lock_guard lock(publishing_);
    const auto is_there = [this](const std::optional<ShelfContents>& shelf) {
        return shelf && shelf->publisher >= board_->least_publisher && shelf->serial == board_->changes &&
               shelf->serials == serials_;
    };
    return (is_there(shelf_.look()) && is_there(shelf_.look_at_kept())) || put_on_shelf();
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
