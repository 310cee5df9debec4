// What changes while the server runs. One process, the keeper, looks at the files, builds, and hands out what counts;
// every other one follows. The snapshot that requests decide on is replaced as a whole.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "mtls_authz/keeper/keeper_board.hpp"
#include "mtls_authz/load/policy_source.hpp"
#include "mtls_authz/load/revocation_files.hpp"
#include "mtls_authz/policy/snapshot.hpp"
#include "mtls_authz/trust/crl_files.hpp"

namespace mtls {

// What one look brought.
struct LookOutcome {
    std::vector<Diagnostic> findings;
    std::vector<Directive> refusing;    // lines of revocation files that count from now on
    std::vector<std::string> missing;   // sources of refusals that are gone, as RevocationFiles::missing() has them
    std::vector<Diagnostic> bad_lines;  // as RevocationFiles::bad_lines() has them
    std::string refused;          // where the policy files were refused, just now: the digest of all that they hold
    bool policy_clean = false;    // they are neither refused nor in doubt
    bool moved = false;           // another policy is in force
    bool moved_refusals = false;  // other revocations or suspensions are
    bool moved_crls = false;      // other CRLs are
    std::shared_ptr<const Policy> before;  // the one that was in force at the beginning; may be null
};

class LivePolicy {
public:
    explicit LivePolicy(const std::string& root) : source_(root, disk_) {}

    // The snapshot now current; none before start, or where none can be had. What it holds lives as long as the reader.
    SnapshotReader current() const { return current_.read(); }
    // Whether the policy now current names fronts. Costs one read; a request that asks while another policy comes into
    // force may get the answer of the one before.
    bool has_fronts() const noexcept { return has_fronts_.load(std::memory_order_relaxed); }
    // When the policy in force came into force, in seconds since the epoch.
    std::int64_t in_force_since() const { return in_force_since_; }

    // ---- before other processes are forked ----

    // Whom files are trusted by. What `fetcher` owns counts where revocation files, CRLs and SPIFFE bundles are read.
    void set_trust(const FileTrust& trust);
    // CAs beside the policy's own that may have signed a CRL: mod_ssl's. Borrowed for as long as this lives.
    void add_known_ca(X509& ca);
    // Call it before start(): what is in force then lies in images, and is handed out to all processes forked later.
    // `board` must outlive this object.
    void share_between_processes(KeeperBoard& board);

    // Builds the policy and takes a first look at the files. If the policy files are refused, returns the policy that
    // was in force before a restart (recalled() is then true), or null if there was none. `findings`: faults of the
    // policy; `reported`: faults of revocation files and CRLs, which keep no server from starting.
    std::shared_ptr<const Policy> start(std::vector<Diagnostic>& findings, std::vector<Diagnostic>& reported);
    bool recalled() const { return is_recalled_; }
    // When it has seen what it wanted: from here on it only ever forks.
    void let_go();

    // ---- in the keeper ----

    // After it was forked: goes on from what is in force.
    void take_over();
    // One look each; not two of the same kind at once. What changed is handed out.
    void look_at_refusals(LookOutcome& outcome);
    void look_at_crls(LookOutcome& outcome);
    void look_at_policy(LookOutcome& outcome);
    // All three, one after the other.
    LookOutcome look();
    // Whether a change was seen once and waits for a second look.
    bool is_waiting(Watched what);
    // Files and patterns on which the next look depends.
    std::vector<std::string> names_of(Watched what);
    // The policy files as they are now were refused.
    bool is_failing();
    // Sees to it that children find what is in force. False where the sockets to them do not work any more.
    bool keep_handing_out();
    // Since when nothing else was in force, as monotonic_seconds().
    std::int64_t unchanged_since() const { return unchanged_since_; }

    // ---- in every other process ----

    // After it was forked: takes what is in force, and decides by nothing until the keeper answers, if it `asks` one.
    // What was in force when the server started, perhaps days ago, is no substitute.
    std::vector<Diagnostic> join(bool asks);
    // Moves to what is in force now. Thread-safe; where another thread is at it, nothing happens.
    std::vector<Diagnostic> follow();
    // Of what this process has taken: KeeperBoard::changes.
    std::uint64_t seen_changes() const { return seen_changes_; }
    // Whether follow() has something to do.
    bool is_behind() const noexcept {
        return board_ != nullptr && board_->changes.load(std::memory_order_acquire) != seen_changes_;
    }
    // Whether the keeper has not answered yet.
    bool is_new() const { return is_new_; }
    // Before a process ends, while its other threads go on: waits for what has begun, at most three seconds. Nothing
    // begins afterwards.
    void end_looking();

    PolicySource& policy_source() { return source_; }
    RevocationFiles& revocation_files() { return revocation_files_; }

private:
    void recall_policy();
    void put_in_force(std::shared_ptr<const Policy> policy);
    bool take(Watched kind, ShelfContents& shelf, std::vector<Diagnostic>& findings);
    void take_image(Watched kind, std::shared_ptr<const Image> image);
    using Images = std::array<std::shared_ptr<const Image>, kWatched>;
    void hand_out(std::initializer_list<std::pair<Watched, std::shared_ptr<const Image>>> images);
    bool put_on_shelf();
    void publish();
    void drop_policy();
    bool read_crls(const Policy* next, std::vector<Diagnostic>& findings);
    std::shared_ptr<const Policy> policy() const;
    CasByName known_cas() const;
    CasByName known_anchors() const;

    // Of the files of each kind, and of what follows() is at; taken before mutex_.
    std::mutex refusals_looking_, crls_looking_, policy_looking_, following_;
    mutable std::mutex mutex_;             // of what is published
    mutable Published<Snapshot> current_;  // whoever looks marks it
    std::shared_ptr<const Policy> policy_;
    std::shared_ptr<const Refusals> refusals_ = std::make_shared<const Refusals>();
    std::shared_ptr<const CrlSet> crls_ = std::make_shared<const CrlSet>();
    std::atomic<bool> has_fronts_{false};
    std::uint64_t last_serial_ = 0;
    std::atomic<std::int64_t> in_force_since_{0};

    DiskFiles disk_;
    PolicySource source_;
    RevocationFiles revocation_files_;
    CrlFiles crl_files_;
    std::multimap<std::string, X509*> server_cas_;
    bool is_recalled_ = false;

    // Null where nothing is shared: then this process has it all alone.
    KeeperBoard* board_ = nullptr;
    ImageShelf shelf_;

    // What was handed out: in the keeper, and in the parent before there is one.
    std::mutex handing_out_;  // taken last
    Images images_;
    std::atomic<std::int64_t> unchanged_since_{0};

    // What was handed out, or what this process has taken; 0: nothing.
    std::array<std::uint64_t, kWatched> serials_{};
    std::atomic<std::uint64_t> seen_changes_{0};
    std::array<std::uint64_t, kWatched> faulty_{};  // the last that could not be used
    std::atomic<bool> is_new_{false};
    std::uint64_t asked_ = 0;  // what the keeper has to answer
};

}  // namespace mtls
