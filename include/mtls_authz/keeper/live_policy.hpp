// The policy while the server runs. One process, the keeper, polls the files, builds images and publishes them; all
// other processes map them. Requests decide on a snapshot, which is replaced as a whole.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "mtls_authz/keeper/keeper_board.hpp"
#include "mtls_authz/load/crl_files.hpp"
#include "mtls_authz/load/policy_source.hpp"
#include "mtls_authz/load/revocation_files.hpp"
#include "mtls_authz/policy/snapshot.hpp"

namespace mtls {

// Result of one poll.
struct PollResult {
    std::vector<Diagnostic> findings;
    std::vector<Directive> added_refusals;  // lines of revocation files that came into force
    std::vector<Directive> ended_refusals;  // lines that are no longer in force
    std::vector<std::string> missing;       // sources of refusals that are gone; see RevocationFiles::missing()
    std::vector<std::string> missing_crls;  // see CrlFiles::missing()
    std::vector<Diagnostic> bad_lines;      // see RevocationFiles::bad_lines()
    std::string refused;                    // digest of the policy files' contents, if this poll refused them
    bool policy_clean = false;              // the policy files are neither refused nor waiting for a second poll
    bool policy_changed = false;            // the policy changed
    bool refusals_changed = false;          // revocations or suspensions changed
    bool crls_changed = false;              // CRLs changed
    std::shared_ptr<const Policy> before;   // the policy before this poll; may be null
};

class LivePolicy {
public:
    explicit LivePolicy(const std::string& root) : source_(root, disk_) {}

    // The current snapshot; empty before start(), or if no policy is available. The reader keeps the snapshot alive.
    SnapshotReader current() const { return current_.read(); }
    // Whether the current policy names fronts: one relaxed load. While a new policy is being published, a request may
    // get the answer for the old one.
    bool has_fronts() const noexcept { return has_fronts_.load(std::memory_order_relaxed); }
    // When the current policy came into force, in seconds since the epoch.
    std::int64_t in_force_since() const { return in_force_since_; }

    // ---- before other processes are forked ----

    // Sets which owners of files are trusted. Files of `trust.fetcher` are accepted only as revocation files, CRLs and
    // SPIFFE bundles.
    void set_trust(const FileTrust& trust);
    const FileTrust* trust() const { return disk_.trust() ? &*disk_.trust() : nullptr; }
    // Adds a CA of mod_ssl that may have signed a CRL. `ca` must outlive this object.
    void add_server_ca(X509& ca);
    // Gives this process, and each keeper that it forks from here on, the next number of a publisher. In the parent,
    // before it forks a keeper; start() does so, too.
    void begin_to_publish();
    // Whether another process has a higher number: this one must not publish any more, and put_on_shelf() does not.
    bool is_superseded() const { return board_ != nullptr && board_->newest_publisher != publisher_; }
    // Call it before start(): images are then shared with all processes forked later. `board` must outlive this object.
    void share_between_processes(KeeperBoard& board);

    // MTLSPolicyDatabase: adds all rows of the two views to the policy. `spelled`: as written in the directive.
    void use_database(const std::string& spelled, const Where& where);
    // The rows of policy files, certificates and CRLs.
    DatabaseView& database() { return policy_rows_; }
    // The rows of revocation files, which a connection of their own reads.
    DatabaseView& revocation_database() { return revocation_rows_; }
    // The highest revision of database() that is in force; 0: none.
    std::int64_t revision_in_force() const { return policy_rows_.floor(); }
    // Counts the changes of the rows that a poll of this kind reads.
    std::uint64_t database_changes(Watched what) const {
        return what == Watched::kRefusals ? revocation_rows_.changes() : policy_rows_.changes();
    }

    // Builds the policy and polls all files, after a restart on top of the refusals and CRLs from before it. If the
    // policy files are refused, returns the policy from before (recalled() is then true), or null if there was none.
    // `findings`: faults of the policy; `reported`: faults of revocation files and CRLs, which do not stop a start.
    std::shared_ptr<const Policy> start(std::vector<Diagnostic>& findings, std::vector<Diagnostic>& reported);
    bool recalled() const { return is_recalled_; }
    // Lets the keeper's first poll report again what start() did of revocation files and CRLs.
    void report_again();
    // Releases this process's references after start(): the parent only forks from here on. If start() could not put
    // the images on the shelf, they stay with the parent, for the keepers that it forks.
    void release();

    // ---- in the keeper ----

    // Called after the fork: continues from the images on the shelf. False if this process lacks descriptors or memory
    // for them: without them it would end refusals whose files are gone. Call it again then, and nothing else.
    [[nodiscard]] bool take_over();
    // Polls one kind of files and publishes what changed. Do not run two polls of the same kind at once.
    void poll_refusals(PollResult& outcome);
    void poll_crls(PollResult& outcome);
    void poll_policy(PollResult& outcome);
    // Polls all three kinds, one after the other.
    PollResult look();
    // Whether a change was seen once and needs a second equal poll.
    bool is_waiting(Watched what);
    // Files and patterns that the next poll of this kind reads.
    std::vector<std::string> names_of(Watched what);
    // Whether the policy files in their current state were refused.
    bool is_failing();
    // Puts the current images on the shelf again if needed. False if the sockets to the children are broken.
    bool ensure_published();
    // When the published images last changed, as monotonic_seconds().
    std::int64_t unchanged_since() const { return unchanged_since_; }

