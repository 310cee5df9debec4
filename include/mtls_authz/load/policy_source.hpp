// Where a policy comes from: directives of httpd.conf, policy files, and the files that both name. Builds it at start,
// and again when a file changed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/load/disk_files.hpp"
#include "mtls_authz/base/image.hpp"
#include "mtls_authz/load/policy_builder.hpp"

namespace mtls {

class PolicySource {
public:
    // Borrows `disk`.
    PolicySource(std::string root, DiskFiles& disk) : root_(std::move(root)), disk_(disk) {}

    // One directive of the top level; what is wrong with it alone is found now. Returns its errors, joined, or "".
    std::string add(Directive directive);
    // MTLSPolicyFile.
    void watch(WatchedFiles files) { watched_.push_back(std::move(files)); }

    // From now on policies are made in images.
    void share() { is_shared_ = true; }
    // That of the policy in force, where this has made or followed it.
    const std::shared_ptr<const Image>& image() const { return image_; }

    // Builds from everything added. Null where something is wrong; `findings` has what.
    std::shared_ptr<const Policy> build(std::vector<Diagnostic>& findings);

    // Asked before a policy comes into force, with that policy.
    using Prepare = std::function<void(const Policy&)>;

    // One look at all files. Where two looks in a row saw the same change, and what they hold is good, the new policy;
    // otherwise null. What is wrong is reported once for each content. Not thread-safe.
    std::shared_ptr<const Policy> look(std::vector<Diagnostic>& findings, const Prepare& prepare = {});

    // Another process has built this one from the files as they are now, or were just now.
    void follow(std::shared_ptr<const Policy> policy, std::shared_ptr<const Image> image);
    // Nothing is in force any more: whatever the files hold is new.
    void invalidate() { follow(nullptr, nullptr); }

    // Whether a change was seen once: the next look should come soon.
    bool is_waiting() const { return draft_ && !draft_->settled; }
    // Whether the files as they are now were refused, or the database cannot be read.
    bool is_failing() const { return (draft_ && draft_->settled) || disk_.is_database_away(); }
    // What tells their content from any other that was refused; only where is_failing().
    std::string failing_content() const;
    // All files that the policy in force was read from.
    std::vector<std::string> paths() const;
    // All files and patterns on which the next look depends.
    std::vector<std::string> names() const;
    // Of the database, at the last look: where what it holds is in force.
    std::optional<std::int64_t> revision_in_force() const;

private:
    // The stamp with which each file was found to hold what it is known to hold: one that still has it needs no
    // reading.
    using Settled = std::map<std::string, std::uint64_t, std::less<>>;
    // A policy as the files would have it, until a second look agrees.
    struct Draft {
        std::shared_ptr<const Policy> policy;  // null: refused
        std::shared_ptr<const Image> image;
        std::vector<Diagnostic> findings;
        std::map<std::string, WrittenFile> digests;  // by path or pattern
        Settled settled_files;
        std::shared_ptr<const DatabaseRows> rows;  // that were found to hold what the draft has of the database
        bool settled = false;
        // Nothing is wrong with the files, but there was no room for what they say; when that was seen.
        std::optional<std::chrono::steady_clock::time_point> had_no_room;
    };
    Draft make_draft() const;
    void find_vanished(Draft& draft) const;
    std::set<std::string> find_vanished_refusals(const Draft& draft) const;
    std::shared_ptr<const Policy> put_in_force(Draft& draft);
    bool is_in_force();
    bool holds(const std::string& name, std::size_t limit, std::string_view digest, std::uint64_t& settled);
    bool row_holds(const std::string& name, std::size_t limit, std::string_view digest) const;
    bool is_drafted();
    void report_database(std::vector<Diagnostic>& findings);
    void keep_settled(Draft& draft) const;

    std::string root_;
    DiskFiles& disk_;
    std::vector<Directive> directives_;
    std::vector<WatchedFiles> watched_;
    std::shared_ptr<const Policy> in_force_;
    std::shared_ptr<const Image> image_;
    bool is_shared_ = false;
    std::optional<Draft> draft_;
    Settled settled_;                           // of files in force
    std::shared_ptr<const DatabaseRows> rows_;  // that were found to hold what is in force
    std::set<std::string> database_faults_;     // reported since it was read last
};

}  // namespace mtls
