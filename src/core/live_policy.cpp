#include "mtls_authz/live_policy.hpp"

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <stdexcept>
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

// Puts a text where other processes read it. False where it has to be tried again.
bool hand_out(SharedText& where, const std::string& text, const char* what, std::string& fault,
              std::vector<Diagnostic>& findings) {
    std::string now;
    if (text.size() > where.most()) {
        now =
            std::string("the ") + what + " take " + std::to_string(text.size() >> 20) + " MiB, and there is room for " +
            std::to_string(where.most() >> 20) +
            " MiB of them: what was in force stays so; let the server have more address space (ulimit -v), or shorten "
            "them";
    }
    if (!now.empty() && now != fault) findings.push_back({Diagnostic::Severity::kError, {}, now});
    fault = now;
    return now.empty() && where.write(text);
}

// Throws where it cannot be had: a process that does not know what is refused takes nothing else for it.
std::string read_whole(const SharedText& text) {
    auto out = text.read();
    if (!out) throw std::runtime_error("what the keeper wrote is damaged");
    return std::move(*out);
}

}  // namespace

// ---- before other processes are forked ------------------------------------------------------------------------------

void LivePolicy::set_trust(const FileTrust& trust) {
    disk_.set_trust(trust);
    revocation_files_.set_trust(*disk_.fetched_trust());
    crl_files_.set_trust(*disk_.fetched_trust());
}

void LivePolicy::add_known_ca(X509& ca) {
    server_cas_.emplace(read_name(*X509_get_subject_name(&ca)).canonical, &ca);
    crls_->learn(known_cas());
}

void LivePolicy::share_between_processes(KeeperBoard& board) {
    board_ = &board;
    memory_ = std::make_shared<PolicyMemory>(board.policies);
}

// Where there is less room than it may need while the server runs, it gets more.
std::shared_ptr<const Policy> LivePolicy::build_first(std::vector<Diagnostic>& findings) {
    const auto before = memory_;
    auto policy = source_.build(findings, [this](std::size_t bytes_read) {
        std::shared_ptr<PolicyMemory::Filling> place;
        constexpr std::size_t kGrowth = 32;  // over its text; a policy takes up to some ten times as much
        if (board_ != nullptr && memory_->capacity() < kGrowth * bytes_read) {
            if (auto larger = PolicyMemory::create(kGrowth * bytes_read)) memory_ = std::move(larger);
        }
        if (memory_) memory_->begin(place);
        return place;
    });
    if (memory_ == before) return policy;
    const auto& unused = policy ? before : memory_;
    unused->discard();
    if (!policy) memory_ = before;
    board_->policies = memory_->place();
    return policy;
}

std::shared_ptr<const Policy> LivePolicy::start(std::vector<Diagnostic>& findings, std::vector<Diagnostic>& reported) {
    auto policy = build_first(findings);
    if (!policy && board_ != nullptr) {
        policy = memory_->take().policy;
        is_recalled_ = policy != nullptr;
        source_.follow(policy);
    }
    if (policy) take(std::move(policy));
    if (policy_ && !is_recalled_ && board_ != nullptr) board_->in_force_since = in_force_since();
    if (is_recalled_) in_force_since_ = board_->in_force_since.load();
    look_apart("revocation files", reported, [&] { return revocation_files_.look(reported); });
    revocation_files_.take_added();
    refusals_ = revocation_files_.refusals();
    look_apart("CRL files", reported, [&] { return read_crls(policy_.get(), reported); });
    must_write_refusals_ = must_write_crls_ = true;
    hand_out_refusals(reported);
    hand_out_crls(reported);
    if (!policy_) return nullptr;
    if (disk_.trust()) {
        warn_of_unreadable(source_.paths(), *disk_.trust(), reported);
        warn_of_unreadable(revocation_files_.paths(), *disk_.trust(), reported);
        warn_of_unreadable(crl_files_.paths(), *disk_.trust(), reported);
    }
    append_all(reported, lint_refusals(*policy_, *refusals_));
    publish();
    give_memory_back();
    return policy_;
}

void LivePolicy::let_go() {
    source_.invalidate();
    drop_policy();
    if (memory_) memory_->let_go();
}

// ---- in the keeper --------------------------------------------------------------------------------------------------

void LivePolicy::take_over() {
    std::vector<Diagnostic> unusable;  // then it is built anew
    memory_->after_fork();
    take_policy(unusable);
    source_.follow(policy());
    // What cannot be read there is read from the files, and written anew.
    must_write_refusals_ = !look_apart("revocations in force", unusable, [&] { return take_refusals(), true; });
    must_write_crls_ = !look_apart("CRLs in force", unusable, [&] { return take_crls(), true; });
    publish();
}

