// What changes while the server runs: files are looked at in every process, and the snapshot that requests decide on is
// replaced as a whole.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "mtls_authz/crl_files.hpp"
#include "mtls_authz/policy_source.hpp"
#include "mtls_authz/refusals.hpp"
#include "mtls_authz/shared_text.hpp"
#include "mtls_authz/snapshot.hpp"

namespace mtls {

// What one look brought.
struct LookOutcome {
    std::vector<Diagnostic> findings;
    std::vector<Diagnostic> mended;   // what was found by an earlier look, and no longer holds
    std::vector<Directive> refusing;  // lines of revocation files that count from now on
    std::string refused;              // where the policy files were refused, just now: the digest of all that they hold
    bool policy_clean = false;        // they are neither refused nor in doubt
    bool moved = false;               // another policy is in force
    bool moved_files = false;         // other revocations, suspensions or CRLs are
    bool moved_refusals = false;      // of these, revocations or suspensions
    std::shared_ptr<const Policy> before;  // the one that was in force at the beginning; may be null
};

class LivePolicy {
public:
    explicit LivePolicy(const std::string& root) : source_(root, disk_) {}

    // The snapshot now current; none before start, or where none can be had. What it holds lives as long as the reader.
    SnapshotReader current() const { return current_.read(); }
    std::uint64_t version() const { return current_.version(); }

    // Before the first request: builds the policy, null where it cannot be had, and takes a first look at the files.
    // `findings`: what is wrong with the policy; `reported`: what is wrong with files that are only ever reported.
    std::shared_ptr<const Policy> start(std::vector<Diagnostic>& findings, std::vector<Diagnostic>& reported);

    // Before start(): its policies lie in memory that the processes forked later have in common, where such memory can
    // be had. `least`: bytes that there is room for in any case.
    void share_between_processes(std::size_t least = kLeastShared) { least_shared_ = least; }
    bool is_shared() const { return memory_ != nullptr; }
    // In the process that forks the others, when it has seen what it wanted.
    void let_go();

    // In a process that was forked just now: moves to what its siblings have in force, or to nothing where that cannot
    // be had. A policy that was in force when the server started, perhaps days ago, is no substitute. `will_look`: it
    // refuses everything until look() has found that this is what the files hold, or that they were refused: another
    // process may hang while it builds what they hold.
    LookOutcome join_siblings(bool will_look = false);
    // Whether it has not been found yet.
    bool is_new();
    // One look at all files; publishes a new snapshot where something changed.
    LookOutcome look();
    // Before a process ends, while its other threads go on: waits for a look that has begun, at most three seconds.
    // None begins afterwards.
    void end_looking();
    // Whether a change was seen once and waits for a second look.
    bool is_waiting();

    // Whether another process is building a policy, and has not put it in force yet.
    bool is_other_building();

    // The policy files as they are now were refused.
    bool is_failing();
    // When the policy in force came into force, in seconds since the epoch.
    std::int64_t in_force_since() const { return in_force_since_; }

    PolicySource& policy_source() { return source_; }
    RevocationFiles& revocation_files() { return revocation_files_; }

    // Whom files are trusted by. Before start().
    void set_trust(const FileTrust& trust);
    // CAs beside the policy's own that may have signed a CRL: mod_ssl's. Borrowed for as long as this lives.
    void add_known_ca(X509& ca);

private:
    static constexpr std::size_t kLeastShared = 64UL << 20;  // of address space; memory is used as far as it is filled

    void take(std::shared_ptr<const Policy> policy);
    void publish();
    void share_refusals(bool changed);
    bool look_at_crls(std::vector<Diagnostic>& findings);
    bool follow(std::vector<Diagnostic>& findings);
    bool is_certain() const;
    CasByName known_cas() const;
    CasByName known_anchors() const;

    std::mutex looking_;
    mutable Published<Snapshot> current_;  // whoever looks marks it
    DiskFiles disk_;
    PolicySource source_;
    std::shared_ptr<const Policy> policy_;
    RevocationFiles revocation_files_;
    CrlFiles crl_files_;
    std::multimap<std::string, X509*> server_cas_;
    std::size_t least_shared_ = 0;  // 0: nothing is shared
    std::shared_ptr<PolicyMemory> memory_;
    std::uint64_t seen_serial_ = 0;              // of memory_
    bool must_announce_ = false;                 // this process alone has the policy in force
    std::unique_ptr<SharedText> refusal_lines_;  // what siblings have in force of revocation files
    bool must_write_lines_ = false;              // they do not have it there yet
    std::unique_ptr<SharedText> crl_names_;      // which CRLs they have in force
    bool is_new_ = false;                        // this process has begun, and no look has found yet what counts
    bool was_replaced_ = false;                  // the policy was, at the last look
    std::uint64_t last_serial_ = 0;
    std::int64_t in_force_since_ = 0;
};

}  // namespace mtls
