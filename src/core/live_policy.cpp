#include "mtls_authz/live_policy.hpp"

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <utility>

#include "mtls_authz/lint.hpp"

namespace mtls {

namespace {

// What a reload needed besides is as large as the policy itself, and free now. glibc gives free memory back to the
// system but for what lies at the end of a thread's heap: that is taken once more, and its pages dropped.
void give_memory_back() {
#ifdef __GLIBC__
    malloc_trim(0);
#if __GLIBC_PREREQ(2, 33)
    constexpr std::size_t kPiece = 1UL << 18;
    const std::size_t most = mallinfo2().fordblks / kPiece + 1;
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    std::vector<std::unique_ptr<char[]>> taken;
    for (std::size_t i = 0; i < most; ++i) {
        taken.push_back(std::make_unique_for_overwrite<char[]>(kPiece));
        void* begin = taken.back().get();
        std::size_t size = kPiece;
        std::align(page, page, begin, size);
        madvise(begin, size / page * page, MADV_DONTNEED);
    }
    taken.clear();
    malloc_trim(0);
#endif
#endif
}

}  // namespace

void LivePolicy::set_trust(const FileTrust& trust) {
    disk_.set_trust(trust);
    revocation_files_.set_trust(*disk_.trust());
    crl_files_.set_trust(*disk_.trust());
}

namespace {

// Files that only whoever started the server can read: what they hold now stays until a restart.
void warn_of_unreadable(const std::vector<std::string>& paths, const FileTrust& trust,
                        std::vector<Diagnostic>& reported) {
    for (const std::string& path : paths) {
        if (is_certainly_gone(path) || is_readable_by_run_user(path, trust)) continue;
        reported.push_back({Diagnostic::Severity::kWarning,
                            {path, 0},
                            "will not reload: readable by root only; what it holds now stays until a restart"});
    }
}

}  // namespace

namespace {

void append_all(std::vector<Diagnostic>& to, std::vector<Diagnostic> more) {
    to.insert(to.end(), more.begin(), more.end());
}

// One kind of files looked at apart from the others: what that throws holds up none of them, and is tried again.
bool look_apart(const char* what, std::vector<Diagnostic>& findings, const std::function<bool()>& look) {
    try {
        return look();
    } catch (const std::exception& e) {
        findings.push_back({Diagnostic::Severity::kError,
                            {},
                            std::string("the ") + what + " could not be looked at (" + e.what() +
                                "): what is in force stays so until the next look"});
        return false;
    }
}

}  // namespace

namespace {

// Of revocation files; more of them are not shared. Of CRLs, their names and numbers.
constexpr std::size_t kMostRefusalLines = 128UL << 20;
constexpr std::size_t kMostCrlNames = 16UL << 20;

}  // namespace

std::shared_ptr<const Policy> LivePolicy::start(std::vector<Diagnostic>& findings, std::vector<Diagnostic>& reported) {
    const std::lock_guard lock(looking_);
    if (least_shared_ > 0) refusal_lines_ = SharedText::create(kMostRefusalLines);
    if (least_shared_ > 0) crl_names_ = SharedText::create(kMostCrlNames);
    if (crl_names_) crl_names_->write("");
    auto policy = source_.build(findings, [this](std::size_t bytes_read) {
        std::shared_ptr<PolicyMemory::Filling> place;
        constexpr std::size_t kGrowth = 32;  // over its text; a policy takes up to some ten times as much
        if (least_shared_ > 0) memory_ = PolicyMemory::create(std::max(least_shared_, kGrowth * bytes_read));
        if (memory_) memory_->begin(place);
        return place;
    });
    if (!policy) {
        // The first that can be had will be of all processes, too.
        if (least_shared_ > 0 && !memory_) memory_ = PolicyMemory::create(least_shared_);
        return nullptr;
    }
    if (source_.built_alone()) memory_ = nullptr;
    if (memory_) seen_serial_ = memory_->serial();
    take(std::move(policy));
    look_apart("revocation files", reported, [&] { return revocation_files_.look(reported); });
    revocation_files_.take_added();
    look_apart("CRL files", reported, [&] { return look_at_crls(reported); });
    if (disk_.trust()) {
        warn_of_unreadable(source_.paths(), *disk_.trust(), reported);
        warn_of_unreadable(revocation_files_.paths(), *disk_.trust(), reported);
        warn_of_unreadable(crl_files_.paths(), *disk_.trust(), reported);
    }
    append_all(reported, lint_refusals(*policy_, *revocation_files_.refusals()));
    publish();
    give_memory_back();
    return policy_;
}

// For children that start later.
void LivePolicy::share_refusals(bool changed) {
    must_write_lines_ = must_write_lines_ || changed;
    if (!must_write_lines_ || !refusal_lines_) return;
    const std::string lines = revocation_files_.write_lines();
    must_write_lines_ = lines.size() <= refusal_lines_->most() && !refusal_lines_->write(lines);
}

bool LivePolicy::look_at_crls(std::vector<Diagnostic>& findings) {
    const auto shared = crl_names_ ? crl_names_->read() : std::nullopt;
    const bool changed = crl_files_.look(known_cas(), known_anchors(), findings);
    if (!shared) return changed;
    std::string merged = *shared;
    const bool expects_others = crl_files_.merge(merged, findings);
    if (merged != *shared) crl_names_->write(merged);
    return changed || expects_others;
}

void LivePolicy::let_go() {
    const std::lock_guard lock(looking_);
    if (memory_) memory_->let_go();
}

LookOutcome LivePolicy::join_siblings(bool will_look) {
    LookOutcome outcome;
    const std::lock_guard lock(looking_);
    const auto lines = refusal_lines_ ? refusal_lines_->read() : std::nullopt;
    if (lines) revocation_files_.take_lines(*lines);
    is_new_ = will_look;
    if (is_new_) current_.publish(nullptr);
    if (!memory_) return outcome;
    memory_->after_fork();
    const bool moved = memory_->serial() != seen_serial_;
    PolicyMemory::Taken taken = memory_->take();
    seen_serial_ = taken.serial;
    // Whoever forked this process may have let go of the policy that it still points to.
    source_.follow(taken.policy);
    if (taken.policy) {
        const std::int64_t since = in_force_since_;
        take(std::move(taken.policy));
        if (!moved) in_force_since_ = since;
        outcome.moved = moved;
        publish();
        return outcome;
    }
    policy_ = nullptr;
    current_.publish(nullptr);
    constexpr std::uint64_t kNothingYet = 0;  // the files were refused at the server's start
    if (taken.serial == kNothingYet) return outcome;
    outcome.findings.push_back(
        {Diagnostic::Severity::kError,
         {},
         "this process does not know generation " + taken.generation + ", which the others have in force" +
             (taken.fault.empty() ? "" : " (" + taken.fault + ")") +
             ", so it refuses everything until it can read the policy files, or the server is restarted"});
    return outcome;
}

// To what another process has built for all.
bool LivePolicy::follow(std::vector<Diagnostic>& findings) {
    if (!memory_ || memory_->serial() == seen_serial_) return false;
    // Whoever waited for one that hangs, and has built its own since, is not led back by it.
    if (source_.built_alone() && source_.is_in_force()) return false;
    PolicyMemory::Taken taken = memory_->take();
    seen_serial_ = taken.serial;
    if (!taken.fault.empty()) {
        findings.push_back({Diagnostic::Severity::kError,
                            {},
                            "generation " + taken.generation + ", which another process has built, cannot be used: " +
                                taken.fault + "; what this one has stays in force until it has read the files itself"});
    }
    if (!taken.policy) return false;
    source_.follow(taken.policy);
    take(std::move(taken.policy));
    return true;
}

LookOutcome LivePolicy::look() {
    LookOutcome outcome;
    const std::lock_guard lock(looking_);
    current_.reclaim();
    if (std::exchange(was_replaced_, false)) give_memory_back();
    outcome.before = policy_;
    // Refusals first: nothing that is wrong with the rest may hold them up.
    const bool refusals =
        look_apart("revocation files", outcome.findings, [&] { return revocation_files_.look(outcome.findings); });
    if (refusals) publish();
    share_refusals(refusals);
    outcome.mended = revocation_files_.mended();
    outcome.refusing = revocation_files_.take_added();
    const auto crl_look = [&] { return look_at_crls(outcome.findings); };
    const bool crls = look_apart("CRL files", outcome.findings, crl_look);
    if (crls) publish();
    outcome.moved_refusals = refusals;
    outcome.moved_files = refusals || crls;
    outcome.moved = follow(outcome.findings);
    const std::size_t said = outcome.findings.size();
    bool has_looked = false;  // nothing was thrown
    const bool has_built = look_apart("policy files", outcome.findings, [&] {
        auto policy = source_.look(outcome.findings, memory_.get(), is_new_ || !policy_);
        has_looked = true;
        if (!policy) return false;
        take(std::move(policy));
        must_announce_ = memory_ && source_.built_alone();
        if (memory_ && !must_announce_) seen_serial_ = memory_->serial();
        return true;
    });
    outcome.moved = outcome.moved || has_built;
    if (source_.is_failing() && outcome.findings.size() > said) outcome.refused = source_.failing_content();
    outcome.policy_clean = !source_.is_failing() && !source_.is_waiting();
    if (outcome.moved) {
        look_apart("CRL files", outcome.findings, crl_look);
        publish();
        was_replaced_ = true;
    }
    if (policy_ && (refusals || outcome.moved)) {
        append_all(outcome.findings, lint_refusals(*policy_, *revocation_files_.refusals()));
    }
    if (is_new_ && has_looked && is_certain()) {
        is_new_ = false;
        publish();
    }
    if (must_announce_ && memory_->announce(policy_->generation())) {
        must_announce_ = false;
        seen_serial_ = memory_->serial();
    }
    return outcome;
}

void LivePolicy::end_looking() {
    constexpr int kTries = 300;
    constexpr timespec kSoon = {0, 10'000'000};
    for (int i = 0; i < kTries && !looking_.try_lock(); ++i) nanosleep(&kSoon, nullptr);
}

// Of what this process took over when it began: either the files hold it, or they were refused, and it is what the
// others decide by. What the server's parent has left to it alone is only that of the server's start.
bool LivePolicy::is_certain() const { return !source_.is_waiting() && (memory_ != nullptr || !source_.is_failing()); }

bool LivePolicy::is_new() {
    const std::lock_guard lock(looking_);
    return is_new_;
}

bool LivePolicy::is_waiting() {
    const std::lock_guard lock(looking_);
    return source_.is_waiting() || revocation_files_.is_waiting() || was_replaced_;
}

bool LivePolicy::is_other_building() {
    const std::lock_guard lock(looking_);
    return source_.is_other_building() && memory_->serial() == seen_serial_;
}

bool LivePolicy::is_failing() {
    const std::lock_guard lock(looking_);
    return source_.is_failing();
}

void LivePolicy::take(std::shared_ptr<const Policy> policy) {
    policy_ = std::move(policy);
    in_force_since_ = std::time(nullptr);
    crl_files_.crls()->learn(known_cas());
    crl_files_.watch(policy_->crl_files(), known_cas());
}

// The policy's, and mod_ssl's.
CasByName LivePolicy::known_cas() const {
    return [this](const std::string& name) {
        auto out = policy_ ? policy_->cas().cas_named(name) : std::vector<X509Ptr>();
        const auto [first, last] = server_cas_.equal_range(name);
        for (auto it = first; it != last; ++it) out.push_back(share(*it->second));
        return out;
    };
}

CasByName LivePolicy::known_anchors() const {
    return [this](const std::string& name) {
        return policy_ ? policy_->cas().anchors_named(name) : std::vector<X509Ptr>();
    };
}

void LivePolicy::add_known_ca(X509& ca) {
    const std::lock_guard lock(looking_);
    server_cas_.emplace(read_name(*X509_get_subject_name(&ca)).canonical, &ca);
    crl_files_.crls()->learn(known_cas());
}

void LivePolicy::publish() {
    if (!policy_ || is_new_) return;
    auto next = std::make_unique<Snapshot>();
    next->policy = policy_;
    next->refusals = revocation_files_.refusals();
    next->crls = crl_files_.crls();
    next->serial = ++last_serial_;
    current_.publish(std::move(next));
}

}  // namespace mtls
