#include "mtls_authz/keeper/live_policy.hpp"

#include <unistd.h>

#include <thread>
#include <utility>

#include "mtls_authz/keeper/poll_timer.hpp"
#include "mtls_authz/load/lint.hpp"
#include "mtls_authz/system/heap.hpp"

namespace mtls {

// The start, before other processes are forked.

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

}  // namespace

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
// broken takes nothing away. Without it, revoked certificates would pass if `look` throws: the policy that was built is
// not used then. `has_policy`: the one from before the restart is on the shelf, and stays in force.
void LivePolicy::look_at_start(Watched kind, bool is_restored, bool has_policy, std::vector<Diagnostic>& findings,
                               const std::function<void()>& look) {
    try {
        look();
    } catch (const std::exception& e) {
        findings.push_back({is_restored ? Diagnostic::Severity::kWarning : Diagnostic::Severity::kError,
                            {},
                            std::string("the ") + name_of(kind) + " could not be read (" + e.what() + "): " +
                                (is_restored  ? "what was in force stays so"
                                 : has_policy ? "the policy from before the restart stays in force, without them"
                                              : "the gates stay closed")});
        if (is_restored) return;
        is_recalled_ = has_policy;
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

// Without descriptors or memory for what was in force before the restart: it stays in force, with its refusals, until
// the keeper can take it over, and builds anew.
std::shared_ptr<const Policy> LivePolicy::keep_on_shelf(std::vector<Diagnostic>& findings) {
    findings.push_back({Diagnostic::Severity::kError,
                        {},
                        "there are no descriptors or no memory for what was in force before the restart (ulimit -n, "
                        "-v): it stays in force until the keeper can read the files"});
    is_recalled_ = true;
    close_gates();
    source_.report_database_again();
    return nullptr;
}

std::shared_ptr<const Policy> LivePolicy::start(std::vector<Diagnostic>& findings, std::vector<Diagnostic>& reported) {
    begin_to_publish();
    auto before = board_ != nullptr ? board_->kept() : std::nullopt;
    // Takes what was in force before a restart, if it is usable.
    bool is_lacking = false;
    const auto restore = [&](Watched kind) {
        std::vector<Diagnostic> unusable;
        const bool is_there = before && before->serials[index_of(kind)] != 0;
        const Taken taken = is_there ? take(kind, *before, unusable) : Taken::kUnusable;
        is_lacking = is_lacking || taken == Taken::kLacking;
        return taken == Taken::kYes;
    };
    const bool has_policy = restore(Watched::kPolicy), has_refusals = restore(Watched::kRefusals);
    if (is_lacking) return keep_on_shelf(findings);
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
    look_at_start(Watched::kRefusals, has_refusals, has_policy, findings, [&] { look_at_refusals(reported); });
    const bool has_crls = restore(Watched::kCrls);
    if (is_lacking) return keep_on_shelf(findings);
    look_at_start(Watched::kCrls, has_crls, has_policy, findings, [&] { read_crls(policy_, {}, reported); });
    name_tables(reported);
    // Where the policy from before a restart stays in force without being read here, the shelf has it already.
    const bool stays_on_shelf = policy_ == nullptr && is_recalled_;
    if (!stays_on_shelf && !publish_images({{Watched::kRefusals, revocation_files_.image()},
                                            {Watched::kCrls, crl_files_.image()},
                                            {Watched::kPolicy, source_.image()}})) {
        withdraw_shelf();
    }
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
    const auto more = lint_refusals(*policy_, *refusals_);
    reported.insert(reported.end(), more.begin(), more.end());
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
    if (is_unshelved_) return;
    policy_rows_.forget();
    revocation_rows_.forget();
    source_.invalidate();
    drop_policy();
    images_ = {};
}

}  // namespace mtls