void LivePolicy::look_at_refusals(LookOutcome& outcome) {
    const std::lock_guard lock(refusals_looking_);
    outcome.moved_refusals =
        look_apart("revocation files", outcome.findings, [&] { return revocation_files_.look(outcome.findings); });
    outcome.refusing = revocation_files_.take_added();
    outcome.missing = revocation_files_.missing();
    must_write_refusals_ = must_write_refusals_ || outcome.moved_refusals;
    hand_out_refusals(outcome.findings);
    if (!outcome.moved_refusals) return;
    {
        const std::lock_guard published(mutex_);
        refusals_ = revocation_files_.refusals();
    }
    publish();
    if (const auto now = policy()) append_all(outcome.findings, lint_refusals(*now, *revocation_files_.refusals()));
}

void LivePolicy::look_at_crls(LookOutcome& outcome) {
    const std::lock_guard lock(crls_looking_);
    outcome.moved_crls =
        look_apart("CRL files", outcome.findings, [&] { return read_crls(policy().get(), outcome.findings); });
    hand_out_crls(outcome.findings);
    if (outcome.moved_crls) publish();
}

// `next`: the policy that names the files; null: as before. With crls_looking_ held, or alone.
bool LivePolicy::read_crls(const Policy* next, std::vector<Diagnostic>& findings) {
    bool changed = next != nullptr && crl_files_.watch(next->crl_files(), known_cas());
    crl_files_.crls()->learn(known_cas());
    changed = crl_files_.look(known_cas(), known_anchors(), findings) || changed;
    must_write_crls_ = must_write_crls_ || changed;
    const std::lock_guard lock(mutex_);
    crls_ = crl_files_.crls();
    return changed;
}

void LivePolicy::hand_out_refusals(std::vector<Diagnostic>& findings) {
    if (board_ == nullptr || !must_write_refusals_) return;
    const std::string lines = revocation_files_.write_lines();
    must_write_refusals_ = !hand_out(*board_->refusals, lines, "revocations", refusals_fault_, findings);
    ++board_->changes;
}

void LivePolicy::hand_out_crls(std::vector<Diagnostic>& findings) {
    if (board_ == nullptr || !must_write_crls_) return;
    const std::string lists = crl_files_.write(board_->crls->read().value_or(""));
    must_write_crls_ = !hand_out(*board_->crls, lists, "CRLs", crls_fault_, findings);
    if (!must_write_crls_) crl_files_.forget_encoded();
    ++board_->changes;
}

void LivePolicy::look_at_policy(LookOutcome& outcome) {
    const std::lock_guard lock(policy_looking_);
    outcome.before = policy();
    // The lists that a new policy names are there before it counts.
    const auto prepare = [&](const Policy& next) {
        const auto had = outcome.before ? outcome.before->crl_files() : std::vector<WatchedFiles>();
        auto all = next.crl_files();
        const auto is_known = [&](const WatchedFiles& files) {
            return std::any_of(had.begin(), had.end(),
                               [&](const WatchedFiles& w) { return w.pattern == files.pattern; });
        };
        if (std::all_of(all.begin(), all.end(), is_known)) return;
        all.insert(all.end(), had.begin(), had.end());
        const std::lock_guard crls(crls_looking_);
        crl_files_.watch(all, known_cas());
        if (read_crls(nullptr, outcome.findings)) outcome.moved_crls = true;
        hand_out_crls(outcome.findings);
    };
    const std::size_t said = outcome.findings.size();
    outcome.moved = look_apart("policy files", outcome.findings, [&] {
        auto policy = source_.look(outcome.findings, memory_.get(), prepare);
        if (!policy) return false;
        take(std::move(policy));
        return true;
    });
    if (source_.is_failing() && outcome.findings.size() > said) outcome.refused = source_.failing_content();
    outcome.policy_clean = !source_.is_failing() && !source_.is_waiting();
    if (!outcome.moved) return;
    if (board_ != nullptr) {
        board_->in_force_since = in_force_since();
        ++board_->changes;
    }
    publish();
    give_memory_back();
    const auto snapshot = current();
    append_all(outcome.findings, lint_refusals(*snapshot->policy, *snapshot->refusals));
}

LookOutcome LivePolicy::look() {
    LookOutcome outcome;
    look_at_refusals(outcome);
    look_at_crls(outcome);
    look_at_policy(outcome);
    if (outcome.moved) look_at_crls(outcome);
    return outcome;
}

bool LivePolicy::is_waiting(Watched what) {
    switch (what) {
        case Watched::kRefusals: {
            const std::lock_guard lock(refusals_looking_);
            return revocation_files_.is_waiting() || must_write_refusals_;
        }
        case Watched::kCrls: {
            const std::lock_guard lock(crls_looking_);
            return must_write_crls_;
        }
        case Watched::kPolicy:
            break;
    }
    const std::lock_guard lock(policy_looking_);
    return source_.is_waiting();
}