    // ---- in every other process ----

    // Called after the fork: takes the current images. With `asks`, the process has no policy until the keeper answers:
    // the policy from the server's start may be days old, and must not decide.
    std::vector<Diagnostic> join(bool asks);
    // Switches to the images on the shelf. Thread-safe; does nothing while another thread runs it.
    std::vector<Diagnostic> follow();
    // KeeperBoard::changes as of the last follow().
    std::uint64_t seen_changes() const { return seen_changes_; }
    // Whether follow() has something to do.
    bool is_behind() const noexcept {
        return board_ != nullptr && board_->changes.load(std::memory_order_acquire) != seen_changes_;
    }
    // Whether the keeper has not answered this process yet.
    bool is_new() const { return is_new_; }
    // Called before a process exits while its other threads run: waits at most 3 s for a running follow(), and blocks
    // later ones.
    void stop_following();

    PolicySource& policy_source() { return source_; }
    RevocationFiles& revocation_files() { return revocation_files_; }

private:
    void close_gates();
    void look_at_start(Watched kind, bool is_restored, bool has_policy, std::vector<Diagnostic>& findings,
                       const std::function<void()>& look);
    void look_at_refusals(std::vector<Diagnostic>& findings);
    void note_revision();
    void put_in_force(std::shared_ptr<const Policy> policy);
    void refuse_until_published(std::uint64_t least, std::vector<Diagnostic>& findings);
    enum class Taken { kYes, kUnusable, kLacking };
    Taken take(Watched kind, ShelfContents& shelf, std::vector<Diagnostic>& findings);
    std::shared_ptr<const Policy> keep_on_shelf(std::vector<Diagnostic>& findings);
    void take_image(Watched kind, std::shared_ptr<const Image> image);
    using Images = std::array<std::shared_ptr<const Image>, kWatched>;
    // False if the shelf does not take them.
    bool publish_images(std::initializer_list<std::pair<Watched, std::shared_ptr<const Image>>> images);
    bool put_on_shelf();
    void withdraw_shelf();
    void publish();
    void drop_policy();
    bool read_crls(const std::shared_ptr<const Policy>& by, const std::vector<WatchedFiles>& more,
                   std::vector<Diagnostic>& findings);
    std::shared_ptr<const Policy> policy() const;
    CasByName known_cas(const std::shared_ptr<const Policy>& by) const;
    CasByName known_anchors(const std::shared_ptr<const Policy>& by) const;

    // One mutex per kind of files, and one for follow(); locked before mutex_.
    std::mutex refusals_polling_, crls_polling_, policy_polling_, following_;
    mutable std::mutex mutex_;             // guards what publish() reads
    mutable Published<Snapshot> current_;  // readers mark it while they read
    std::shared_ptr<const Policy> policy_;
    std::shared_ptr<const Refusals> refusals_ = std::make_shared<const Refusals>();
    std::shared_ptr<const CrlSet> crls_ = std::make_shared<const CrlSet>();
    std::atomic<bool> has_fronts_{false};
    std::uint64_t last_serial_ = 0;
    std::atomic<std::int64_t> in_force_since_{0};

    DatabaseView policy_rows_, revocation_rows_;
    bool has_database_ = false;
    Where database_at_;
    DiskFiles disk_;
    PolicySource source_;
    RevocationFiles revocation_files_;
    CrlFiles crl_files_;
    std::multimap<std::string, X509*> server_cas_;
    std::array<std::string, kWatched> exceptions_;  // of the last polls; empty: none
    bool is_recalled_ = false;
    std::atomic<bool> lacks_refusals_{false};  // they could not be read at the start, and not since
    bool are_refusals_linted_ = true;          // nothing has come since lint saw them

    // Null: no other process shares the policy (tests, the tool).
    KeeperBoard* board_ = nullptr;
    ImageShelf shelf_;

    std::uint64_t publisher_ = 0;       // the number of this process
    std::uint64_t seen_publisher_ = 0;  // of the images that this process uses, if they come from the shelf
    bool is_unshelved_ = false;         // start() could not put its images on the shelf

    // The published images: in the keeper, and in the parent before a keeper runs.
    std::mutex publishing_;  // always locked last
    Images images_;
    std::atomic<std::int64_t> unchanged_since_{0};

    // Serial numbers of the published images, or of those that this process uses; 0: none.
    std::array<std::uint64_t, kWatched> serials_{};
    std::atomic<std::uint64_t> seen_changes_{0};
    std::array<std::uint64_t, kWatched> faulty_{};  // serial numbers of the last unusable images
    std::atomic<bool> is_new_{false};
    std::uint64_t asked_ = 0;  // the value of KeeperBoard::asked that the keeper has to reach
};

}  // namespace mtls
