#include "mtls_authz/live_policy.hpp"

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#include <ctime>
#include <utility>

namespace mtls {

namespace {

// What a reload needed besides, and the policy before it, are as large as the policy itself.
void give_memory_back() {
#ifdef __GLIBC__
    malloc_trim(0);
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

std::shared_ptr<const Policy> LivePolicy::start(std::vector<Diagnostic>& findings, std::vector<Diagnostic>& reported) {
    const std::lock_guard lock(looking_);
    auto policy = source_.build(findings);
    if (!policy) return nullptr;
    take(std::move(policy));
    revocation_files_.look(reported);
    crl_files_.look(known_cas_, reported);
    if (disk_.trust()) {
        warn_of_unreadable(source_.paths(), *disk_.trust(), reported);
        warn_of_unreadable(revocation_files_.paths(), *disk_.trust(), reported);
        warn_of_unreadable(crl_files_.paths(), *disk_.trust(), reported);
    }
    publish();
    give_memory_back();
    return policy_;
}

LookOutcome LivePolicy::join_siblings() {
    LookOutcome outcome;
    if (shared_ == nullptr) return outcome;
    const std::lock_guard lock(looking_);
    const std::string generation = shared_->kept_generation();
    if (generation.empty() || !policy_ || policy_->generation() == generation) return outcome;
    const auto record = shared_->kept_record();
    auto policy = record ? source_.restore(*record) : nullptr;
    outcome.before = policy_;
    if (policy && policy->generation() == generation) {
        outcome.moved = true;
        take(std::move(policy));
        publish();
        return outcome;
    }
    outcome.findings.push_back({Diagnostic::Severity::kError,
                                {},
                                "this process does not know generation " + generation +
                                    ", which the others have in force, so it refuses everything until it can read the "
                                    "policy files, or the server is restarted"});
    policy_ = nullptr;
    source_.invalidate();
    current_.publish(nullptr);
    return outcome;
}

LookOutcome LivePolicy::look() {
    LookOutcome outcome;
    const std::lock_guard lock(looking_);
    current_.reclaim();
    if (std::exchange(was_replaced_, false)) give_memory_back();
    outcome.before = policy_;
    // Refusals first: nothing that is wrong with the rest may hold them up.
    const bool refusals = revocation_files_.look(outcome.findings);
    if (refusals) publish();
    const bool crls = crl_files_.look(known_cas_, outcome.findings);
    if (crls) publish();
    const std::size_t said = outcome.findings.size();
    auto policy = source_.look(outcome.findings);
    if (source_.is_failing() && outcome.findings.size() > said) outcome.refused = source_.failing_content();
    outcome.policy_clean = !source_.is_failing() && !source_.is_waiting();
    outcome.moved = policy != nullptr;
    outcome.moved_files = refusals || crls;
    if (outcome.moved) {
        take(std::move(policy));
        crl_files_.look(known_cas_, outcome.findings);
        publish();
        record_ = source_.take_record();
        was_replaced_ = true;
    }
    keep_record(outcome.findings);
    return outcome;
}

// For siblings that start later; again at the next look where another one is writing just now.
void LivePolicy::keep_record(std::vector<Diagnostic>& findings) {
    if (record_.empty()) return;
    const bool known = shared_ == nullptr || shared_->kept_generation() == policy_->generation();
    const auto keeping = known ? SharedState::Keeping::kKept : shared_->keep(policy_->generation(), record_);
    if (keeping == SharedState::Keeping::kBusy) return;
    record_ = {};
    if (keeping == SharedState::Keeping::kKept) return;
    findings.push_back({Diagnostic::Severity::kWarning,
                        {},
                        "the policy has outgrown the memory that the server's processes share: one that starts while "
                        "its files are broken will refuse everything; restart the server to make room"});
}

bool LivePolicy::is_waiting() {
    const std::lock_guard lock(looking_);
    return source_.is_waiting() || revocation_files_.is_waiting();
}

bool LivePolicy::is_failing() {
    const std::lock_guard lock(looking_);
    return source_.is_failing();
}

void LivePolicy::take(std::shared_ptr<const Policy> policy) {
    policy_ = std::move(policy);
    in_force_since_ = std::time(nullptr);
    learn_cas();
    crl_files_.watch(policy_->crl_files(), known_cas_);
}

void LivePolicy::learn_cas() {
    known_cas_ = server_cas_;
    policy_->add_cas_to(known_cas_);
    crl_files_.crls()->learn(known_cas_);
}

void LivePolicy::add_known_ca(X509& ca) {
    const std::lock_guard lock(looking_);
    server_cas_.emplace(read_name(*X509_get_subject_name(&ca)).canonical, &ca);
    if (policy_) learn_cas();
}

void LivePolicy::publish() {
    if (!policy_) return;
    auto next = std::make_unique<Snapshot>();
    next->policy = policy_;
    next->refusals = revocation_files_.refusals();
    next->crls = crl_files_.crls();
    next->serial = ++last_serial_;
    current_.publish(std::move(next));
}

}  // namespace mtls