bool LivePolicy::is_failing() {
    const std::lock_guard lock(policy_looking_);
    return source_.is_failing();
}

pid_t LivePolicy::find_late(std::int64_t seconds) const {
    return std::time(nullptr) - in_force_since_ < seconds ? 0 : memory_->find_holder_of_old();
}

// ---- in every other process -----------------------------------------------------------------------------------------

std::vector<Diagnostic> LivePolicy::join(bool asks) {
    if (board_ == nullptr) return {};
    memory_->after_fork();
    drop_policy();
    if (asks) asked_ = ++board_->asked;
    is_new_ = asks;
    seen_policy_ = seen_refusals_ = seen_crls_ = 0;
    seen_changes_ = UINT64_MAX;
    return follow();
}

// What it takes was written before the keeper answered.
std::vector<Diagnostic> LivePolicy::follow(bool* moved) {
    std::vector<Diagnostic> findings;
    const std::unique_lock lock(following_, std::try_to_lock);
    if (!lock || board_ == nullptr) return findings;
    const bool is_answered = is_new_ && board_->answered >= asked_;
    const std::uint64_t changes = board_->changes;
    look_apart("policy, revocations or CRLs in force", findings, [&] {
        bool changed = false;
        if (board_->refusals->serial() != seen_refusals_) {
            take_refusals();
            changed = true;
        }
        const bool is_other = memory_->serial() != seen_policy_;
        const bool other_policy = is_other && take_policy(findings);
        if (board_->crls->serial() != seen_crls_) {
            take_crls();
            changed = true;
        }
        if (moved != nullptr) *moved = other_policy;
        if (is_answered) is_new_ = false;
        if (changed || other_policy || is_answered) publish();
        // Until it has all of it, each request asks.
        if (!is_new_ && is_other == other_policy) seen_changes_ = changes;
        return true;
    });
    return findings;
}

void LivePolicy::take_refusals() {
    const std::uint64_t serial = board_->refusals->serial();
    if (serial != 0) revocation_files_.take_lines(read_whole(*board_->refusals));
    seen_refusals_ = serial;
    const std::lock_guard lock(mutex_);
    refusals_ = revocation_files_.refusals();
}

void LivePolicy::take_crls() {
    const std::uint64_t serial = board_->crls->serial();
    if (serial != 0) crl_files_.take(read_whole(*board_->crls), known_cas());
    seen_crls_ = serial;
    const std::lock_guard lock(mutex_);
    crls_ = crl_files_.crls();
}

// Where it cannot be used, nothing is: what it replaces may let in whom it does not.
bool LivePolicy::take_policy(std::vector<Diagnostic>& findings) {
    PolicyMemory::Taken taken = memory_->take();
    if (taken.policy) {
        take(std::move(taken.policy));
        in_force_since_ = board_->in_force_since.load();
        crl_files_.crls()->learn(known_cas());
        seen_policy_ = taken.serial;
        return true;
    }
    drop_policy();
    constexpr std::uint64_t kNothingYet = 0;  // the files were refused at the server's start
    if (taken.serial != kNothingYet && std::exchange(faulty_policy_, taken.serial) != taken.serial) {
        findings.push_back({Diagnostic::Severity::kError,
                            {},
                            "generation " + taken.generation + ", which the keeper has built, cannot be used (" +
                                taken.fault +
                                "): this process refuses everything until it can, or another is in force"});
    }
    return false;
}

void LivePolicy::end_looking() {
    constexpr int kTries = 300;
    constexpr timespec kSoon = {0, 10'000'000};
    for (int i = 0; i < kTries && !following_.try_lock(); ++i) nanosleep(&kSoon, nullptr);
}

// ---- what is published ----------------------------------------------------------------------------------------------

std::shared_ptr<const Policy> LivePolicy::policy() const {
    const std::lock_guard lock(mutex_);
    return policy_;
}

void LivePolicy::take(std::shared_ptr<const Policy> policy) {
    in_force_since_ = std::time(nullptr);
    const std::lock_guard lock(mutex_);
    policy_ = std::move(policy);
}

// From here on there is none to decide by.
void LivePolicy::drop_policy() {
    const std::lock_guard lock(mutex_);
    policy_ = nullptr;
    current_.publish(nullptr);
}

// The policy's, and mod_ssl's.
CasByName LivePolicy::known_cas() const {
    return [this, now = policy()](const std::string& name) {
        auto out = now ? now->cas().cas_named(name) : std::vector<X509Ptr>();
        const auto [first, last] = server_cas_.equal_range(name);
        for (auto it = first; it != last; ++it) out.push_back(share(*it->second));
        return out;
    };
}

CasByName LivePolicy::known_anchors() const {
    return [now = policy()](const std::string& name) {
        return now ? now->cas().anchors_named(name) : std::vector<X509Ptr>();
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
    current_.publish(std::move(next));
}

}  // namespace mtls
