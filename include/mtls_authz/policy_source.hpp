// Where a policy comes from: directives of httpd.conf, policy files, and the files that both name. Builds it at start,
// and again when a file changed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/file.hpp"
#include "mtls_authz/policy_builder.hpp"
#include "mtls_authz/policy_memory.hpp"

namespace mtls {

class PolicySource {
public:
    // Borrows `disk`.
    PolicySource(std::string root, DiskFiles& disk) : root_(std::move(root)), disk_(disk) {}

    // One directive of the top level; what is wrong with it alone is found now. Returns its errors, joined, or "".
    std::string add(Directive directive);
    // MTLSPolicyFile.
    void watch(WatchedFiles files) { watched_.push_back(std::move(files)); }

    // Where to put a policy that so many bytes were read for; null: on the heap of this process.
    using FindPlace = std::function<std::shared_ptr<PolicyMemory::Filling>(std::size_t)>;

    // Builds from everything added. Null where something is wrong; `findings` has what.
    std::shared_ptr<const Policy> build(std::vector<Diagnostic>& findings, const FindPlace& find_place = {});

    // One look at all files. Where two looks in a row saw the same change, and what they hold is good, the new policy;
    // otherwise null. What is wrong is reported once for each content. With `memory`, one process builds for all, and
    // the others find nothing while it does; `in_need`: this one has none to decide by, and waits less for another.
    // Not thread-safe.
    std::shared_ptr<const Policy> look(std::vector<Diagnostic>& findings, PolicyMemory* memory = nullptr,
                                       bool in_need = false);

    // For how many seconds another process may be at it before this one builds its own.
    void set_patience(std::int64_t seconds) { patience_ = seconds; }
    // Whether the policy in force, which build() or look() returned, is this process's alone.
    bool built_alone() const { return built_alone_; }

    // Whether the files hold what is in force. Not thread-safe.
    bool is_in_force();

    // Another process has built this one from the files as they are now, or were just now.
    void follow(std::shared_ptr<const Policy> policy);
    // Nothing is in force any more: whatever the files hold is new.
    void invalidate() { follow(nullptr); }

    // Whether a change was seen once: the next look should come soon.
    bool is_waiting() const { return (draft_ && !draft_->settled) || other_builds_since_; }
    bool is_other_building() const { return other_builds_since_.has_value(); }
    // Whether the files as they are now were refused.
    bool is_failing() const { return draft_ && draft_->settled; }
    // What tells their content from any other that was refused; only where is_failing().
    std::string failing_content() const;
    // All files that the policy in force was read from.
    std::vector<std::string> paths() const;

private:
    // A policy as the files would have it, until a second look agrees.
    struct Draft {
        std::shared_ptr<PolicyMemory::Filling> filling;  // where it lies; null: on the heap
        std::shared_ptr<const Policy> policy;            // null: refused
        std::vector<Diagnostic> findings;
        std::map<std::string, WrittenFile> digests;          // by path or pattern
        std::map<std::string, std::uint64_t> settled_files;  // by path
        bool settled = false;
    };
    Draft make_draft(const FindPlace& find_place) const;
    void find_vanished(Draft& draft) const;
    std::set<std::string> find_vanished_refusals(const Draft& draft) const;
    std::shared_ptr<const Policy> put_in_force(Draft& draft);
    bool must_wait(PolicyMemory* memory, std::shared_ptr<PolicyMemory::Filling>& filling, bool in_need);
    bool holds(const std::string& name, std::size_t limit, std::string_view digest, std::uint64_t& settled);
    bool is_drafted();

    std::string root_;
    DiskFiles& disk_;
    std::vector<Directive> directives_;
    std::vector<WatchedFiles> watched_;
    std::shared_ptr<const Policy> in_force_;
    std::optional<Draft> draft_;
    std::int64_t patience_ = 60;
    bool built_alone_ = false;
    std::optional<std::int64_t> other_builds_since_;  // another process is at it, as far as is known
    std::vector<std::uint64_t>
        settled_;  // stamps of files in force, in their order: what looks the same needs no reading
};

}  // namespace mtls
